//! A cluster in memory: it takes the writes that plans ask for, under their preconditions, and does
//! what the StatefulSet's controller and the kubelet do.

use std::collections::{BTreeMap, BTreeSet};

use api::{Fingerprint, Trigger};
use jiff::{SignedDuration, Timestamp};
use plan::{
    Version,
    certificate::{Observed, Published, plan},
    rollout,
};

use super::{Case, scaling::successor};

/// How long anything takes: longer than the tolerance of clocks, within which nothing is told apart.
pub(super) const TICK: SignedDuration = SignedDuration::from_secs(3);

/// A write whose precondition did not hold.
#[derive(Debug)]
pub struct Stale;

#[derive(Debug)]
pub struct Cluster {
    /// What there is.
    pub truth: Observed,
    /// One clock for all.
    pub clock: Timestamp,
    /// Why certificates were issued.
    pub issued: Vec<Trigger>,
    /// Fingerprints that the template got.
    pub stamped: Vec<Fingerprint>,
    /// Pods that were restarted alone.
    pub restarted: Vec<String>,
    /// How often the template was put back to what it was.
    pub restored: usize,
    /// Leaf that each pod read when it started; none for something unusable.
    pub serves: BTreeMap<String, Option<Fingerprint>>,
    /// Leaf that the operator published last.
    pub(super) wrote: Option<Fingerprint>,
    /// Leaves that were in the store.
    pub(super) stored: BTreeSet<Fingerprint>,
    pub(super) revision: u32,
    /// Whether the workload is a Deployment: it starts pods before it ends others.
    pub surges: bool,
}

impl Cluster {
    pub fn of(case: Case) -> Self {
        let stored = case.0.stored().into_iter();
        let pairs = stored.flat_map(|stored| [Some(&stored.current), stored.previous.as_ref()]);
        let stored = pairs.flatten().map(|pair| pair.leaf.fingerprint).collect();
        Self {
            truth: case.0,
            clock: super::now(),
            issued: Vec::new(),
            stamped: Vec::new(),
            restarted: Vec::new(),
            restored: 0,
            serves: BTreeMap::new(),
            wrote: None,
            stored,
            revision: 100,
            surges: false,
        }
    }

    /// The leaf that the operator published last.
    pub fn wrote_last(&self) -> Option<Fingerprint> {
        self.wrote
    }

    /// One step of anybody who has something to do: the operator, then Kubernetes.
    pub fn step(&mut self) -> bool {
        self.operator_steps(&self.truth.clone())
            .is_some_and(|result| result.is_ok())
            || if self.surges {
                self.deployment_steps()
            } else {
                self.kubernetes_steps()
            }
    }

    /// Whether everybody came to rest within so many steps.
    pub fn rests_within(&mut self, steps: usize) -> bool {
        (0..steps).any(|_| !self.step())
    }

    /// One write, decided on what is seen.
    pub fn operator_steps(&mut self, seen: &Observed) -> Option<Result<(), Stale>> {
        if let Some(action) = plan(seen, self.clock).action {
            return Some(self.take(seen, &action));
        }
        match self.rollout_plan(seen)? {
            rollout::Action::StampTemplate {
                workload,
                fingerprints,
                ..
            } => Some(self.stamp(&workload, &fingerprints)),
            rollout::Action::RestartPod { pod, version }
            | rollout::Action::EvictPod { pod, version } => Some(self.restart_pod(&pod, &version)),
            rollout::Action::RestoreTemplate {
                workload,
                annotations,
            } => Some(self.restore_template(&workload, &annotations)),
            rollout::Action::TouchPod { pod, leaf, .. } => {
                self.touch(&pod, leaf);
                Some(Ok(()))
            }
        }
    }

    fn rollout_plan(&self, seen: &Observed) -> Option<rollout::Action> {
        let observed = rollout::Observed {
            workload: seen.workload.clone()?,
            certificates: seen.mounted().into_iter().collect(),
            pending: Vec::new(),
        };
        rollout::plan(&observed, self.clock).action
    }

    fn stamp(
        &mut self,
        workload: &Version,
        fingerprints: &BTreeMap<String, Fingerprint>,
    ) -> Result<(), Stale> {
        self.clock += TICK;
        self.revision += 1;
        let Some(rollout::Workload::Present(live)) = &mut self.truth.workload else {
            return Err(Stale);
        };
        if live.version != *workload {
            return Err(Stale);
        }
        live.template.extend(
            fingerprints
                .iter()
                .map(|(secret, it)| (secret.clone(), it.to_string())),
        );
        live.version.resource_version = self.revision.to_string();
        live.update_revision = Some(self.revision.to_string());
        live.changed = self.clock;
        self.stamped.extend(fingerprints.values());
        Ok(())
    }

    /// Starts a pod that waits for its Secret, replaces one of an older revision, or adds one.
    pub fn kubernetes_steps(&mut self) -> bool {
        self.clock += TICK;
        let Some(rollout::Workload::Present(live)) = &mut self.truth.workload else {
            return false;
        };
        let published = match &self.truth.published {
            Published::Present(secret) => Some(secret.pair.as_ref().map(|it| it.leaf.fingerprint)),
            Published::Absent | Published::Unreadable(_) => None,
        };
        let waiting = live.pods.iter().position(|pod| pod.ready_since.is_none());
        let outdated = live
            .pods
            .iter()
            .position(|pod| pod.revision != live.update_revision);
        if let (Some(waiting), Some(read)) = (waiting, published) {
            let pod = &mut live.pods[waiting];
            pod.started.insert("tls".to_owned(), vec![Some(self.clock)]);
            pod.ready_since = Some(self.clock);
            self.serves.insert(pod.name.clone(), read);
            return true;
        }
        let ordinal = match outdated {
            _ if waiting.is_some() => return false,
            Some(outdated) => outdated,
            None if live.pods.len() < usize::try_from(live.replicas).unwrap() => live.pods.len(),
            None => return false,
        };
        let pod = successor(live, ordinal, self.clock);
        self.serves.remove(&pod.name);
        if ordinal < live.pods.len() {
            live.pods[ordinal] = pod;
        } else {
            live.pods.push(pod);
        }
        true
    }
}
