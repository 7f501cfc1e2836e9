//! Putting the certificate before back into service: as pods broke with its successor, or as somebody
//! asks for it.

use api::{Fingerprint, OnFailure, Reason, Trigger};
use jiff::{SignedDuration, Timestamp};

use super::{Action, Decision, Observed, Pair, Step, Stored, claim, wait};
use crate::{
    Refusal,
    rollout::{Failure, Stage, Trust, Workload, evidence_of},
    store::{By, RolledBack},
};

/// How long after a failure another certificate is issued, at first and at most.
const FIRST_RETRY: SignedDuration = SignedDuration::from_hours(1);
const LAST_RETRY: SignedDuration = SignedDuration::from_hours(24);

/// The write that is due to put the certificate before back, or to note a pod for it.
pub fn due(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Decision> {
    let by = by_hand(observed, stored, now).or_else(|| by_failure(observed, stored, now));
    let Some(by) = by else {
        return note(observed, stored, now).map(Decision::Act);
    };
    Some(match claim::immutable(observed) {
        Some(refusal) => wait(Step::Publish, refusal),
        None => Decision::Act(Action::RollBack {
            store: stored.version.clone(),
            by,
        }),
    })
}

/// Somebody asks for the certificate before.
fn by_hand(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<By> {
    let value = unhandled(observed, stored)?;
    let previous = stored.previous.as_ref()?;
    let is_meant = parsed(value) == Some(previous.leaf.fingerprint);
    (is_meant && previous.leaf.is_valid_at(now)).then(|| By::Hand {
        value: value.to_owned(),
    })
}

/// The value of the annotation that was not handled yet.
fn unhandled<'a>(observed: &'a Observed, stored: &Stored) -> Option<&'a str> {
    let value = observed.resource.rollback_to.as_deref()?;
    (stored.state.handled_rollback.as_deref() != Some(value)).then_some(value)
}

/// As the status has it, or as openssl and others write it.
fn parsed(value: &str) -> Option<Fingerprint> {
    let hex = value.trim().trim_start_matches("sha256:");
    let hex: String = hex.chars().filter(|it| *it != ':').collect();
    hex.to_ascii_lowercase().parse().ok()
}

/// Why what somebody asks for is not put back into service.
pub fn refusal(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Refusal> {
    let value = unhandled(observed, stored)?;
    let wanted = parsed(value);
    if wanted == Some(stored.current.leaf.fingerprint) {
        return None;
    }
    let previous = stored.previous.as_ref().map(|pair| &pair.leaf);
    let why = match previous {
        None => "there is no certificate before".to_owned(),
        Some(previous) if wanted != Some(previous.fingerprint) => {
            format!("the certificate before is sha256:{}", previous.fingerprint)
        }
        Some(previous) if previous.is_valid_at(now) => return None,
        Some(previous) => format!("it is valid until {} only", previous.not_after),
    };
    Some(Refusal {
        reason: Reason::RollbackRefused,
        message: format!(
            "annotation {} is {value}, and that is not put back into service: {why}; correct it or take it away",
            api::names::ROLLBACK_TO
        ),
    })
}

/// Pods broke with the certificate in service, and the one before works.
fn by_failure(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<By> {
    let failure = failure(observed, now)?;
    let previous = target(observed, stored)?;
    let works = previous.leaf.is_valid_at(now);
    works.then(|| By::Failure {
        what: failure.describe(),
        trigger: cause(stored),
        attempts: attempts(stored, previous),
    })
}

fn failure(observed: &Observed, now: Timestamp) -> Option<Failure> {
    match observed.progress(now)?.stage {
        Stage::Failed(failure) => Some(failure),
        Stage::Missing
        | Stage::Unreadable(_)
        | Stage::NotMounted
        | Stage::Done
        | Stage::UnderWay
        | Stage::Proving
        | Stage::Stuck
        | Stage::Blocked(_)
        | Stage::OnDelete
        | Stage::Paused
        | Stage::RestartNeeded
        | Stage::RestartLater(_)
        | Stage::Unknown => None,
    }
}

/// The pair to which the one in service is taken back if pods break with it.
pub fn target<'a>(observed: &Observed, stored: &'a Stored) -> Option<&'a Pair> {
    let may = match observed.resource.wanted.on_failure {
        OnFailure::Rollback => !observed.resource.wanted.suspend,
        OnFailure::Hold => false,
    };
    let rejected = active(stored).map(|rolled_back| rolled_back.from);
    stored
        .previous
        .as_ref()
        .filter(|previous| may && Some(previous.leaf.fingerprint) != rejected)
}

/// For what the certificate that broke was issued.
fn cause(stored: &Stored) -> Trigger {
    let mut history = stored.state.history.iter();
    let own = history.find(|entry| entry.serial == stored.current.leaf.serial);
    own.and_then(|entry| entry.trigger)
        .unwrap_or(Trigger::Renewing)
}

/// How often in a row a successor of this pair was taken back, this time included.
fn attempts(stored: &Stored, previous: &Pair) -> u32 {
    match &stored.state.rolled_back {
        Some(RolledBack {
            to,
            by: By::Failure { attempts, .. },
            ..
        }) if *to == previous.leaf.fingerprint => attempts.saturating_add(1),
        Some(_) | None => 1,
    }
}

/// What was put back into service, if that is still the pair in service.
pub fn active(stored: &Stored) -> Option<&RolledBack> {
    let rolled_back = stored.state.rolled_back.as_ref()?;
    (rolled_back.to == stored.current.leaf.fingerprint).then_some(rolled_back)
}

/// The certificate in place of which the one in service was put back, as pods broke with it.
pub fn taken_back_for_failure(stored: &Stored) -> Option<Fingerprint> {
    let rolled_back = active(stored)?;
    match rolled_back.by {
        By::Failure { .. } => Some(rolled_back.from),
        By::Hand { .. } => None,
    }
}

/// When somebody put the certificate in service back, if somebody did.
pub fn put_back_by_hand(stored: &Stored) -> Option<Timestamp> {
    let rolled_back = active(stored)?;
    match rolled_back.by {
        By::Hand { .. } => Some(rolled_back.at),
        By::Failure { .. } => None,
    }
}

/// When another certificate is issued after a failure; none where somebody put it back by hand.
pub fn retry_at(rolled_back: &RolledBack) -> Option<Timestamp> {
    match rolled_back.by {
        By::Hand { .. } => None,
        By::Failure { attempts, .. } => {
            let pause = FIRST_RETRY * (1 << attempts.saturating_sub(1).min(5));
            Some(rolled_back.at + pause.min(LAST_RETRY))
        }
    }
}

/// Why another certificate is issued after a failure, if its time has come.
pub fn retry(stored: &Stored, now: Timestamp) -> Option<Trigger> {
    let rolled_back = active(stored)?;
    let By::Failure { trigger, .. } = rolled_back.by else {
        return None;
    };
    retry_at(rolled_back)
        .filter(|at| *at <= now)
        .map(|_| trigger)
}

/// Whether the certificate in service need not be as specified: it was put back under this very
/// specification.
pub fn is_pinned(observed: &Observed, stored: &Stored) -> bool {
    active(stored).is_some_and(|it| it.generation == observed.resource.generation)
}

/// Why a certificate that is due is not issued yet: the last one was taken back a short while ago. What
/// has expired cannot wait, and who asks for another need not.
pub fn awaits_retry(
    observed: &Observed,
    stored: &Stored,
    trigger: Trigger,
    now: Timestamp,
) -> Option<Refusal> {
    let waits = match trigger {
        Trigger::SpecChanged | Trigger::ReplicasGrew => is_pinned(observed, stored),
        Trigger::Renewing => true,
        Trigger::DoesNotExist | Trigger::Expired | Trigger::Corrupt | Trigger::Requested => false,
    };
    let rolled_back = active(stored).filter(|_| waits)?;
    retry_at(rolled_back).filter(|at| now < *at)?;
    told(observed, stored, now)
}

/// What is told while a certificate is in service that was put back.
pub fn told(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Refusal> {
    let rolled_back = active(stored)?;
    let from = rolled_back.from;
    let message = match &rolled_back.by {
        By::Failure { what, .. } => {
            let at = retry_at(rolled_back).filter(|at| now < *at)?;
            format!(
                "the certificate sha256:{from} was taken back: {what}; another is issued after {at}, or at once by \
                 annotation {}",
                api::names::RENEW
            )
        }
        By::Hand { .. } if is_pinned(observed, stored) => format!(
            "the certificate in service was put back by annotation {} in place of sha256:{from}; it stays until its \
             renewal, a change of the specification, or annotation {}",
            api::names::ROLLBACK_TO,
            api::names::RENEW
        ),
        By::Hand { .. } => return None,
    };
    Some(Refusal {
        reason: Reason::RolledBack,
        message,
    })
}

/// Noting a pod that serves something else although it started with the certificate in service: it is
/// replaced once for that.
fn note(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Action> {
    let Some(Workload::Present(live)) = &observed.workload else {
        return None;
    };
    let mounted = observed.mounted()?;
    let may_be_replaced = mounted.may_be_replaced_alone(live);
    let mut pods = live.pods.iter().filter(|pod| {
        pod.terminating.is_none()
            && evidence_of(pod, &mounted.at(observed.server_time(now))).serves_something_else()
            && mounted.trust(pod) == Trust::ToBeNoted
    });
    let pod = pods.next().filter(|_| may_be_replaced)?;
    Some(Action::Distrust {
        store: stored.version.clone(),
        pod: pod.name.clone(),
        uid: pod.version.uid.clone(),
    })
}
