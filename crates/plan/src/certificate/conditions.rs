//! What the conditions of a certificate say.

use api::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    Decision, Observed, Obstacle, Published, Step, Store, Stored, adoption, claim, contest,
    finding::{Finding, Findings},
    observed::held,
    ordinals, partners, publishing,
    ready::{Parts, ready, unless_suspended, was_realised},
    restarts, rollback, trigger, verified,
};
use crate::{
    Refusal,
    publication::Held,
    rollout::{Progress, Stage},
};

/// Judges a certificate.
pub fn judge(observed: &Observed, decision: &Decision, now: Timestamp) -> Findings {
    let obstacle = match decision {
        Decision::Wait(obstacle) => Some(obstacle),
        Decision::Act(_) | Decision::Converged => None,
    };
    let issued = issued(observed, obstacle, now);
    let published = published(observed, obstacle, now);
    let progress = observed.progress(now);
    let rolled_out = restarts::beside(observed, rolled_out(observed, progress.as_ref(), now), now);
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
        verified: verified::judge(observed, now),
        partner_accepted: partners::judge(observed),
        contested: contest::condition(observed, progress.as_ref(), now),
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
    if let Some(refusal) =
        rollback::refusal(observed, stored, now).or_else(|| rollback::told(observed, stored, now))
    {
        return Finding::refused(&refusal);
    }
    let leaf = &stored.current.leaf;
    let message = format!("serial {}, valid until {}", leaf.serial, leaf.not_after);
    let shortfall = ordinals::shortfall(observed).map(|text| format!("; {text}"));
    Finding::yes(Reason::Issued, message + &shortfall.unwrap_or_default())
}

fn published(observed: &Observed, obstacle: Option<&Obstacle>, now: Timestamp) -> Finding {
    let wanted = &observed.resource.wanted;
    if let Published::Unreadable(refusal) = &observed.published {
        return Finding::unread(refusal);
    }
    // A fight over labels keeps nobody from the certificate.
    let is_beside = |obstacle: &Obstacle| {
        let stored = observed.stored();
        obstacle.refusal.reason == Reason::Contested
            && stored.is_some_and(|stored| holds_current(observed, stored))
    };
    if let Some(obstacle) =
        obstacle.filter(|obstacle| obstacle.step == Step::Publish && !is_beside(obstacle))
    {
        return Finding::refused(&obstacle.refusal);
    }
    if let Some(refusal) = claim::refusal(observed) {
        return Finding::refused(&refusal);
    }
    if let Store::Unreadable(refusal) = &observed.store {
        return Finding::unread(refusal);
    }
    let Some(stored) = observed.stored() else {
        let message = format!("Secret {} waits for a certificate", wanted.secret_name);
        return Finding::no(Reason::AwaitingIssuance, message);
    };
    if let Some(refusal) = awaits_adoption(observed, stored, obstacle) {
        return Finding::refused(&refusal);
    }
    if holds_current(observed, stored) {
        let fingerprint = stored.current.leaf.fingerprint;
        let message = format!(
            "Secret {} holds the leaf sha256:{fingerprint}",
            wanted.secret_name
        );
        return Finding::yes(Reason::Published, message);
    }
    let message = if publishing::gives_way(observed, stored, now) {
        format!(
            "Secret {} holds a valid certificate that somebody else put there; it stays until the next one is issued, as \
             the one in service has expired",
            wanted.secret_name
        )
    } else {
        format!(
            "Secret {} does not hold the certificate in service",
            wanted.secret_name
        )
    };
    Finding::no(Reason::AwaitingPublication, message)
}

/// What is told of a Secret that is taken over as soon as that is possible: still that it is somebody
/// else's, which the resource was told when it asked for that.
fn awaits_adoption(
    observed: &Observed,
    stored: &Stored,
    obstacle: Option<&Obstacle>,
) -> Option<Refusal> {
    let Published::Present(published) = &observed.published else {
        return None;
    };
    let awaited = obstacle.filter(|_| adoption::is_to_be_shared(observed, published, stored))?;
    Some(Refusal {
        reason: Reason::SecretNotOwned,
        message: format!(
            "Secret {} is somebody else's until it is taken over: {}",
            observed.resource.wanted.secret_name, awaited.refusal.message,
        ),
    })
}

fn holds_current(observed: &Observed, stored: &Stored) -> bool {
    match &observed.published {
        Published::Present(published) => {
            held(published, stored) == Held::Leaf(stored.current.leaf.fingerprint)
        }
        Published::Absent | Published::Unreadable(_) => false,
    }
}

fn rolled_out(observed: &Observed, progress: Option<&Progress>, now: Timestamp) -> Finding {
    let Some(workload) = &observed.resource.wanted.workload else {
        let message = "spec.workloadRef is absent: nothing is restarted".to_owned();
        return Finding::yes(Reason::NoWorkload, message);
    };
    if let Store::Unreadable(refusal) = &observed.store {
        return Finding::unread(refusal);
    }
    if let Published::Unreadable(refusal) = &observed.published {
        return Finding::unread(refusal);
    }
    let Some(progress) = progress else {
        let message = "waits until the certificate is published".to_owned();
        return Finding::unknown(Reason::AwaitingPublication, message);
    };
    let named = format!(
        "{} {}/{}",
        workload.kind, observed.resource.namespace, workload.name
    );
    let pods = || pods(progress);
    match &progress.stage {
        Stage::Done => Finding::yes(Reason::RolledOut, format!("{named}: {}", pods())),
        Stage::UnderWay => Finding::no(Reason::RollingOut, format!("{named}: {}", pods())),
        Stage::Proving => proving(observed, progress)
            .unwrap_or_else(|| Finding::no(Reason::RollingOut, format!("{named}: {}", pods()))),
        Stage::Failed(failure) => Finding::no(
            Reason::RolloutFailed,
            format!(
                "{named}: {}; {}; mend that{}",
                failure.describe(),
                pods(),
                rollback::offer(observed, now),
            ),
        ),
        Stage::Missing => Finding::no(
            Reason::WorkloadNotFound,
            format!("{named} does not exist; create it, or correct spec.workloadRef"),
        ),
        Stage::Unreadable(refusal) => Finding::unread(refusal),
        Stage::Blocked(refusal) => Finding::refused(refusal),
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
        Stage::Paused => Finding::no(
            Reason::RolloutPaused,
            format!(
                "{named} is paused: Kubernetes replaces none of its pods; resume it (kubectl rollout resume); {}",
                pods()
            ),
        ),
        Stage::RestartNeeded => Finding::no(
            Reason::RestartNeeded,
            format!(
                "{named}: {}; delete these pods, their successors start with it{}",
                pods(),
                restarts::by_the_operator(observed),
            ),
        ),
        Stage::RestartLater(from) => Finding::no(
            Reason::RestartNeeded,
            format!(
                "{named}: {}; this pod is restarted alone after {from}, as Secret {} was overwritten several times: \
                 find out who writes it",
                pods(),
                observed.resource.wanted.secret_name,
            ),
        ),
        Stage::Unknown => Finding::unknown(
            Reason::PodUnknown,
            format!("{named}: {}; delete such a pod to be sure", pods()),
        ),
    }
}

/// What was told of pods that were all on the certificate once, while an operator that has just started
/// dials them.
fn proving(observed: &Observed, progress: &Progress) -> Option<Finding> {
    let kind = ConditionType::RolledOut.as_str();
    let conditions = &observed.resource.status.conditions;
    let told = conditions.iter().find(|it| it.type_ == kind)?;
    let is_kept = observed.stays_told(progress) && told.status == "True";
    is_kept.then(|| Finding::yes(Reason::RolledOut, told.message.clone()))
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
    } else if progress.ending > 0 {
        text = format!("{text}; still ending: {}", progress.ending);
    }
    match &progress.hindrance {
        Some(hindrance) => format!("{text}; {}", hindrance.describe()),
        None => text,
    }
}

fn stalled(ready: &Finding, obstacle: Option<&Obstacle>, progress: Option<&Progress>) -> Finding {
    let blocked = obstacle.is_some_and(|obstacle| !obstacle.refusal.reason.heals_by_itself());
    let halted = progress.is_some_and(|progress| match &progress.stage {
        Stage::Stuck
        | Stage::Failed(_)
        | Stage::OnDelete
        | Stage::Paused
        | Stage::RestartNeeded
        | Stage::NotMounted
        | Stage::Unknown
        | Stage::Missing => true,
        Stage::Blocked(refusal) | Stage::Unreadable(refusal) => !refusal.reason.heals_by_itself(),
        Stage::Done | Stage::UnderWay | Stage::Proving | Stage::RestartLater(_) => false,
    });
    if ready.holds() {
        Finding::no(Reason::Realised, String::new())
    } else if blocked || halted {
        Finding::yes(ready.reason, ready.message.clone())
    } else if ready.reason == Reason::Suspended {
        Finding::no(Reason::Suspended, ready.message.clone())
    } else {
        Finding::no(Reason::InProgress, String::new())
    }
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

/// The conditions after a pass that ended in the middle: what is the case is not known, and what was
/// realised stays realised.
pub fn broken_off(
    reason: Reason,
    message: &str,
    generation: i64,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let unknown = || Finding::unknown(reason, message.to_owned());
    let stalled = if reason.heals_by_itself() {
        Finding::no(Reason::InProgress, String::new())
    } else {
        Finding::yes(reason, message.to_owned())
    };
    let told = Findings {
        issued: unknown(),
        published: unknown(),
        rolled_out: unknown(),
        ready: unknown(),
        reconciling: Finding::yes(Reason::InProgress, message.to_owned()),
        stalled,
        verified: None,
        partner_accepted: None,
        contested: None,
    };
    let reconciling = ConditionType::Reconciling.as_str();
    let kept = before.iter().find(|condition| {
        condition.type_ == reconciling && condition.observed_generation == Some(generation)
    });
    let mut conditions = told.into_conditions(generation, before, now);
    for condition in &mut conditions {
        if condition.type_ == reconciling
            && let Some(kept) = kept
        {
            condition.clone_from(kept);
        }
    }
    conditions
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
        verified: None,
        partner_accepted: None,
        contested: None,
    }
    .into_conditions(generation, before, now)
}
