//! The pods of one workload, and the one write that brings them closer to the certificates that
//! they mount. Looks at all certificates of the workload together.

mod assurance;
mod blocking;
mod budget;
mod coalescing;
mod evidence;
mod failure;
mod hindrance;
mod left_over;
mod meaning;
mod observed;
mod pod_by_pod;
mod predecessors;
mod probing;
mod progress;
mod proof;
mod reload;
mod reloader;
mod reverting;
mod single;

use std::collections::BTreeMap;

use api::{Fingerprint, RolloutStrategy};
use jiff::{SignedDuration, Timestamp};

pub use assurance::{Assurance, Distrusted, Trust, but_for};
pub use budget::longest_rollout;
pub use evidence::{Doubt, Evidence, NotCurrent};
pub use failure::{Failure, Symptom};
pub use hindrance::Hindrance;
pub use observed::{Live, Mounted, Observed, Pod, Replacement, Workload, evidence_of};
pub use predecessors::{Predecessor, staying};
pub use probing::{Probe, wanted};
pub use progress::{Progress, Stage, assess};
pub use proof::{Proof, Proofs, Shown, Verdict};
pub use reload::Touches;
pub use reloader::Reloader;
pub use single::SingleRestarts;

use crate::Version;

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
    let certificates = observed.certificates.iter();
    let certificates: Vec<_> = certificates.map(|it| it.at(now).within(live)).collect();
    let restarting: Vec<_> = certificates
        .iter()
        .filter(|mounted| mounted.strategy == RolloutStrategy::RollingRestart)
        .filter(|mounted| mounted.is_published() && live.mounts.contains(&mounted.secret))
        .collect();
    let due = due(live, &restarting, now);
    let beside = beside(observed, live, &certificates, now);
    let alone = single::next(live, &restarting).filter(|_| due.is_empty());
    let left_over = restarting
        .iter()
        .filter_map(|mounted| left_over::due(live, mounted, now))
        .min_by_key(|eviction| eviction.from);
    let awaiting = alone.map_or(due.clone(), |restart| vec![restart.mounted]);
    let settles = settles(&restarting, now);
    let waits_until = coalescing::waits_until(observed, &restarting, &awaiting, now).max(settles);
    let action = if live.has_no_pods() {
        stamp(live, &restarting, Effect::NoPods, now)
    } else if let Some(reverting) = reverting::due(live, &restarting) {
        Some(reverting).filter(|_| settles.is_none())
    } else if !due.is_empty() && waits_until.is_none() && may_start(live, &due, now) {
        stamp(live, &restarting, Effect::Rollout, now)
    } else {
        let eviction = left_over.filter(|eviction| eviction.from <= now);
        let alone = alone.filter(|restart| waits_until.is_none() && restart.from <= now);
        beside
            .action
            .or_else(|| eviction.map(|eviction| eviction.action()))
            .or_else(|| alone.map(|restart| restart.action()))
    };
    let next_check = certificates
        .iter()
        .filter_map(|mounted| assess(&observed.workload, mounted, now).next_check)
        .chain(waits_until)
        .chain(settles)
        .chain(alone.map(|restart| restart.from))
        .chain(left_over.map(|eviction| eviction.from))
        .chain(beside.next_check)
        .filter(|time| *time > now)
        .min();
    Plan { action, next_check }
}

/// Until when a certificate that was put back into service is too new: of a pod that is made in the second of
/// its publication nobody could tell whether it is older, as the template of before may have made it.
fn settles(restarting: &[&Mounted], now: Timestamp) -> Option<Timestamp> {
    let put_back = restarting
        .iter()
        .filter(|mounted| mounted.assurance.instead_of.is_some());
    let settled = put_back.filter_map(|mounted| Some(mounted.published_since()? + single::SETTLE));
    settled.filter(|until| *until > now).max()
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
    let touch = reload::touch(live, &published, now);
    // The next pod is touched in the next pass.
    let soon = touch.as_ref().map(|_| now + SignedDuration::from_secs(1));
    let turn = waits_until.or(eviction.map(|eviction| eviction.from));
    Plan {
        action: evict.map(|it| it.action()).or(touch),
        next_check: soon.into_iter().chain(turn).min(),
    }
}

/// The certificates that some pod lacks and the template does not carry.
fn due<'a>(live: &Live, restarting: &[&'a Mounted], now: Timestamp) -> Vec<&'a Mounted> {
    restarting
        .iter()
        .copied()
        .filter(|mounted| !live.is_stamped_for(mounted) && !breaks_too(live, mounted, now))
        .filter(|mounted| {
            let mut pods = live.pods.iter();
            pods.any(|pod| pod.needs_restart_for(mounted) && !is_owed(live, pod, mounted))
        })
        .collect()
}

/// Whether pods break with what was put back as well: then nobody else is brought onto it.
fn breaks_too(live: &Live, mounted: &Mounted, now: Timestamp) -> bool {
    mounted.assurance.instead_of.is_some()
        && !reverting::is_reverted(live, mounted)
        && failure::of(live, mounted, now).is_some()
}

/// Whether a pod is to be replaced anyway, as what it has was taken back.
fn is_owed(live: &Live, pod: &Pod, mounted: &Mounted) -> bool {
    mounted.assurance.instead_of.is_some()
        && !reverting::is_reverted(live, mounted)
        && (!live.is_of_the_template(pod) || left_over::has_it(live, pod, mounted))
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
