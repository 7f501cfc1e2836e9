//! Putting the certificate before back into service: as pods broke with its successor, or as somebody
//! asks for it.

use api::{Fingerprint, Leaf, OnFailure, Reason, RolloutStrategy, Signer, Trigger};
use jiff::{SignedDuration, Timestamp};

use super::{Action, Decision, Observed, Pair, Step, Stored, claim, wait};
use crate::{
    Refusal,
    publication::PublicationLog,
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
    let may = works(observed, &previous.leaf, now) && foreign_root(stored, previous).is_none();
    (is_meant && may).then(|| By::Hand {
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
    let why = match &stored.previous {
        None => "there is no certificate before".to_owned(),
        Some(previous) if wanted != Some(previous.leaf.fingerprint) => {
            format!(
                "the certificate before is sha256:{}",
                previous.leaf.fingerprint
            )
        }
        Some(previous) if !works(observed, &previous.leaf, now) => {
            format!("it is valid until {} only", previous.leaf.not_after)
        }
        Some(previous) => foreign_root(stored, previous)?,
    };
    Some(Refusal {
        reason: Reason::RollbackRefused,
        message: format!(
            "annotation {} is {value}, and that is not put back into service: {why}; correct it or take it away",
            api::names::ROLLBACK_TO
        ),
    })
}

/// Why partners may not trust what is to be put back as they trust what is in service: the same rule as for
/// the next certificate.
fn foreign_root(stored: &Stored, previous: &Pair) -> Option<String> {
    let (leaf, state) = (&stored.current.leaf, &stored.state);
    match (&leaf.signer, &previous.leaf.signer) {
        (Signer::Itself, _) => return None,
        (Signer::Another, Signer::Itself) => {
            return Some("no CA vouches for it, as one does for the one in service".to_owned());
        }
        (Signer::Another, Signer::Another) => {}
    }
    let (root, before) = state.root.zip(state.before.as_ref()?.root)?;
    (!root.is_trusted_like(&before)).then(|| {
        format!(
            "it chains to root sha256:{}, and the one in service to root sha256:{}, which partners are known to trust",
            before.certificate, root.certificate
        )
    })
}

/// Pods broke with the certificate in service, and the one before works.
fn by_failure(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<By> {
    let failure = failure(observed, now)?;
    let previous = target(observed, stored)?;
    works(observed, &previous.leaf, now).then(|| By::Failure {
        what: failure.describe(),
        trigger: cause(stored),
        attempts: attempts(stored, previous),
    })
}

/// Whether a leaf is valid, by both clocks.
fn works(observed: &Observed, leaf: &Leaf, now: Timestamp) -> bool {
    let clocks = [now, observed.server_time(now)];
    clocks.into_iter().all(|time| leaf.is_valid_at(time))
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
    let wanted = &observed.resource.wanted;
    let is_asked_for = match wanted.on_failure {
        OnFailure::Rollback => !wanted.suspend,
        OnFailure::Hold => false,
    };
    let rolls_out = match wanted.strategy {
        RolloutStrategy::RollingRestart | RolloutStrategy::PodByPod | RolloutStrategy::Reload => {
            true
        }
        RolloutStrategy::None => false,
    };
    // What only adds names has replaced no pod; who broke is one more.
    let may = is_asked_for && rolls_out && cause(stored) != Trigger::ReplicasGrew;
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

/// How many certificates in a row were taken back, as pods broke with them: until every pod is on a later one.
pub fn failed_attempts(observed: &Observed, stored: &Stored) -> Option<u32> {
    let rolled_back = stored.state.rolled_back.as_ref()?;
    let previous = stored.previous.as_ref().map(|it| it.leaf.fingerprint);
    let is_on_trial = previous == Some(rolled_back.to) && !observed.was_completed();
    match rolled_back.by {
        By::Failure { attempts, .. } if active(stored).is_some() || is_on_trial => Some(attempts),
        By::Failure { .. } | By::Hand { .. } => None,
    }
}

/// What was put back into service, if that is still the pair in service.
pub fn active(stored: &Stored) -> Option<&RolledBack> {
    let rolled_back = stored.state.rolled_back.as_ref()?;
    (rolled_back.to == stored.current.leaf.fingerprint).then_some(rolled_back)
}

/// When what was put back was published in place of what was taken out, as far as the log knows. Either may
/// have been published time and again before.
pub fn published_again(rolled_back: &RolledBack, log: &PublicationLog) -> Option<Timestamp> {
    let (from, to) = (rolled_back.from, rolled_back.to);
    match rolled_back.published {
        Some(published) => log.first_since(to, published),
        None => log.first_after(to, from),
    }
}

fn is_by_hand(stored: &Stored) -> bool {
    put_back_by_hand(stored).is_some()
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

/// Another certificate, for the reason for which the one was issued that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The reason.
    pub trigger: Trigger,
    /// When.
    pub at: Timestamp,
}

/// The certificate that is issued after a failure; none where somebody put the one before back by hand,
/// or where nothing asks for another any more.
pub fn retry(observed: &Observed, stored: &Stored) -> Option<Retry> {
    let rolled_back = active(stored)?;
    let By::Failure {
        trigger, attempts, ..
    } = rolled_back.by
    else {
        return None;
    };
    let pause = FIRST_RETRY * (1 << attempts.saturating_sub(1).min(5));
    let at = rolled_back.at + pause.min(LAST_RETRY);
    let is_due = match trigger {
        Trigger::SpecChanged | Trigger::ReplicasGrew => !observed.is_as_specified(stored),
        Trigger::Renewing => at >= observed.renewal_of(&stored.current.leaf),
        Trigger::DoesNotExist | Trigger::Expired | Trigger::Corrupt | Trigger::Requested => true,
    };
    is_due.then_some(Retry { trigger, at })
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
        Trigger::Renewing => !is_by_hand(stored),
        Trigger::DoesNotExist | Trigger::Expired | Trigger::Corrupt | Trigger::Requested => false,
    };
    active(stored).filter(|_| waits)?;
    told(observed, stored, now)
}

/// What is told while a certificate is in service that was put back.
pub fn told(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Refusal> {
    let rolled_back = active(stored)?;
    let from = rolled_back.from;
    let message = match &rolled_back.by {
        By::Failure { what, .. } => {
            let at = retry(observed, stored)?.at;
            if at <= now {
                return None;
            }
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
    let mounted = mounted.at(observed.server_time(now)).within(live);
    let is_noted = live
        .pods
        .iter()
        .any(|pod| mounted.trust(pod) == Trust::Withdrawn);
    let may_be_replaced =
        mounted.may_be_replaced_alone(live) && !is_noted && !mounted.is_replacing_in_vain(live);
    let mut pods = live.pods.iter().filter(|pod| {
        pod.terminating.is_none()
            && evidence_of(pod, &mounted).serves_something_else()
            && mounted.trust(pod) == Trust::ToBeNoted
    });
    let pod = pods.next().filter(|_| may_be_replaced)?;
    Some(Action::Distrust {
        store: stored.version.clone(),
        pod: pod.name.clone(),
        uid: pod.version.uid.clone(),
    })
}

/// What else can be done about pods that break, if anything.
pub fn offer(observed: &Observed, now: Timestamp) -> String {
    let previous = observed.stored().and_then(|stored| {
        let previous = stored.previous.as_ref()?;
        let was_taken_back = taken_back_for_failure(stored) == Some(previous.leaf.fingerprint);
        let helps = works(observed, &previous.leaf, now)
            && foreign_root(stored, previous).is_none()
            && !was_taken_back
            && cause(stored) != Trigger::ReplicasGrew;
        Some(previous).filter(|_| helps)
    });
    previous.map_or_else(String::new, |previous| {
        format!(
            ", or put the certificate before back by annotation {}={}",
            api::names::ROLLBACK_TO,
            previous.leaf.fingerprint
        )
    })
}
