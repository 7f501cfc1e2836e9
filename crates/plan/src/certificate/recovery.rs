//! Where the store is lost, unusable, or older than it was: what is left decides.

use api::{SerialNumber, Signer, Trigger};
use jiff::Timestamp;

use super::{
    Action, Decision, Mark, Observed, Pair, Published, PublishedSecret, Step, Stored, adoption,
    clock, issue, observed::held, publishing::is_known, wait,
};
use crate::{Precondition, contest, publication::Held};

/// Without any Secret the status tells whether there was a certificate: then pods may have read it.
pub fn first_or_lost(observed: &Observed) -> Trigger {
    match observed.resource.status.certificate {
        None => Trigger::DoesNotExist,
        Some(_) => Trigger::Corrupt,
    }
}

/// There is no usable store: take up what the operator published, or issue.
pub fn fill(
    observed: &Observed,
    store: Precondition,
    trigger: Trigger,
    now: Timestamp,
) -> Decision {
    let published = match &observed.published {
        Published::Present(published) => published,
        Published::Absent | Published::Unreadable(_) => {
            return issue(observed, store, trigger, now);
        }
    };
    if adoption::is_due(observed, published) {
        return adoption::decide(observed, published, store);
    }
    match (&published.pair, published.mark()) {
        (Some(pair), Mark::Operator | Mark::None) if now < pair.leaf.not_after => {
            Decision::Act(Action::Recover {
                published: published.version.clone(),
                store,
            })
        }
        (Some(_), Mark::Operator | Mark::None) => issue(observed, store, Trigger::Expired, now),
        (Some(_), Mark::SomebodyElse) | (None, _) => issue(observed, store, Trigger::Corrupt, now),
    }
}

/// What is due after the store was put back to an earlier state, as by a backup tool. A newer pair
/// that is published stays in service. If it is lost, the older one stays, and what the store
/// remembers of the time since counts for nothing.
pub fn after_a_rollback(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Decision> {
    let lost = observed.lost();
    let asks_for_dates = lost.is_some()
        || adoption::may_supersede(observed, stored)
        || may_be_newer(observed, stored);
    // By a clock that is off nothing is told to be valid, or not.
    match clock::refusal(observed, now).filter(|_| asks_for_dates) {
        Some(refusal) => Some(wait(Step::Issue, refusal)),
        None => adoption::supersedes(observed, stored, now)
            .or_else(|| rolled_back(observed, stored, lost, now).map(Decision::Act)),
    }
}

fn rolled_back(
    observed: &Observed,
    stored: &Stored,
    lost: Option<SerialNumber>,
    now: Timestamp,
) -> Option<Action> {
    if let Published::Present(published) = &observed.published
        && is_newer(observed, published, stored)
        && published.serves(now)
    {
        return Some(Action::Recover {
            published: published.version.clone(),
            store: Precondition::At(stored.version.clone()),
        });
    }
    Some(Action::NoteRollback {
        store: stored.version.clone(),
        lost: lost?,
    })
}

fn may_be_newer(observed: &Observed, stored: &Stored) -> bool {
    match &observed.published {
        Published::Present(published) => is_newer(observed, published, stored),
        Published::Absent | Published::Unreadable(_) => false,
    }
}

/// Whether the operator published this pair, and the store is of an earlier time. A copy of a Secret
/// of elsewhere bears a mark as well: what it holds is of another authority, or is not what the status
/// tells of and lies where somebody else has written.
fn is_newer(observed: &Observed, published: &PublishedSecret, stored: &Stored) -> bool {
    let Some(pair) = &published.pair else {
        return false;
    };
    let (leaf, current) = (&pair.leaf, &stored.current.leaf);
    let is_later = (leaf.not_before, leaf.not_after) > (current.not_before, current.not_after);
    // The resource was made anew, or the store was put back before the status was written.
    let tells_nothing =
        observed.resource.status.history.is_empty() || is_untouched(published, stored);
    let is_meant = observed
        .lost()
        .map_or(is_later && tells_nothing, |lost| lost == leaf.serial);
    is_meant
        && published.mark() == Mark::Operator
        && is_of_one_authority(observed, published, pair, stored)
        && held(published, stored) == Held::Foreign
        && !stored.knows(&leaf.serial)
}

/// Whether nobody seems to have written the very object that the store speaks of since the operator did.
/// Who applies a copy of another Secret to it has.
fn is_untouched(published: &PublishedSecret, stored: &Stored) -> bool {
    let by = contest::undone_by(published.last_writer.as_ref(), published.operator_wrote);
    is_known(published, stored) && by.is_none()
}

/// Whether who had the one certificate signed had the other signed. Self-signed ones have nothing in
/// common that a certificate of elsewhere could not have too: there the status has to tell of it.
fn is_of_one_authority(
    observed: &Observed,
    published: &PublishedSecret,
    pair: &Pair,
    stored: &Stored,
) -> bool {
    let signers = [stored.current.leaf.signer, pair.leaf.signer];
    if signers.contains(&Signer::Itself) {
        return observed.lost().is_some();
    }
    let root = stored.state.root.zip(published.root);
    root.is_some_and(|(trusted, of_pair)| trusted.is_trusted_like(&of_pair))
}
