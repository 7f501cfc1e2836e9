//! Whether a new certificate is due, and whether it may be issued.

use api::{Leaf, Reason, Trigger};
use jiff::Timestamp;

use super::{Authority, Observed, Stored, claim, clock, confirmation, ordinals, rollback};
use crate::{Refusal, rollout::Stage};

/// Why the certificate in service is to be replaced, if it is. Growth comes last, as it leaves pods
/// where they are; but it waits for nothing that the others wait for.
pub fn due(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Trigger> {
    let grew = !observed.is_as_specified(stored) && ordinals::only_grew(observed, stored);
    let growth = grew.then_some(Trigger::ReplicasGrew);
    let other = replacing(observed, stored, grew, now);
    other
        .filter(|other| growth.is_none() || obstacle(observed, *other, now).is_none())
        .or(growth)
        .or(other)
}

fn replacing(observed: &Observed, stored: &Stored, grew: bool, now: Timestamp) -> Option<Trigger> {
    let leaf = &stored.current.leaf;
    if now >= leaf.not_after {
        Some(Trigger::Expired)
    } else if let Some(retry) = rollback::retry(observed, stored).filter(|it| it.at <= now) {
        Some(retry.trigger)
    } else if !grew && !observed.is_as_specified(stored) && !rollback::is_pinned(observed, stored) {
        Some(Trigger::SpecChanged)
    } else if observed.resource.renew.is_some()
        && observed.resource.renew != stored.state.handled_renew
    {
        Some(Trigger::Requested)
    } else if now >= observed.renewal_of(leaf) {
        Some(Trigger::Renewing)
    } else {
        None
    }
}

/// Why a due certificate cannot be issued, if it cannot.
pub fn obstacle(observed: &Observed, trigger: Trigger, now: Timestamp) -> Option<Refusal> {
    // A clock that is off makes good authorities look expired.
    let whoever_signs = clock::refusal(observed, now)
        .or_else(|| claim::immutable(observed))
        .or_else(|| ordinals::unknown(observed));
    if whoever_signs.is_some() {
        return whoever_signs;
    }
    if let Authority::Unusable(refusal) = &observed.authority {
        return Some(refusal.clone());
    }
    let stored = observed.stored()?;
    confirmation::awaited(observed, stored, now)
        .or_else(|| rollback::awaits_retry(observed, stored, trigger, now))
        .or_else(|| no_gain(observed, &stored.current.leaf, trigger, now))
        .or_else(|| rollout_under_way(observed, &stored.current.leaf, trigger, now))
}

/// Why the next certificate could not be signed if it were due at this moment.
pub fn outlook(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Refusal> {
    let signable = || match &observed.authority {
        Authority::Unusable(refusal) => Some(refusal.clone()),
        Authority::Usable(_) | Authority::Itself => confirmation::awaited(observed, stored, now),
    };
    clock::refusal(observed, now)
        .or_else(signable)
        .or_else(|| claim::immutable(observed))
}

/// A renewal must gain at least a tenth of the duration: a leaf that ends with its CA must not be
/// renewed for ever.
fn no_gain(observed: &Observed, leaf: &Leaf, trigger: Trigger, now: Timestamp) -> Option<Refusal> {
    if trigger != Trigger::Renewing {
        return None;
    }
    authority_ends(observed, leaf)
        .or_else(|| (now < gainful_from(observed, leaf)).then(|| too_early(observed, leaf)))
}

/// From when on a certificate of the specified duration ends a tenth of it after the one in service.
pub fn gainful_from(observed: &Observed, leaf: &Leaf) -> Timestamp {
    let duration = observed.resource.wanted.duration;
    leaf.not_after - (duration - duration / 10)
}

/// The specification is the limit: it heals with time.
fn too_early(observed: &Observed, leaf: &Leaf) -> Refusal {
    Refusal {
        reason: Reason::RenewalTooEarly,
        message: format!(
            "a renewal would gain nothing: with spec.duration {}h the next certificate would hardly outlive the one \
             in service, which is valid until {}; it is renewed from {} on; set a shorter spec.renewBefore or a \
             longer spec.duration if that is too late",
            observed.resource.wanted.duration.as_hours(),
            leaf.not_after,
            gainful_from(observed, leaf),
        ),
    }
}

fn authority_ends(observed: &Observed, leaf: &Leaf) -> Option<Refusal> {
    let ends = match &observed.authority {
        Authority::Usable(facts) => facts.not_after,
        Authority::Unusable(_) | Authority::Itself => return None,
    };
    let wanted = &observed.resource.wanted;
    let gains = ends.duration_since(leaf.not_after) >= wanted.duration / 10;
    (!gains).then(|| Refusal {
        reason: Reason::AuthorityExpiresFirst,
        message: format!(
            "a renewal would gain nothing: the CA in Secret {} expires on {ends}, the certificate in service on {}; \
             put a CA there that is valid for longer",
            observed.resource.ca_secret(),
            leaf.not_after,
        ),
    })
}

/// A rollout under way is not stacked on, unless the certificate in service is unusable.
fn rollout_under_way(
    observed: &Observed,
    leaf: &Leaf,
    trigger: Trigger,
    now: Timestamp,
) -> Option<Refusal> {
    let can_wait = match trigger {
        Trigger::SpecChanged | Trigger::Renewing | Trigger::Requested => leaf.is_valid_at(now),
        // What has only more names replaces no pod.
        Trigger::DoesNotExist | Trigger::ReplicasGrew | Trigger::Expired | Trigger::Corrupt => {
            false
        }
    };
    let progress = observed
        .progress(now)
        .filter(|progress| match progress.stage {
            Stage::UnderWay => true,
            Stage::Proving => !observed.was_completed(),
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
            | Stage::RestartLater(_)
            | Stage::Unknown => false,
        })?;
    can_wait.then(|| Refusal {
        reason: Reason::RolloutInProgress,
        message: format!(
            "the next certificate ({trigger}) waits until the rollout under way has ended: {} of {} pods are current",
            progress.current, progress.total,
        ),
    })
}
