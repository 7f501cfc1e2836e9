//! How far a workload's pods are on one certificate, and whether a rollout is under way.

use jiff::{SignedDuration, Timestamp};

use super::{
    Doubt, Evidence, Failure, Hindrance, Live, Mounted, Pod, Replacement, Workload,
    blocking::{contest, refusal},
    evidence, failure, hindrance, left_over, pod_by_pod, single,
};
use crate::Refusal;

/// How long a rollout may go without a pod being created or becoming Ready, beside the grace
/// period of a pod that terminates.
pub(super) const STEP_BUDGET: SignedDuration = SignedDuration::from_mins(10);

/// How often a rollout is looked at when nothing wakes the operator.
const POLL: SignedDuration = SignedDuration::from_secs(30);

/// How far the pods of a workload are on one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where it stands.
    pub stage: Stage,
    /// Pods that read the certificate in service.
    pub current: i32,
    /// Pods there should be.
    pub total: i32,
    /// Pods that did not, or are not known to have.
    pub not_current: Vec<(String, Evidence)>,
    /// Pods that end, whatever they serve.
    pub ending: usize,
    /// What keeps pods from starting, if that can be told.
    pub hindrance: Option<Hindrance>,
    /// Who keeps undoing the stamp of the template, if it lacks that and is not stamped yet again.
    pub contested: Option<Refusal>,
    /// When time alone may change this.
    pub next_check: Option<Timestamp>,
}

/// Where a workload stands with one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The workload does not exist.
    Missing,
    /// It could not be read.
    Unreadable(Refusal),
    /// Its pods do not mount the Secret.
    NotMounted,
    /// Every pod is current.
    Done,
    /// Pods are being replaced or started.
    UnderWay,
    /// Pods were to be replaced, but nothing moves.
    Stuck,
    /// Pods may serve the certificate without a restart, and handshakes are to tell.
    Proving,
    /// A pod broke with the certificate; whether that is taken back is the certificate's matter.
    Failed(Failure),
    /// Pods were to be replaced, but the write that starts it is refused.
    Blocked(Refusal),
    /// Pods are not current, and Kubernetes replaces none by itself: `updateStrategy: OnDelete`.
    OnDelete,
    /// Pods are not current, and Kubernetes replaces none before the user lets it: a Deployment is
    /// paused.
    Paused,
    /// Pods are not current and will not be restarted by the operator.
    RestartNeeded,
    /// A pod is not current and is restarted alone, but not before this time: the Secret was
    /// overwritten again and again.
    RestartLater(Timestamp),
    /// All pods that can be judged are current, some cannot be judged.
    Unknown,
}

/// Judges how far the pods of a workload are on one certificate.
#[must_use]
pub fn assess(workload: &Workload, mounted: &Mounted, now: Timestamp) -> Progress {
    match workload {
        Workload::Missing => bare(Stage::Missing),
        Workload::Unreadable(refusal) => bare(Stage::Unreadable(refusal.clone())),
        Workload::Present(live) if !live.mounts.contains(&mounted.secret) => {
            bare(Stage::NotMounted)
        }
        Workload::Present(live) => assess_live(live, &mounted.at(now).within(live), now),
    }
}

fn bare(stage: Stage) -> Progress {
    Progress {
        stage,
        current: 0,
        total: 0,
        not_current: Vec::new(),
        ending: 0,
        hindrance: None,
        contested: None,
        next_check: None,
    }
}

fn assess_live(live: &Live, mounted: &Mounted, now: Timestamp) -> Progress {
    let mut current = 0;
    let mut not_current = Vec::new();
    for pod in live.pods.iter().filter(|pod| pod.terminating.is_none()) {
        match evidence::of(pod, mounted) {
            Evidence::Current => current += 1,
            other @ (Evidence::NotCurrent(_) | Evidence::NotStarted | Evidence::Unknown(_)) => {
                not_current.push((pod.name.clone(), other));
            }
        }
    }
    not_current.sort_by(|a, b| a.0.cmp(&b.0));
    let stage = stage(live, mounted, current, &not_current, now);
    let next_check = match stage {
        Stage::UnderWay | Stage::Proving => Some(now + POLL),
        Stage::RestartLater(until) => Some(until),
        // That a budget lets nobody go for a day wakes nobody.
        Stage::Blocked(ref refusal) if refusal.reason == api::Reason::DisruptionBudget => {
            Some(now + STEP_BUDGET)
        }
        // A pod that never becomes Ready wakes nobody.
        Stage::Stuck if mounted.assurance.reverts => Some(now + POLL),
        Stage::Missing
        | Stage::Unreadable(_)
        | Stage::NotMounted
        | Stage::Done
        | Stage::Stuck
        | Stage::Failed(_)
        | Stage::Blocked(_)
        | Stage::OnDelete
        | Stage::Paused
        | Stage::RestartNeeded
        | Stage::Unknown => None,
    };
    let hindrance = match &stage {
        Stage::UnderWay | Stage::Stuck => {
            hindrance::of(live).or_else(|| hindrance::unproven(live, mounted))
        }
        Stage::Missing
        | Stage::Unreadable(_)
        | Stage::NotMounted
        | Stage::Done
        | Stage::Proving
        | Stage::Failed(_)
        | Stage::Blocked(_)
        | Stage::OnDelete
        | Stage::Paused
        | Stage::RestartNeeded
        | Stage::RestartLater(_)
        | Stage::Unknown => None,
    };
    let contest_ends = live.contested(mounted, now).map(|contest| contest.until);
    let next_check = [next_check, mounted.predecessors_end(), contest_ends];
    let ending = live.pods.iter().filter(|pod| pod.terminating.is_some());
    Progress {
        stage,
        current,
        total: live.replicas,
        not_current,
        ending: ending.count(),
        hindrance,
        contested: contest(live, mounted, now),
        next_check: next_check.into_iter().flatten().min(),
    }
}

fn stage(
    live: &Live,
    mounted: &Mounted,
    current: i32,
    not_current: &[(String, Evidence)],
    now: Timestamp,
) -> Stage {
    let some =
        |wanted: fn(&Evidence) -> bool| not_current.iter().any(|(_, evidence)| wanted(evidence));
    let outdated = some(|evidence| matches!(evidence, Evidence::NotCurrent(_)));
    let unknown = some(|evidence| matches!(evidence, Evidence::Unknown(_)));
    let rollout_due = some(Evidence::calls_for_a_rollout)
        && !live.is_stamped_for(mounted)
        && mounted.strategy == api::RolloutStrategy::RollingRestart;
    let published = mounted.published_since().unwrap_or(Timestamp::MIN);
    let moved = last_step(live).max(published);
    let within_budget = now < moved + STEP_BUDGET;
    if let Some(failure) = failure::of(live, mounted, now) {
        return Stage::Failed(failure);
    }
    if let Some(stage) = of_turns(live, mounted, published, now) {
        return stage;
    }
    if left_over::due(live, mounted, now).is_some() {
        return refusal(live, moved, now).map_or(Stage::UnderWay, Stage::Blocked);
    }
    if some(|evidence| *evidence == Evidence::Unknown(Doubt::Unproven)) {
        let waits = within_budget
            || is_dialled(live, not_current)
            || under_way_since(live, published, now) == UnderWay::Yes;
        return if waits { Stage::Proving } else { Stage::Stuck };
    }
    if rollout_due
        && !live.holds_back()
        && let Some(refusal) = contest(live, mounted, now).or_else(|| refusal(live, moved, now))
    {
        return Stage::Blocked(refusal);
    }
    if let Some(restart) = single::due(live, mounted).filter(|_| !rollout_due) {
        return of_single(live, restart.from, moved, now);
    }
    let paused = live.is_paused() && (rollout_due || waits_for_the_user(live, mounted));
    match under_way_since(live, published, now) {
        UnderWay::Yes => return Stage::UnderWay,
        UnderWay::Stuck => return Stage::Stuck,
        UnderWay::No if paused => return Stage::Paused,
        UnderWay::No if !outdated && !unknown => {
            return match current >= live.replicas {
                true => Stage::Done,
                false if within_budget => Stage::UnderWay,
                false => Stage::Stuck,
            };
        }
        UnderWay::No if !outdated && !rollout_due => return Stage::Unknown,
        UnderWay::No => {}
    }
    match rollout_due {
        true if live.replacement == Replacement::OnDelete => Stage::OnDelete,
        // The operator's controller of workloads is about to start it.
        true if within_budget => Stage::UnderWay,
        true => Stage::Stuck,
        false => Stage::RestartNeeded,
    }
}

/// Whether one of the pods of which a handshake is to tell is Ready: others are not dialled.
fn is_dialled(live: &Live, not_current: &[(String, Evidence)]) -> bool {
    let is_awaited = |pod: &Pod| {
        let told = not_current.iter().find(|(name, _)| *name == pod.name);
        told.is_some_and(|(_, evidence)| *evidence == Evidence::Unknown(Doubt::Unproven))
    };
    let mut ready = live.pods.iter().filter(|pod| pod.ready_since.is_some());
    ready.any(is_awaited)
}

/// Pods go one by one, each when its turn comes.
fn of_turns(live: &Live, mounted: &Mounted, published: Timestamp, now: Timestamp) -> Option<Stage> {
    let last_step = last_step(live).max(published);
    let within_budget = now < last_step + STEP_BUDGET;
    // Who was evicted ends in its own time.
    let moves = within_budget || under_way_since(live, published, now) == UnderWay::Yes;
    let waits = live
        .pods
        .iter()
        .any(|pod| pod_by_pod::leaves(live, pod, mounted));
    waits.then(|| match refusal(live, last_step, now) {
        Some(refusal) => Stage::Blocked(refusal),
        None if moves || pod_by_pod::due(live, mounted, now).is_some() => Stage::UnderWay,
        None => Stage::Stuck,
    })
}

/// A pod is about to be restarted alone.
fn of_single(live: &Live, from: Timestamp, moved: Timestamp, now: Timestamp) -> Stage {
    if now + single::SETTLE < from {
        return Stage::RestartLater(from);
    }
    refusal(live, moved, now).map_or(Stage::UnderWay, Stage::Blocked)
}

/// Whether a Deployment that is paused would replace pods that are not current, or make those that it
/// lacks, once it goes on. While it is paused, it makes pods of templates only that it had before.
fn waits_for_the_user(live: &Live, mounted: &Mounted) -> bool {
    let lacks_pods = count(live.pods.iter()) < live.replicas;
    let replaces = live.pods.iter().any(|pod| {
        pod.revision != live.update_revision
            && pod.terminating.is_none()
            && evidence::of(pod, mounted).calls_for_a_rollout()
    });
    replaces || (lacks_pods && live.update_revision.is_none())
}

/// Whether Kubernetes is replacing pods of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnderWay {
    /// No.
    No,
    /// Yes, and it moves: a pod terminates within its grace period, or a step was taken within the
    /// budget.
    Yes,
    /// Yes, but nothing has moved for longer than the budget.
    Stuck,
}

/// Judges whether Kubernetes is replacing pods of a workload.
#[must_use]
pub fn under_way(live: &Live, now: Timestamp) -> UnderWay {
    under_way_since(live, Timestamp::MIN, now)
}

fn under_way_since(live: &Live, published: Timestamp, now: Timestamp) -> UnderWay {
    let replacing = is_replacing(live);
    let ends = live.pods.iter().filter_map(|pod| pod.terminating);
    let grace_ends = ends.max();
    if !replacing && grace_ends.is_none() {
        return UnderWay::No;
    }
    let moved = grace_ends
        .into_iter()
        .fold(last_step(live).max(published), Timestamp::max);
    if now < moved + STEP_BUDGET {
        UnderWay::Yes
    } else if replacing {
        UnderWay::Stuck
    } else {
        // Pods that do not end, as their node is gone, beside all those that shall be there.
        UnderWay::No
    }
}

/// Whether Kubernetes has pods to replace, to start or to end beyond those that it ends already.
fn is_replacing(live: &Live) -> bool {
    let there = live.pods.iter().filter(|pod| pod.terminating.is_none());
    let updated = there.clone().filter(|pod| {
        pod.ready_since.is_some()
            && live.update_revision.is_some()
            && pod.revision == live.update_revision
    });
    let wanted = live.replicas - live.partition.min(live.replicas);
    // A rollout with surge has more pods than there shall be until the last earlier one ends.
    let unfinished = count(updated) < wanted || count(there) > live.replicas;
    !live.observed || (!live.holds_back() && unfinished)
}

fn count<'a>(pods: impl Iterator<Item = &'a Pod>) -> i32 {
    i32::try_from(pods.count()).unwrap_or(i32::MAX)
}

/// The last sign of life of a workload: its own change, or a pod created or become available. The
/// start of a container is none: one that crashes starts again and again.
fn last_step(live: &Live) -> Timestamp {
    live.pods
        .iter()
        .flat_map(|pod| {
            let available = pod.ready_since.map(|ready| ready + live.min_ready);
            [pod.created].into_iter().chain(available)
        })
        .fold(live.changed, Timestamp::max)
}

impl Progress {
    /// Pods that run with a certificate of the operator's, that in service or an earlier one.
    #[must_use]
    pub fn serving(&self) -> i32 {
        let earlier = self
            .not_current
            .iter()
            .filter(|(_, evidence)| evidence.holds_an_earlier_leaf())
            .count();
        self.current
            .saturating_add(i32::try_from(earlier).unwrap_or(i32::MAX))
    }

    /// Whether every pod that started holds a certificate of the operator's.
    #[must_use]
    pub fn never_left_ours(&self) -> bool {
        self.not_current.iter().all(|(_, evidence)| {
            *evidence == Evidence::NotStarted || evidence.holds_an_earlier_leaf()
        })
    }
}
