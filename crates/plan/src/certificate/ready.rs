//! Whether a certificate is ready: valid, as specified, published, and on every pod.

use api::{ConditionType, Leaf, Reason};
use jiff::Timestamp;

use super::{Observed, Obstacle, Step, clock, finding::Finding, rollback};
use crate::rollout::{Progress, Stage};

/// The conditions that readiness is made of.
pub struct Parts<'a> {
    pub issued: &'a Finding,
    pub published: &'a Finding,
    pub rolled_out: &'a Finding,
}

/// Whether the certificate is valid and as specified, and every pod is on it, or about to be.
pub fn ready(
    observed: &Observed,
    parts: &Parts<'_>,
    progress: Option<&Progress>,
    realised: bool,
    now: Timestamp,
) -> Finding {
    let Some(stored) = observed.stored() else {
        return parts.issued.clone();
    };
    let leaf = &stored.current.leaf;
    if let Some(doubt) = clock::doubt(observed, leaf, now) {
        return Finding::unread(&doubt);
    }
    if now >= leaf.not_after {
        let expired = format!("the certificate expired on {}", leaf.not_after);
        let message = if parts.issued.holds() {
            expired
        } else {
            format!("{expired}; {}", parts.issued.message)
        };
        return Finding::no(Reason::Expired, message);
    }
    if now < leaf.not_before {
        let message = format!(
            "the certificate in service is valid only from {} on; if that is not near, correct the clock, or set \
             annotation {} on the resource to have another issued",
            leaf.not_before,
            api::names::RENEW,
        );
        return Finding::no(Reason::NotYetValid, message);
    }
    if !observed.is_as_specified(stored) {
        let message = format!(
            "the certificate in service is not yet as specified: {}",
            parts.issued.message
        );
        let reason = if parts.issued.holds() {
            Reason::InProgress
        } else {
            parts.issued.reason
        };
        return Finding::no(reason, message);
    }
    if !parts.published.holds() {
        return parts.published.clone();
    }
    let stepping = realised && progress.is_some_and(is_a_step_between_ours);
    let predecessor = stored.previous.as_ref().map(|previous| &previous.leaf);
    let broke = rollback::taken_back_for_failure(stored);
    let predecessor = predecessor.filter(|it| it.is_valid_at(now) && Some(it.fingerprint) != broke);
    // Between a predecessor that is none and its first successor nobody serves anything.
    let serves = predecessor.is_some() || progress.is_some_and(|progress| progress.current > 0);
    let working: Vec<_> = predecessor.into_iter().chain([leaf]).collect();
    let works = serves && every_pod_serves(observed, &working, now);
    if parts.rolled_out.holds() || (stepping && works) {
        let message = format!(
            "valid until {}; {}",
            leaf.not_after, parts.rolled_out.message
        );
        return Finding::yes(Reason::Ready, message);
    }
    if stepping {
        let message = format!(
            "{}; what the others serve is not known to be valid",
            parts.rolled_out.message
        );
        return Finding::no(parts.rolled_out.reason, message);
    }
    parts.rolled_out.clone()
}

/// Whether pods are being replaced, each leaves a certificate of the operator's for the one in
/// service, and calls find a pod meanwhile. The only pod of a workload may be between the two.
fn is_a_step_between_ours(progress: &Progress) -> bool {
    let goes_on = match &progress.stage {
        Stage::UnderWay => true,
        // It takes its time.
        Stage::Blocked(refusal) => refusal.reason == Reason::DisruptionBudget,
        Stage::Missing
        | Stage::Unreadable(_)
        | Stage::NotMounted
        | Stage::Done
        | Stage::Stuck
        | Stage::Proving
        | Stage::Failed(_)
        | Stage::OnDelete
        | Stage::Paused
        | Stage::RestartNeeded
        | Stage::RestartLater(_)
        | Stage::Unknown => false,
    };
    goes_on && progress.never_left_ours() && (progress.total <= 1 || progress.serving() > 0)
}

/// Whether what every pod serves is known, and is one of these certificates, or one that a growth
/// replaced. A pod that missed a rollout may serve an earlier one still.
fn every_pod_serves(observed: &Observed, leaves: &[&Leaf], now: Timestamp) -> bool {
    let workload = observed.workload.as_ref().zip(observed.mounted());
    workload.is_some_and(|(workload, mounted)| {
        let mounted = mounted.at(now);
        let predecessors = mounted.predecessors.iter().map(|it| it.leaf);
        let leaves = leaves.iter().map(|leaf| leaf.fingerprint);
        let working: Vec<_> = leaves.chain(predecessors).collect();
        workload.serves_one_of(&mounted, &working)
    })
}

/// Whether this generation was realised before. What happens later, as a renewal, does not undo
/// that.
pub fn was_realised(observed: &Observed) -> bool {
    observed.resource.status.conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Reconciling.as_str()
            && condition.reason == Reason::Realised.as_str()
            && condition.observed_generation == Some(observed.resource.generation)
    })
}

/// What is waited for does not come while the user asked for no writes.
pub fn unless_suspended(ready: Finding, obstacle: Option<&Obstacle>) -> Finding {
    let awaited = ready.reason == Reason::InProgress || ready.reason == Reason::AwaitingPublication;
    match obstacle.filter(|obstacle| obstacle.step == Step::Suspended) {
        Some(suspended) if awaited => {
            let message = format!("{}; {}", ready.message, suspended.refusal.message);
            Finding::no(suspended.refusal.reason, message)
        }
        Some(_) | None => ready,
    }
}
