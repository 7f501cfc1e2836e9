//! Whether a new certificate is due, and whether it may be issued.

use api::{AuthorityFacts, Leaf, Reason, Trigger};
use jiff::Timestamp;

use super::{Authority, Observed, Stored, claim, clock};
use crate::{Refusal, rollout::Stage, store::Root};

/// Why the certificate in service is to be replaced, if it is.
pub fn due(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Trigger> {
    let leaf = &stored.current.leaf;
    if now >= leaf.not_after {
        Some(Trigger::Expired)
    } else if !observed.is_as_specified(leaf) {
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
    let whoever_signs = clock::refusal(observed, now).or_else(|| claim::immutable(observed));
    if whoever_signs.is_some() {
        return whoever_signs;
    }
    let facts = match &observed.authority {
        Authority::Unusable(refusal) => return Some(refusal.clone()),
        Authority::Usable(facts) => facts,
    };
    let stored = observed.stored()?;
    other_root(observed, stored, facts, now)
        .or_else(|| no_gain(observed, &stored.current.leaf, facts, trigger, now))
        .or_else(|| rollout_under_way(observed, &stored.current.leaf, trigger, now))
}

/// Why the next certificate could not be signed if it were due at this moment.
pub fn outlook(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Refusal> {
    let signable = || match &observed.authority {
        Authority::Unusable(refusal) => Some(refusal.clone()),
        Authority::Usable(facts) => other_root(observed, stored, facts, now),
    };
    clock::refusal(observed, now)
        .or_else(signable)
        .or_else(|| claim::immutable(observed))
}

/// A leaf in service is not replaced by one of another root: the partner does not trust that yet.
fn other_root(
    observed: &Observed,
    stored: &Stored,
    facts: &AuthorityFacts,
    now: Timestamp,
) -> Option<Refusal> {
    let in_service = stored
        .state
        .root
        .filter(|_| now < stored.current.leaf.not_after)?;
    if in_service.is_trusted_like(&Root::of(facts)) {
        return None;
    }
    let resource = &observed.resource;
    Some(Refusal {
        reason: Reason::AwaitingPartnerConfirmation,
        message: format!(
            "CA Secret {}/{} holds a CA with root sha256:{}, but the certificate in service chains to root sha256:{}, \
             which the partner is known to trust; put a CA of that root back. Once the partner trusts the other root, \
             start over with it: set spec.suspend, delete Secrets {} and {}, remove spec.suspend",
            resource.namespace,
            resource.wanted.authority_secret,
            facts.root_fingerprint,
            in_service.certificate,
            api::names::store_secret(&resource.name),
            resource.wanted.secret_name,
        ),
    })
}

/// A renewal must gain at least a tenth of the duration: a leaf that ends with its CA must not be
/// renewed for ever.
fn no_gain(
    observed: &Observed,
    leaf: &Leaf,
    facts: &AuthorityFacts,
    trigger: Trigger,
    now: Timestamp,
) -> Option<Refusal> {
    let duration = observed.resource.wanted.duration;
    let gains = |not_after: Timestamp| not_after.duration_since(leaf.not_after) >= duration / 10;
    if trigger != Trigger::Renewing {
        None
    } else if !gains(facts.not_after) {
        Some(authority_ends(observed, leaf, facts))
    } else if now < gainful_from(observed, leaf) {
        Some(too_early(observed, leaf))
    } else {
        None
    }
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

fn authority_ends(observed: &Observed, leaf: &Leaf, facts: &AuthorityFacts) -> Refusal {
    let resource = &observed.resource;
    Refusal {
        reason: Reason::AuthorityExpiresFirst,
        message: format!(
            "a renewal would gain nothing: the CA in Secret {}/{} expires on {}, the certificate in service on {}; \
             put a CA there that is valid for longer",
            resource.namespace, resource.wanted.authority_secret, facts.not_after, leaf.not_after,
        ),
    }
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
        Trigger::DoesNotExist | Trigger::Expired | Trigger::Corrupt => false,
    };
    let progress = observed
        .progress(now)
        .filter(|progress| progress.stage == Stage::UnderWay)?;
    can_wait.then(|| Refusal {
        reason: Reason::RolloutInProgress,
        message: format!(
            "the next certificate ({trigger}) waits until the rollout under way has ended: {} of {} pods are current",
            progress.current, progress.total,
        ),
    })
}
