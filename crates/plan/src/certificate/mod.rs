//! One certificate: from its resource, its authority, its store and its published Secret to the one
//! write that is due.

mod action;
mod adoption;
mod claim;
mod clock;
mod conditions;
mod confirmation;
mod contest;
mod finding;
mod observed;
mod on_pods;
mod ordinals;
mod partners;
mod publishing;
mod ready;
mod recovery;
mod restarts;
mod retention;
mod rollback;
mod status;
mod trigger;
mod verified;

use api::Trigger;
use jiff::{SignedDuration, Timestamp};

pub use action::{Action, PublishCause};
pub use claim::{Rival, is_incumbent};
pub use observed::{
    Authority, Digest, Mark, Observed, Pair, Published, PublishedSecret, Resource, Store, Stored,
    TemplateKeys,
};
pub use restarts::too_late;
pub use status::{broken_off_status, unusable_status};

use crate::{Precondition, Refusal, partner::Call, publication::Beginning, rollout::Probe};

/// What to do for a certificate, and when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The write, if one is due.
    pub action: Option<Action>,
    /// Handshakes that are wanted; what they show is observed later.
    pub wanted_probes: Vec<Probe>,
    /// Partners that are to be asked; what they answer is observed later.
    pub wanted_calls: Vec<Call>,
    /// When time alone may change this plan.
    pub next_check: Timestamp,
}

/// A resource is looked at again at least this often, by the wall clock.
const RESYNC: SignedDuration = SignedDuration::from_hours(1);

/// Decides what to do for a certificate.
#[must_use]
pub fn plan(observed: &Observed, now: Timestamp) -> Plan {
    let decision = decide_in_peace(observed, now);
    let status = status::of(observed, &decision, now);
    let (wanted_probes, next_probe) = verified::probes(observed, now);
    let (wanted_calls, next_call) = partners::calls(observed, now);
    let handshakes = next_probe.into_iter().chain(next_call);
    let next_check = handshakes
        .map(|time| observed.own_time(time))
        .fold(next_check(observed, now), Timestamp::min);
    let action = match decision {
        Decision::Act(action) => Some(action),
        Decision::Wait(_) | Decision::Converged => {
            (status != observed.resource.status).then(|| Action::WriteStatus(Box::new(status)))
        }
    };
    Plan {
        action,
        wanted_probes,
        wanted_calls,
        next_check,
    }
}

/// What the Secrets need, the status aside.
enum Decision {
    /// A write.
    Act(Action),
    /// A write that is not possible, and why.
    Wait(Obstacle),
    /// Nothing.
    Converged,
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Of what.
    pub step: Step,
    /// Why.
    pub refusal: Refusal,
}

/// The step that cannot be taken; it decides which condition tells so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Signing, and writing the store.
    Issue,
    /// Writing the published Secret.
    Publish,
    /// Any: the user asked for no writes.
    Suspended,
}

fn decide(observed: &Observed, now: Timestamp) -> Decision {
    if observed.resource.wanted.suspend {
        return wait(Step::Suspended, claim::suspended(observed));
    }
    if let Some(obstacle) = &observed.failed {
        return renewal_beside(observed, obstacle, now)
            .map_or_else(|| Decision::Wait(obstacle.clone()), Decision::Act);
    }
    if let Some(refusal) = claim::refusal(observed) {
        return publishing::note_stranger(observed, now)
            .map_or_else(|| wait(Step::Publish, refusal), Decision::Act);
    }
    match &observed.store {
        Store::NotAStore => wait(Step::Issue, claim::store_taken(observed)),
        Store::Unreadable(refusal) => wait(Step::Issue, refusal.clone()),
        Store::Absent => {
            let trigger = recovery::first_or_lost(observed);
            recovery::fill(observed, Precondition::Absent, trigger, now)
        }
        Store::Corrupt(version) => recovery::fill(
            observed,
            Precondition::At(version.clone()),
            Trigger::Corrupt,
            now,
        ),
        Store::Present(stored) => recovery::after_a_rollback(observed, stored, now)
            .or_else(|| rollback::due(observed, stored, now))
            .unwrap_or_else(|| serve(observed, stored, now)),
    }
}

/// What the Secrets need, unless somebody keeps undoing just that.
fn decide_in_peace(observed: &Observed, now: Timestamp) -> Decision {
    let decision = decide(observed, now);
    match (&decision, contest::obstacle(observed, now)) {
        (Decision::Act(Action::Publish { cause, .. }), Some(obstacle))
            if cause.is_restoration() =>
        {
            renewal_beside(observed, &obstacle, now).map_or(Decision::Wait(obstacle), Decision::Act)
        }
        _ => decision,
    }
}

/// What keeps the published Secret from looking as it should does not keep the certificate in it,
/// as long as it is the one in service, from being renewed.
fn renewal_beside(observed: &Observed, obstacle: &Obstacle, now: Timestamp) -> Option<Action> {
    let stored = observed.stored()?;
    let cause = match publishing::publish(observed, stored, now)? {
        Action::Publish { cause, .. } if obstacle.step == Step::Publish => cause,
        _ => return None,
    };
    let decision = match cause {
        PublishCause::TakenOver | PublishCause::Roots | PublishCause::Metadata => {
            renew(observed, stored, now)
        }
        PublishCause::Missing
        | PublishCause::Deleted
        | PublishCause::Superseded
        | PublishCause::Overwritten => {
            return None;
        }
    };
    match decision {
        Decision::Act(action) => Some(action),
        Decision::Wait(_) | Decision::Converged => None,
    }
}

fn wait(step: Step, refusal: Refusal) -> Decision {
    Decision::Wait(Obstacle { step, refusal })
}

fn issue(observed: &Observed, store: Precondition, trigger: Trigger, now: Timestamp) -> Decision {
    match trigger::obstacle(observed, trigger, now) {
        Some(refusal) => wait(Step::Issue, refusal),
        None => Decision::Act(Action::Issue {
            trigger,
            beginning: beginning(observed, trigger),
            store,
        }),
    }
}

/// What is issued was never published before. Something else may have been: a certificate that was
/// lost, or a Secret that somebody else had under this name.
fn beginning(observed: &Observed, trigger: Trigger) -> Beginning {
    match trigger {
        Trigger::DoesNotExist if !claim::was_refused(&observed.resource.status) => Beginning::First,
        Trigger::DoesNotExist
        | Trigger::SpecChanged
        | Trigger::ReplicasGrew
        | Trigger::Renewing
        | Trigger::Expired
        | Trigger::Corrupt
        | Trigger::Requested => Beginning::Reissued,
    }
}

/// There is a store: what it holds is published and recorded, then replaced if its time has come.
fn serve(observed: &Observed, stored: &Stored, now: Timestamp) -> Decision {
    let action = match publishing::publish(observed, stored, now) {
        Some(Action::Publish { .. }) if publishing::gives_way(observed, stored, now) => None,
        due => due,
    };
    let Some(action) = action else {
        return renew(observed, stored, now);
    };
    match claim::immutable(observed).filter(|_| action.changes_published_data()) {
        Some(refusal) => wait(Step::Publish, refusal),
        None => Decision::Act(action),
    }
}

fn renew(observed: &Observed, stored: &Stored, now: Timestamp) -> Decision {
    match trigger::due(observed, stored, now) {
        Some(trigger) => issue(
            observed,
            Precondition::At(stored.version.clone()),
            trigger,
            now,
        ),
        None => retention::due(observed, stored, now).map_or(Decision::Converged, Decision::Act),
    }
}

/// The next time at which the clock alone may change the plan, at most an hour away.
fn next_check(observed: &Observed, now: Timestamp) -> Timestamp {
    let leaf = observed.stored().map(|stored| &stored.current.leaf);
    let dates = leaf.into_iter().flat_map(|leaf| {
        let gainful = trigger::gainful_from(observed, leaf);
        [
            leaf.not_before,
            observed.renewal_of(leaf),
            gainful,
            leaf.not_after,
        ]
    });
    let authority = match &observed.authority {
        Authority::Usable(facts) => Some(facts.not_after),
        Authority::Unusable(_) | Authority::Itself => None,
    };
    let rollout = observed
        .progress(now)
        .and_then(|progress| progress.next_check)
        .map(|time| observed.own_time(time));
    let retry = observed
        .stored()
        .and_then(|stored| rollback::retry(observed, stored))
        .map(|retry| retry.at);
    let clocks = clock::refusal(observed, now).map(|_| now + clock::LOOK_AGAIN);
    dates
        .chain(authority)
        .chain(rollout)
        .chain(observed.contest.as_ref().map(|contest| contest.until))
        .chain(retry)
        .chain(clocks)
        .filter(|time| *time > now)
        .fold(now + RESYNC, Timestamp::min)
}
