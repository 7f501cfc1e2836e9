//! What is known of a workload, of its pods, and of the certificates that they mount.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use api::{Fingerprint, RolloutStrategy};
use jiff::{SignedDuration, Timestamp};

use super::{
    Assurance, Evidence, Predecessor, Reloader, SingleRestarts, Touches, Verdict, evidence, proof,
    single,
};
use crate::{Contest, Refusal, Version, contest::ContestedStamp, publication::PublicationLog};

/// A workload and all certificates whose resources name it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What is known of it.
    pub workload: Workload,
    /// Its certificates that are published.
    pub certificates: Vec<Mounted>,
    /// Names of its certificates for which a write of a Secret is due.
    pub pending: Vec<String>,
}

/// What is known of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// It does not exist.
    Missing,
    /// It, or its pods, could not be read.
    Unreadable(Refusal),
    /// It exists.
    Present(Box<Live>),
}

/// A workload that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its revision.
    pub version: Version,
    /// How many pods it shall have; of a DaemonSet, on how many nodes.
    pub replicas: i32,
    /// Ordinal below which pods are not updated (`updateStrategy.rollingUpdate.partition`).
    pub partition: i32,
    /// Whether Kubernetes replaces pods of an earlier template.
    pub replacement: Replacement,
    /// Whether a pod that is not Ready keeps Kubernetes from replacing it, or any other
    /// (`podManagementPolicy: OrderedReady`).
    pub ordered: bool,
    /// How long a pod has to be Ready before the next one is replaced (`minReadySeconds`).
    pub min_ready: SignedDuration,
    /// Whether its pods take ports of their node, so that a node takes one of them only.
    pub host_ports: bool,
    /// Whether its controller has seen its newest generation.
    pub observed: bool,
    /// Revision that pods of its template are made of; none while its controller has made none of
    /// that template.
    pub update_revision: Option<String>,
    /// When its specification was changed last, by the API server's clock.
    pub changed: Timestamp,
    /// Fingerprint annotations of the pod template, by Secret.
    pub template: BTreeMap<String, String>,
    /// Secrets that containers of its pods mount.
    pub mounts: BTreeSet<String>,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// Why the operator's last write to it failed, if it did.
    pub refused: Option<Refusal>,
    /// Since when its writes have failed for that reason, by the API server's clock.
    pub refused_since: Option<Timestamp>,
    /// Who keeps undoing the operator's writes to its template, if somebody does.
    pub contest: Option<ContestedStamp>,
    /// The ordinal of its first pod (`spec.ordinals.start`).
    pub first_ordinal: u32,
    /// How long a pod of the template may take to end (`terminationGracePeriodSeconds`).
    pub grace_period: SignedDuration,
    /// Whether one of its pods may be deleted.
    pub single_restarts: SingleRestarts,
    /// Whether the kubelet may be hurried to look at a pod's volumes.
    pub touches: Touches,
    /// A certificate's resource that names it and asks for a rolling restart: that restarts every pod, for
    /// the other certificates as well.
    pub rolled_by: Option<String>,
    /// What of its template is to have coturn reload.
    pub reloader: Reloader,
}

/// Whether Kubernetes replaces pods of an earlier template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// It does, by the workload's strategy.
    Automatic,
    /// It makes another once the user has deleted one (`updateStrategy: OnDelete`).
    OnDelete,
    /// It does once the user says so (a Deployment's `paused`).
    Paused,
}

/// A pod of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its own revision, as an object.
    pub version: Version,
    /// Revision it was made of (label `controller-revision-hash`; of a Deployment,
    /// `pod-template-hash`).
    pub revision: Option<String>,
    /// `metadata.creationTimestamp`, by the API server's clock.
    pub created: Timestamp,
    /// Per Secret that some container mounts, when each of these started, by the node's clock; none
    /// for one that has not.
    pub started: BTreeMap<String, Vec<Option<Timestamp>>>,
    /// Secrets without which it starts all the same (`optional: true` of the volume).
    pub optional: BTreeSet<String>,
    /// When its grace period ends, if it is being deleted.
    pub terminating: Option<Timestamp>,
    /// Since when it is Ready.
    pub ready_since: Option<Timestamp>,
    /// Fingerprint annotations it was created with, by Secret.
    pub fingerprints: BTreeMap<String, String>,
    /// Whether the scheduler finds no node for it.
    pub unschedulable: bool,
    /// Its IP address, once it has one.
    pub ip: Option<IpAddr>,
    /// Names the processes of its containers: another one once a container has started again.
    pub incarnation: String,
    /// How often its containers that mount a Secret have ended and started again.
    pub restarts: u32,
    /// When the last run began of such a container that the kubelet starts ever more rarely
    /// (`CrashLoopBackOff`), by the node's clock; none if it waits with none.
    pub backs_off: Option<Timestamp>,
    /// Where the agent in it relays to partners, if one does.
    pub relay: Option<SocketAddr>,
    /// For which leaf the kubelet was hurried last (annotation `coturncert.dev/touched`).
    pub touched: Option<String>,
}

/// A certificate that a workload mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Name of the resource.
    pub certificate: String,
    /// Name of the published Secret.
    pub secret: String,
    /// The leaf in service.
    pub current: Fingerprint,
    /// What the published Secret held, and from when.
    pub log: PublicationLog,
    /// How pods are brought onto it.
    pub strategy: RolloutStrategy,
    /// Certificates that it only adds names to, in the order of their publication.
    pub predecessors: Vec<Predecessor>,
    /// What is known of it on its pods beyond their start times.
    pub assurance: Assurance,
}

/// Judges one pod.
#[must_use]
pub fn evidence_of(pod: &Pod, mounted: &Mounted) -> Evidence {
    evidence::of(pod, mounted)
}

impl Mounted {
    /// What handshakes with a pod tell. One that is to be replaced may serve what it likes.
    #[must_use]
    pub fn verdict(&self, pod: &Pod) -> Verdict {
        match proof::verdict(pod, self) {
            Verdict::Another(..)
                if self.assurance.completed.is_none()
                    && evidence::by_start(pod, self).is_outdated() =>
            {
                Verdict::Awaited
            }
            told => told,
        }
    }

    /// Whether the operator may replace a single pod for the certificate.
    #[must_use]
    pub fn may_be_replaced_alone(&self, live: &Live) -> bool {
        match self.strategy {
            RolloutStrategy::RollingRestart => {
                live.single_restarts == SingleRestarts::Allowed && !live.holds_back()
            }
            RolloutStrategy::PodByPod | RolloutStrategy::Reload => true,
            RolloutStrategy::None => false,
        }
    }

    /// Whether the published Secret is known to hold the leaf in service.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.published_since().is_some()
    }

    /// Since when the published Secret holds the leaf in service.
    #[must_use]
    pub fn published_since(&self) -> Option<Timestamp> {
        self.log.since(crate::publication::Held::Leaf(self.current))
    }
}

impl Workload {
    /// Whether every pod that started is known to serve one of these leaves, also one that is ending.
    #[must_use]
    pub fn serves_one_of(&self, mounted: &Mounted, leaves: &[Fingerprint]) -> bool {
        match self {
            Self::Missing | Self::Unreadable(_) => false,
            Self::Present(live) => live
                .pods
                .iter()
                .all(|pod| evidence::read_one_of(pod, mounted, leaves)),
        }
    }
}

impl Live {
    /// Who keeps undoing the stamp with a certificate, while it is not to be made again.
    pub(super) fn contested(&self, mounted: &Mounted, now: Timestamp) -> Option<&Contest> {
        let stamp = self.contest.as_ref()?;
        let is_meant = stamp.fingerprints.get(&mounted.secret) == Some(&mounted.current);
        Some(&stamp.contest).filter(|contest| is_meant && contest.is_under_way(now))
    }

    /// Whether Kubernetes replaces no pods although its template has changed.
    #[must_use]
    pub const fn holds_back(&self) -> bool {
        match self.replacement {
            Replacement::Automatic => false,
            Replacement::OnDelete | Replacement::Paused => true,
        }
    }

    /// Whether it makes no pods of a template that was changed meanwhile.
    pub(super) const fn is_paused(&self) -> bool {
        matches!(self.replacement, Replacement::Paused)
    }

    /// Whether a change of its template restarts nothing, now or later. A Deployment that is paused
    /// makes pods of the template before even if it is scaled up, and replaces them once it goes on.
    pub(super) const fn has_no_pods(&self) -> bool {
        self.replicas == 0 && self.pods.is_empty() && self.observed && !self.is_paused()
    }

    /// Whether pods made from the template are made for this leaf.
    #[must_use]
    pub fn carries(&self, secret: &str, fingerprint: Fingerprint) -> bool {
        self.template
            .get(secret)
            .is_some_and(|text| *text == fingerprint.to_string())
    }

    /// Whether the operator would delete a pod alone, were it allowed to.
    #[must_use]
    pub fn has_a_pod_to_restart_alone(&self, mounted: &Mounted) -> bool {
        !self.holds_back()
            && self
                .pods
                .iter()
                .any(|pod| single::is_wrong(self, pod, mounted))
    }

    /// Whether a pod was made from the template as it is.
    pub(super) fn is_of_the_template(&self, pod: &Pod) -> bool {
        self.update_revision.is_none() || pod.revision == self.update_revision
    }
}

impl Pod {
    /// A pod that may have read an earlier certificate gets the rollout that is due for the new one
    /// anyway. One that may have read what overwrote it is left alone: the Secret was put back, and
    /// a restart may cut calls.
    pub(super) fn needs_restart_for(&self, mounted: &Mounted) -> bool {
        self.terminating.is_none() && evidence::of(self, mounted).calls_for_a_rollout()
    }
}
