//! Whose the published Secret is. What belongs to somebody else is never written.

use std::collections::BTreeMap;

use api::{ConditionType, CoturnCertificateStatus, Reason, names};
use jiff::Timestamp;

use super::{Mark, Observed, Published, PublishedSecret, Stored, TemplateKeys, adoption};
use crate::Refusal;

/// Another `CoturnCertificate` that names the same published Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it had the Secret before: see [`is_incumbent`].
    pub incumbent: bool,
}

/// Whether a resource, by its status, is the one among those that name its Secret that has it, or had
/// it until it was deleted: it issued a certificate, and the name is no other resource's.
#[must_use]
pub fn is_incumbent(status: &CoturnCertificateStatus) -> bool {
    let published = published_reason(status);
    status.certificate.is_some()
        && published.is_some_and(|reason| reason != Reason::SecretClaimed.as_str())
}

/// Whether the status tells of somebody else's Secret under the name.
pub fn was_refused(status: &CoturnCertificateStatus) -> bool {
    let refused = [Reason::SecretClaimed, Reason::SecretNotOwned];
    published_reason(status)
        .is_some_and(|told| refused.iter().any(|reason| told == reason.as_str()))
}

pub fn published_reason(status: &CoturnCertificateStatus) -> Option<&str> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Published.as_str())
        .map(|condition| condition.reason.as_str())
}

/// Why the published Secret may not be written, if it may not.
pub fn refusal(observed: &Observed) -> Option<Refusal> {
    match &observed.published {
        Published::Unreadable(refusal) => Some(refusal.clone()),
        Published::Absent => adoption::awaited(observed).or_else(|| first_claim(observed)),
        Published::Present(published) => match published.owner.as_deref() {
            Some(owner) if owner == observed.resource.name => None,
            Some(owner) if rival(observed, owner) => Some(claimed(observed, owner)),
            // Its owner is gone, or names another Secret by now.
            Some(_) => first_claim(observed),
            // Of several stores that know it, that of the incumbent decides.
            None if is_recorded(observed, published) => first_claim(observed),
            None if adoption::is_asked_for(observed) => {
                adoption::refusal(observed, published).or_else(|| first_claim(observed))
            }
            None => Some(not_owned(observed)),
        },
    }
}

fn rival(observed: &Observed, name: &str) -> bool {
    observed.rivals.iter().any(|rival| rival.name == name)
}

/// Whether nobody but its maker has had a Secret so far.
pub fn is_strange(observed: &Observed, published: &PublishedSecret) -> bool {
    published.owner.is_none() && !is_recorded(observed, published)
}

/// Whether the store knows this very object: its annotation was removed, it is still ours.
fn is_recorded(observed: &Observed, published: &PublishedSecret) -> bool {
    observed
        .stored()
        .and_then(|stored| stored.state.published_uid.as_ref())
        .is_some_and(|uid| *uid == published.version.uid)
}

/// Among those that claim an unclaimed Secret the one wins that had it before it was deleted, else
/// the oldest, by name if of one second.
fn first_claim(observed: &Observed) -> Option<Refusal> {
    let resource = &observed.resource;
    let rank = |incumbent: bool, created, name| (!incumbent, created, name);
    let own = rank(
        is_incumbent(&resource.status),
        resource.created,
        resource.name.as_str(),
    );
    let winner = observed
        .rivals
        .iter()
        .map(|rival| rank(rival.incumbent, rival.created, rival.name.as_str()))
        .min()?;
    (winner < own).then(|| claimed(observed, winner.2))
}

fn claimed(observed: &Observed, owner: &str) -> Refusal {
    let resource = &observed.resource;
    Refusal {
        reason: Reason::SecretClaimed,
        message: format!(
            "Secret {}/{} belongs to CoturnCertificate {owner}; delete one of the two, or make another resource with a \
             spec.secretName of its own",
            resource.namespace, resource.wanted.secret_name,
        ),
    }
}

fn not_owned(observed: &Observed) -> Refusal {
    let resource = &observed.resource;
    Refusal {
        reason: Reason::SecretNotOwned,
        message: format!(
            "Secret {}/{} exists and was not made for this resource; nothing was written. Delete it, set \
             spec.secretAdoptionPolicy to Adopt to have it taken over with the certificate that it holds, or make \
             another resource with another spec.secretName",
            resource.namespace, resource.wanted.secret_name,
        ),
    }
}

/// Nobody can change an immutable Secret: what it holds stays in service until it is deleted.
pub fn immutable(observed: &Observed) -> Option<Refusal> {
    let Published::Present(published) = &observed.published else {
        return None;
    };
    let resource = &observed.resource;
    let message = format!(
        "Secret {}/{} is immutable, so no other certificate can be put there; delete it, and it is made anew with the \
         certificate in service",
        resource.namespace, resource.wanted.secret_name,
    );
    published.immutable.then_some(Refusal {
        reason: Reason::SecretImmutable,
        message,
    })
}

/// The store's name is taken by a Secret of another type.
pub fn store_taken(observed: &Observed) -> Refusal {
    let resource = &observed.resource;
    Refusal {
        reason: Reason::StoreNotOwned,
        message: format!(
            "Secret {}/{} is not of type {}, but the store of this resource needs its name; delete it, or make another resource of another name",
            resource.namespace,
            names::store_secret(&resource.name),
            names::STORE_SECRET_TYPE,
        ),
    }
}

/// The user asked for no writes.
pub fn suspended(observed: &Observed) -> Refusal {
    Refusal {
        reason: Reason::Suspended,
        message: format!(
            "spec.suspend is set on CoturnCertificate {}/{}: nothing is written until it is removed",
            observed.resource.namespace, observed.resource.name,
        ),
    }
}

/// Whether the published Secret holds other roots than the store.
pub fn roots_differ(stored: &Stored, published: &PublishedSecret) -> bool {
    let roots = published.pair.as_ref().map(|pair| pair.digest.roots);
    roots != Some(stored.current.digest.roots)
}

/// Whether labels or annotations differ from what the published Secret shall look like.
pub fn metadata_differs(observed: &Observed, stored: &Stored, published: &PublishedSecret) -> bool {
    let adoption = stored.state.adoption.as_ref();
    let is_made_by_us = || {
        published
            .labels
            .get(names::MANAGED_BY_LABEL)
            .is_some_and(|manager| manager == names::FIELD_MANAGER)
    };
    let template = &observed.resource.wanted.secret_template;
    let keys = TemplateKeys {
        labels: template.labels.keys().cloned().collect(),
        annotations: template.annotations.keys().cloned().collect(),
    };
    published.owner.as_deref() != Some(observed.resource.name.as_str())
        || published.mark() != Mark::Operator
        || match adoption {
            None => !is_made_by_us(),
            Some(adoption) => published.adopted_leaf() != Some(adoption.leaf),
        }
        || published.template_keys != keys
        || !holds(&published.labels, &template.labels)
        || !holds(&published.annotations, &template.annotations)
}

fn holds(live: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| live.get(key) == Some(value))
}
