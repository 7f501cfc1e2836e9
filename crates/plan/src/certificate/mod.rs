//! One certificate: from its resource, its authority, its store and its published Secret to the one
//! write that is due.

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

use api::{CoturnCertificateStatus, SerialNumber, Trigger};
use jiff::{SignedDuration, Timestamp};

pub use claim::{Rival, is_incumbent};
pub use observed::{
    Authority, Digest, Mark, Observed, Pair, Published, PublishedSecret, Resource, Store, Stored,
    TemplateKeys,
};
pub use restarts::too_late;
pub use status::{broken_off_status, unusable_status};

use crate::{
    Precondition, Refusal, Version,
    partner::Call,
    publication::{Beginning, Publication},
    rollout::Probe,
    store::{Adoption, By, PublishedName},
};

/// The one write of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sign a new pair and write it into the store as the one in service.
    Issue {
        /// Why.
        trigger: Trigger,
        /// How the publication log begins, where this pair begins it.
        beginning: Beginning,
        /// The store's revision.
        store: Precondition,
    },
    /// Take the pair of the published Secret up into the store.
    Recover {
        /// The published Secret's revision.
        published: Version,
        /// The store's revision.
        store: Precondition,
    },
    /// Take a Secret over that somebody else made: its pair is the one in service from now on.
    Adopt {
        /// The Secret's revision.
        published: Version,
        /// The store's revision.
        store: Precondition,
        /// What it holds, and from when.
        publication: Publication,
        /// How the publication log begins.
        beginning: Beginning,
        /// What is kept of it.
        adoption: Box<Adoption>,
    },
    /// Note in the store that it was put back to an earlier state: its log tells nothing any more.
    NoteRollback {
        /// The store's revision.
        store: Version,
        /// The certificate that is not in it.
        lost: SerialNumber,
    },
    /// Record in the store what the published Secret holds.
    Record {
        /// The store's revision.
        store: Version,
        /// What it holds, and from when.
        publication: Publication,
        /// The published Secret.
        secret: PublishedName,
    },
    /// Put the pair before back into service in the store.
    RollBack {
        /// The store's revision.
        store: Version,
        /// Why.
        by: By,
    },
    /// Note in the store that a pod serves something else although it started with the pair in service.
    Distrust {
        /// The store's revision.
        store: Version,
        /// The pod's name.
        pod: String,
        /// The pod's uid.
        uid: String,
    },
    /// Take the pair before out of the store: it will not be put back into service any more.
    DropPrevious {
        /// The store's revision.
        store: Version,
    },
    /// Write the pair in service into the published Secret.
    Publish {
        /// The store's revision, which the pair is taken from.
        store: Version,
        /// The published Secret's revision.
        secret: Precondition,
        /// What is wrong with it.
        cause: PublishCause,
    },
    /// Write the status.
    WriteStatus(Box<CoturnCertificateStatus>),
}

/// Why the published Secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishCause {
    /// It does not exist.
    Missing,
    /// It was there with the pair in service, and somebody deleted it.
    Deleted,
    /// It holds an earlier pair of the operator's.
    Superseded,
    /// It holds something else, or an earlier pair after it held the one in service.
    Overwritten,
    /// It holds the pair in service as somebody else made it: nothing tells that it was taken over.
    TakenOver,
    /// It holds the pair in service, but other roots.
    Roots,
    /// Only its labels or annotations differ.
    Metadata,
}

impl PublishCause {
    /// Whether somebody undid what the operator wrote, as far as that can be told: a Secret that is taken
    /// over looks as one whose maker put all of it back. Only many of them are a contest.
    #[must_use]
    pub const fn is_restoration(self) -> bool {
        match self {
            Self::Deleted | Self::Overwritten | Self::TakenOver | Self::Roots | Self::Metadata => {
                true
            }
            Self::Missing | Self::Superseded => false,
        }
    }
}

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

impl Action {
    /// The step that this write belongs to; none for the status itself.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::Issue { .. }
            | Self::Recover { .. }
            | Self::Adopt { .. }
            | Self::NoteRollback { .. }
            | Self::RollBack { .. }
            | Self::Distrust { .. }
            | Self::DropPrevious { .. }
            | Self::Record { .. } => Some(Step::Issue),
            Self::Publish { .. } => Some(Step::Publish),
            Self::WriteStatus(_) => None,
        }
    }

    /// Whether it gives the published Secret that is there other data.
    const fn changes_published_data(&self) -> bool {
        match self {
            Self::Publish { cause, .. } => match cause {
                PublishCause::Superseded
                | PublishCause::Overwritten
                | PublishCause::TakenOver
                | PublishCause::Roots => true,
                PublishCause::Missing | PublishCause::Deleted | PublishCause::Metadata => false,
            },
            Self::Issue { .. }
            | Self::Recover { .. }
            | Self::Adopt { .. }
            | Self::NoteRollback { .. }
            | Self::RollBack { .. }
            | Self::Distrust { .. }
            | Self::DropPrevious { .. }
            | Self::Record { .. }
            | Self::WriteStatus(_) => false,
        }
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
