//! What the conditions of a certificate say.

use api::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{Decision, Observed, Obstacle, Published, Step, Store, Stored, held, trigger};
use crate::{
    Refusal,
    publication::Held,
    rollout::{Progress, Stage},
};

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    status: Truth,
    reason: Reason,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    True,
    False,
    Unknown,
}

/// Everything that the conditions of one certificate say.
pub struct Findings {
    issued: Finding,
    published: Finding,
    rolled_out: Finding,
    ready: Finding,
    reconciling: Finding,
    stalled: Finding,
}

/// Judges a certificate.
pub fn judge(observed: &Observed, decision: &Decision, now: Timestamp) -> Findings {
    let obstacle = match decision {
        Decision::Wait(obstacle) => Some(obstacle),
        Decision::Act(_) | Decision::Converged => None,
    };
    let issued = issued(observed, obstacle, now);
    let published = published(observed, obstacle);
    let progress = observed.progress(now);
    let rolled_out = rolled_out(observed, progress.as_ref());
    let realised = was_realised(observed);
    let parts = Parts {
        issued: &issued,
        published: &published,
        rolled_out: &rolled_out,
    };
    let ready = ready(observed, &parts, progress.as_ref(), realised, now);
    let ready = unless_suspended(ready, obstacle);
    let stalled = stalled(&ready, obstacle, progress.as_ref());
    let reconciling = reconciling(&ready, &stalled, realised);
    Findings {
        issued,
        published,
        rolled_out,
        ready,
        reconciling,
        stalled,
    }
}

struct Parts<'a> {
    issued: &'a Finding,
    published: &'a Finding,
    rolled_out: &'a Finding,
}

impl Findings {
    /// As conditions; a condition whose status did not change keeps its transition time.
    pub fn into_conditions(
        self,
        generation: i64,
        before: &[Condition],
        now: Timestamp,
    ) -> Vec<Condition> {
        [
            (ConditionType::Ready, self.ready),
            (ConditionType::Issued, self.issued),
            (ConditionType::Published, self.published),
            (ConditionType::RolledOut, self.rolled_out),
            (ConditionType::Reconciling, self.reconciling),
            (ConditionType::Stalled, self.stalled),
        ]
        .into_iter()
        .map(|(kind, finding)| finding.into_condition(kind, generation, before, now))
        .collect()
    }
}

impl Finding {
    fn yes(reason: Reason, message: String) -> Self {
        Self {
            status: Truth::True,
            reason,
            message,
        }
    }

    fn no(reason: Reason, message: String) -> Self {
        Self {
            status: Truth::False,
            reason,
            message,
        }
    }

    fn unknown(reason: Reason, message: String) -> Self {
        Self {
            status: Truth::Unknown,
            reason,
            message,
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        Self::no(refusal.reason, refusal.message.clone())
    }

    fn unread(refusal: &Refusal) -> Self {
        Self::unknown(refusal.reason, refusal.message.clone())
    }

    fn holds(&self) -> bool {
        self.status == Truth::True
    }

    fn into_condition(
        self,
        kind: ConditionType,
        generation: i64,
        before: &[Condition],
        now: Timestamp,
    ) -> Condition {
        let status = match self.status {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        };
        let unchanged = before
            .iter()
            .find(|condition| condition.type_ == kind.as_str() && condition.status == status);
        Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: self.reason.as_str().to_owned(),
            message: self.message,
            observed_generation: Some(generation),
            last_transition_time: unchanged.map_or_else(
                || Time(now),
                |condition| condition.last_transition_time.clone(),
            ),
        }
    }
}

fn issued(observed: &Observed, obstacle: Option<&Obstacle>, now: Timestamp) -> Finding {
    if let Store::Unreadable(refusal) = &observed.store {
        return Finding::unread(refusal);
    }
    let Some(stored) = observed.stored() else {
        return obstacle.map_or_else(
            || {
                Finding::no(
                    Reason::AwaitingIssuance,
                    "no certificate was issued yet".to_owned(),
                )
            },
            |obstacle| Finding::refused(&obstacle.refusal),
        );
    };
    if let Some(obstacle) = obstacle.filter(|obstacle| obstacle.step == Step::Issue) {
        return Finding::refused(&obstacle.refusal);
    }
    if let Some(refusal) = trigger::outlook(observed, stored, now) {
        return Finding::refused(&refusal);
    }
    let leaf = &stored.current.leaf;
    let message = format!("serial {}, valid until {}", leaf.serial, leaf.not_after);
    Finding::yes(Reason::Issued, message)
}

fn published(observed: &Observed, obstacle: Option<&Obstacle>) -> Finding {
    let wanted = &observed.resource.wanted;
    if let Published::Unreadable(refusal) = &observed.published {
        return Finding::unread(refusal);
    }
    if let Some(obstacle) = obstacle.filter(|obstacle| obstacle.step == Step::Publish) {
        return Finding::refused(&obstacle.refusal);
    }
    let Some(stored) = observed.stored() else {
        let message = format!("Secret {} waits for a certificate", wanted.secret_name);
        return Finding::no(Reason::AwaitingIssuance, message);
    };
    if holds_current(observed, stored) {
        let fingerprint = stored.current.leaf.fingerprint;
        let message = format!(
            "Secret {} holds the leaf sha256:{fingerprint}",
            wanted.secret_name
        );
        return Finding::yes(Reason::Published, message);
    }
    let message = format!(
        "Secret {} does not hold the certificate in service",
        wanted.secret_name
    );
    Finding::no(Reason::AwaitingPublication, message)
}

fn holds_current(observed: &Observed, stored: &Stored) -> bool {
    match &observed.published {
        Published::Present(published) => {
            held(published, stored) == Held::Leaf(stored.current.leaf.fingerprint)
        }
        Published::Absent | Published::Unreadable(_) => false,
    }
}

fn rolled_out(observed: &Observed, progress: Option<&Progress>) -> Finding {
    let Some(workload) = &observed.resource.wanted.workload else {
        let message = "spec.workloadRef is absent: nothing is restarted".to_owned();
        return Finding::yes(Reason::NoWorkload, message);
    };
    let Some(progress) = progress else {
        let message = "waits until the certificate is published".to_owned();
        return Finding::unknown(Reason::AwaitingPublication, message);
    };
    let named = format!(
        "{:?} {}/{}",
        workload.kind, observed.resource.namespace, workload.name
    );
    let pods = || pods(progress);
    match &progress.stage {
        Stage::Done => Finding::yes(Reason::RolledOut, format!("{named}: {}", pods())),
        Stage::UnderWay => Finding::no(Reason::RollingOut, format!("{named}: {}", pods())),
        Stage::Missing => Finding::no(
            Reason::WorkloadNotFound,
            format!("{named} does not exist; create it, or correct spec.workloadRef"),
        ),
        Stage::Unreadable(refusal) => Finding::unknown(refusal.reason, refusal.message.clone()),
        Stage::NotMounted => Finding::no(
            Reason::SecretNotMounted,
            format!(
                "{named} does not mount Secret {}: it is not restarted; add the volume, or correct spec.workloadRef",
                observed.resource.wanted.secret_name
            ),
        ),
        Stage::Stuck => Finding::no(
            Reason::RolloutStuck,
            format!(
                "{named} makes no progress: {}; look at these pods and their events",
                pods()
            ),
        ),
        Stage::OnDelete => Finding::no(
            Reason::UpdateStrategyOnDelete,
            format!(
                "{named} has updateStrategy OnDelete: delete its pods one by one; {}",
                pods()
            ),
        ),
        Stage::RestartNeeded => Finding::no(
            Reason::RestartNeeded,
            format!(
                "{named}: {}; delete these pods, their successors start with it",
                pods()
            ),
        ),
        Stage::Unknown => Finding::unknown(
            Reason::PodUnknown,
            format!("{named}: {}; delete such a pod to be sure", pods()),
        ),
    }
}

fn pods(progress: &Progress) -> String {
    let mut text = format!(
        "{} of {} pods are current",
        progress.current, progress.total
    );
    if let Some((pod, evidence)) = progress.not_current.first() {
        let more = match progress.not_current.len() - 1 {
            0 => String::new(),
            more => format!(" ({more} more)"),
        };
        text = format!("{text}; {pod} {}{more}", evidence.describe());
    }
    text
}

/// Whether this generation was realised before. What happens later, as a renewal, does not undo
/// that.
fn was_realised(observed: &Observed) -> bool {
    observed.resource.status.conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Reconciling.as_str()
            && condition.reason == Reason::Realised.as_str()
            && condition.observed_generation == Some(observed.resource.generation)
    })
}

fn ready(
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
    if now >= leaf.not_after {
        let expired = format!("the certificate expired on {}", leaf.not_after);
        let message = if parts.issued.holds() {
            expired
        } else {
            format!("{expired}; {}", parts.issued.message)
        };
        return Finding::no(Reason::Expired, message);
    }
    if leaf.content.as_ref() != Some(&observed.resource.wanted.content) {
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
    let renewing = realised && progress.is_some_and(|progress| progress.stage == Stage::UnderWay);
    if parts.rolled_out.holds() || renewing {
        let message = format!(
            "valid until {}; {}",
            leaf.not_after, parts.rolled_out.message
        );
        return Finding::yes(Reason::Ready, message);
    }
    parts.rolled_out.clone()
}

/// What is waited for does not come while the user asked for no writes.
fn unless_suspended(ready: Finding, obstacle: Option<&Obstacle>) -> Finding {
    let awaited = matches!(
        ready.reason,
        Reason::InProgress | Reason::AwaitingPublication
    );
    match obstacle.filter(|obstacle| obstacle.step == Step::Suspended) {
        Some(suspended) if awaited => {
            let message = format!("{}; {}", ready.message, suspended.refusal.message);
            Finding::no(suspended.refusal.reason, message)
        }
        Some(_) | None => ready,
    }
}

fn stalled(ready: &Finding, obstacle: Option<&Obstacle>, progress: Option<&Progress>) -> Finding {
    let blocked = obstacle.is_some_and(|obstacle| !passes_by_itself(obstacle.refusal.reason));
    let halted = progress.is_some_and(|progress| match progress.stage {
        Stage::Stuck
        | Stage::OnDelete
        | Stage::RestartNeeded
        | Stage::NotMounted
        | Stage::Missing => true,
        Stage::Done | Stage::UnderWay | Stage::Unknown | Stage::Unreadable(_) => false,
    });
    if !ready.holds() && (blocked || halted) {
        return Finding::yes(ready.reason, ready.message.clone());
    }
    Finding::no(Reason::Realised, String::new())
}

/// Whether time heals an obstacle, or whoever set it knows of it.
fn passes_by_itself(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::RolloutInProgress | Reason::Conflict | Reason::ApiUnavailable | Reason::Suspended
    )
}

fn reconciling(ready: &Finding, stalled: &Finding, realised: bool) -> Finding {
    if ready.holds() || realised {
        return Finding::no(Reason::Realised, String::new());
    }
    if stalled.holds() || ready.reason == Reason::Suspended {
        return Finding::no(ready.reason, ready.message.clone());
    }
    Finding::yes(Reason::InProgress, ready.message.clone())
}

/// The conditions of a resource that cannot be acted on. What is issued, published and rolled out
/// is not known, as it was not looked at.
pub fn unusable(
    reason: Reason,
    message: &str,
    generation: i64,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let unknown = || Finding::unknown(reason, message.to_owned());
    Findings {
        issued: unknown(),
        published: unknown(),
        rolled_out: unknown(),
        ready: Finding::no(reason, message.to_owned()),
        reconciling: Finding::no(reason, message.to_owned()),
        stalled: Finding::yes(reason, message.to_owned()),
    }
    .into_conditions(generation, before, now)
}
