//! What the published Secret shall hold, and what the store shall know of it.

use api::Fingerprint;
use jiff::Timestamp;

use super::{
    Action, Observed, PublishCause, Published, PublishedSecret, Stored, adoption, claim,
    observed::held, rollback,
};
use crate::{
    Precondition,
    publication::{Held, Publication},
    store::{Adoption, PublishedName},
};

/// The write that is due until the published Secret holds the pair in service and the store knows.
pub fn publish(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Action> {
    let Published::Present(published) = &observed.published else {
        return Some(Action::Publish {
            store: stored.version.clone(),
            secret: Precondition::Absent,
            cause: if was_published(observed, stored) {
                PublishCause::Deleted
            } else {
                PublishCause::Missing
            },
        });
    };
    let held = held(published, stored);
    if !is_recorded(observed, stored, held) || !is_known(published, stored) {
        let secret = PublishedName {
            name: observed.resource.wanted.secret_name.clone(),
            uid: Some(published.version.uid.clone()),
            adoption: taken_over(observed, published),
        };
        return Some(record(observed, stored, published, secret, now));
    }
    let cause = match held {
        Held::Foreign => PublishCause::Overwritten,
        Held::Leaf(leaf) if leaf != stored.current.leaf.fingerprint => {
            if was_published(observed, stored) && !is_to_be_put_back(observed, stored, leaf) {
                PublishCause::Overwritten
            } else {
                PublishCause::Superseded
            }
        }
        Held::Leaf(_) if is_taken_over_silently(stored, published) => PublishCause::TakenOver,
        Held::Leaf(_) if claim::roots_differ(stored, published) => PublishCause::Roots,
        Held::Leaf(_) if claim::metadata_differs(observed, stored, published) => {
            PublishCause::Metadata
        }
        Held::Leaf(_) => return None,
    };
    Some(Action::Publish {
        store: stored.version.clone(),
        secret: Precondition::At(published.version.clone()),
        cause,
    })
}

/// Whether the pair in service lay in the Secret before: then somebody took it out again.
fn was_published(observed: &Observed, stored: &Stored) -> bool {
    let log = stored.state.log_of(&observed.resource.wanted.secret_name);
    log.holds(stored.current.leaf.fingerprint)
}

/// Whether the pair in service was put back into service in place of this one, and was not published
/// since.
fn is_to_be_put_back(observed: &Observed, stored: &Stored, held: Fingerprint) -> bool {
    let log = stored.state.log_of(&observed.resource.wanted.secret_name);
    rollback::active(stored)
        .is_some_and(|it| it.from == held && rollback::published_again(it, &log).is_none())
}

/// What is kept of a Secret that its maker made anew, and that is taken over again by that.
fn taken_over(observed: &Observed, published: &PublishedSecret) -> Option<Box<Adoption>> {
    let is_due = adoption::is_due(observed, published);
    published.as_found().filter(|_| is_due).map(Box::new)
}

/// Whether a Secret that was taken over does not tell so yet.
fn is_taken_over_silently(stored: &Stored, published: &PublishedSecret) -> bool {
    stored.state.adoption.is_some() && published.owner.is_none() && published.adoption().is_none()
}

/// Whether the store speaks of this very object.
pub fn is_known(published: &PublishedSecret, stored: &Stored) -> bool {
    stored.state.published_uid.as_deref() == Some(&published.version.uid)
}

/// Whether what is there stays, as the certificate in service has expired and somebody has put a valid
/// one in its place. Only the next certificate replaces that.
pub fn gives_way(observed: &Observed, stored: &Stored, now: Timestamp) -> bool {
    let Published::Present(published) = &observed.published else {
        return false;
    };
    let leaf = &stored.current.leaf;
    let by_both_clocks = [now, observed.server_time(now)];
    held(published, stored) != Held::Leaf(leaf.fingerprint)
        && by_both_clocks
            .into_iter()
            .all(|time| time >= leaf.not_after && published.serves(time))
}

/// Since when the published Secret holds what it holds, by the API server's clock. A writer that clears
/// `metadata.managedFields`, or takes a key out of the Secret that was there, hides the time of its write,
/// which cannot lie before the publication recorded last; then the time of the observation stands for it.
fn written(
    published: &PublishedSecret,
    recorded: Option<Publication>,
    now: Timestamp,
) -> Timestamp {
    match recorded.map(|recorded| recorded.from) {
        Some(recorded)
            if published.written < recorded
                || (published.lacks_a_key && published.created <= recorded) =>
        {
            now.max(recorded)
        }
        Some(_) | None => published.written,
    }
}

/// While somebody else's Secret lies under the published name, pods take up what that holds. The
/// record says so, in the operator's own store: once the other is gone, they are not taken for
/// pods that started with the certificate in service.
pub fn note_stranger(observed: &Observed, now: Timestamp) -> Option<Action> {
    let stored = observed.stored()?;
    let Published::Present(published) = &observed.published else {
        return None;
    };
    (!is_recorded(observed, stored, held(published, stored))).then(|| {
        let secret = PublishedName {
            name: observed.resource.wanted.secret_name.clone(),
            uid: stored.state.published_uid.clone(),
            adoption: None,
        };
        record(observed, stored, published, secret, now)
    })
}

/// Whether the log ends with what the published Secret holds.
fn is_recorded(observed: &Observed, stored: &Stored, held: Held) -> bool {
    let log = stored.state.log_of(&observed.resource.wanted.secret_name);
    log.last().is_some_and(|last| last.held == held)
}

/// Recording what the published Secret holds.
fn record(
    observed: &Observed,
    stored: &Stored,
    published: &PublishedSecret,
    secret: PublishedName,
    now: Timestamp,
) -> Action {
    let last = stored.state.log_of(&secret.name).last();
    Action::Record {
        store: stored.version.clone(),
        publication: Publication {
            held: held(published, stored),
            from: written(published, last, observed.server_time(now)),
        },
        secret,
    }
}
