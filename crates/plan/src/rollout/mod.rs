//! The pods of one workload, and the one write that brings them closer to the certificates that
//! they mount. Looks at all certificates of the workload together.

mod assurance;
mod budget;
mod coalescing;
mod evidence;
mod failure;
mod hindrance;
mod pod_by_pod;
mod predecessors;
mod progress;
mod proof;
mod reload;
mod reverting;
mod single;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use api::{Fingerprint, RolloutStrategy};
use jiff::{SignedDuration, Timestamp};

pub use assurance::{Assurance, Distrusted, Trust};
pub use budget::longest_rollout;
pub use evidence::{Doubt, Evidence, NotCurrent};
pub use failure::{Failure, Symptom};
pub use hindrance::Hindrance;
pub use predecessors::{Predecessor, staying};
pub use progress::{Progress, Stage, assess};
pub use proof::{Probe, Proof, Proofs, Shown, Verdict, wanted};
pub use reload::Touches;
pub use single::SingleRestarts;

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
    /// What handshakes with a pod tell. One that is to be replaced in the rollout may serve what it likes.
    #[must_use]
    pub fn verdict(&self, pod: &Pod) -> Verdict {
        let is_due = !self.assurance.completed && evidence::by_start(pod, self).is_outdated();
        match proof::verdict(pod, self) {
            Verdict::Another(..) if is_due => Verdict::Awaited,
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

/// The one write of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Set these fingerprint annotations on the pod template of exactly this revision.
    StampTemplate {
        /// The revision.
        workload: Version,
        /// The fingerprint by Secret.
        fingerprints: BTreeMap<String, Fingerprint>,
        /// Whether pods restart by it.
        effect: Effect,
    },
    /// Delete exactly this pod, within its own grace period; its successor takes the certificate up.
    RestartPod {
        /// Its name.
        pod: String,
        /// Its revision.
        version: Version,
    },
    /// Evict exactly this pod, as far as its PodDisruptionBudget lets it go; its successor takes the
    /// certificate up.
    EvictPod {
        /// Its name.
        pod: String,
        /// Its revision.
        version: Version,
    },
    /// Make the kubelet look at the volumes of exactly this pod at once.
    TouchPod {
        /// Its name.
        pod: String,
        /// Its revision.
        version: Version,
        /// The leaf that it is to find.
        leaf: Fingerprint,
    },
    /// Put fingerprint annotations of the pod template of exactly this revision back to what they were.
    RestoreTemplate {
        /// The revision.
        workload: Version,
        /// The annotation by Secret; none where there was none.
        annotations: BTreeMap<String, Option<String>>,
    },
}

/// What a change of the pod template leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Kubernetes replaces the pods, as the workload's strategy has it.
    Rollout,
    /// Nothing: there is no pod.
    NoPods,
}

/// What to do with a workload, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The write, if one is due.
    pub action: Option<Action>,
    /// When time alone may change this plan.
    pub next_check: Option<Timestamp>,
}

/// Decides what to do with a workload.
#[must_use]
pub fn plan(observed: &Observed, now: Timestamp) -> Plan {
    let Workload::Present(live) = &observed.workload else {
        return Plan {
            action: None,
            next_check: None,
        };
    };
    let certificates: Vec<_> = observed.certificates.iter().map(|it| it.at(now)).collect();
    let restarting: Vec<_> = certificates
        .iter()
        .filter(|mounted| mounted.strategy == RolloutStrategy::RollingRestart)
        .filter(|mounted| mounted.is_published() && live.mounts.contains(&mounted.secret))
        .collect();
    let due = due(live, &restarting);
    let beside = beside(observed, live, &certificates, now);
    let alone = single::next(live, &restarting).filter(|_| due.is_empty());
    let awaiting = alone.map_or(due.clone(), |restart| vec![restart.mounted]);
    let waits_until = coalescing::waits_until(observed, &restarting, &awaiting, now);
    let action = if live.has_no_pods() {
        stamp(live, &restarting, Effect::NoPods, now)
    } else if let Some(reverting) = reverting::due(live, &restarting) {
        Some(reverting)
    } else if beside.action.is_some() {
        beside.action
    } else if !due.is_empty() && waits_until.is_none() && may_start(live, &due, now) {
        stamp(live, &restarting, Effect::Rollout, now)
    } else {
        alone
            .filter(|restart| waits_until.is_none() && restart.from <= now)
            .map(|restart| restart.action())
    };
    let next_check = certificates
        .iter()
        .filter_map(|mounted| assess(&observed.workload, mounted, now).next_check)
        .chain(waits_until)
        .chain(alone.map(|restart| restart.from))
        .chain(beside.next_check)
        .filter(|time| *time > now)
        .min();
    Plan { action, next_check }
}

/// What is due for the certificates that are not rolled out by the template.
fn beside(observed: &Observed, live: &Live, certificates: &[Mounted], now: Timestamp) -> Plan {
    let published: Vec<_> = certificates
        .iter()
        .filter(|mounted| mounted.is_published() && live.mounts.contains(&mounted.secret))
        .collect();
    let eviction = pod_by_pod::next(live, &published, now);
    let waits_until = eviction.and_then(|eviction| {
        coalescing::waits_until(observed, &published, &[eviction.mounted], now)
    });
    let evict = eviction.filter(|eviction| waits_until.is_none() && eviction.from <= now);
    Plan {
        action: reload::touch(live, &published).or_else(|| evict.map(|it| it.action())),
        next_check: waits_until.or(eviction.map(|eviction| eviction.from)),
    }
}

/// The certificates that some pod lacks and the template does not carry.
fn due<'a>(live: &Live, restarting: &[&'a Mounted]) -> Vec<&'a Mounted> {
    restarting
        .iter()
        .copied()
        .filter(|mounted| !live.is_stamped_for(mounted))
        .filter(|mounted| live.pods.iter().any(|pod| pod.needs_restart_for(mounted)))
        .collect()
}

/// A rollout that is under way is not stacked on, and one that Kubernetes would not make is not asked
/// for.
fn may_start(live: &Live, due: &[&Mounted], now: Timestamp) -> bool {
    // What pods break with is taken back at once.
    let is_reverted = due
        .iter()
        .any(|mounted| reverting::is_reverted(live, mounted));
    let is_free = progress::under_way(live, now) != progress::UnderWay::Yes;
    !live.holds_back() && (is_free || is_reverted)
}

/// What the template does not carry, unless somebody keeps undoing just that.
fn stamp(live: &Live, restarting: &[&Mounted], effect: Effect, now: Timestamp) -> Option<Action> {
    let is_missing = |mounted: &&&Mounted| !live.carries(&mounted.secret, mounted.current);
    let missing: Vec<_> = restarting.iter().filter(is_missing).collect();
    let is_contested = |mounted: &&&Mounted| live.contested(mounted, now).is_some();
    let is_due = !missing.iter().all(is_contested);
    is_due.then(|| Action::StampTemplate {
        workload: live.version.clone(),
        fingerprints: missing
            .iter()
            .map(|mounted| (mounted.secret.clone(), mounted.current))
            .collect(),
        effect,
    })
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
    fn contested(&self, mounted: &Mounted, now: Timestamp) -> Option<&Contest> {
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
    const fn is_paused(&self) -> bool {
        matches!(self.replacement, Replacement::Paused)
    }

    /// Whether a change of its template restarts nothing, now or later. A Deployment that is paused
    /// makes pods of the template before even if it is scaled up, and replaces them once it goes on.
    const fn has_no_pods(&self) -> bool {
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
    fn is_of_the_template(&self, pod: &Pod) -> bool {
        self.update_revision.is_none() || pod.revision == self.update_revision
    }
}

impl Pod {
    /// A pod that may have read an earlier certificate gets the rollout that is due for the new one
    /// anyway. One that may have read what overwrote it is left alone: the Secret was put back, and
    /// a restart may cut calls.
    fn needs_restart_for(&self, mounted: &Mounted) -> bool {
        self.terminating.is_none() && evidence::of(self, mounted).calls_for_a_rollout()
    }
}
