//! Secrets that somebody else made: which of them are taken over, and what is kept of them.

use api::{Fingerprint, Leaf, Reason, SecretAdoptionPolicy, names};
use jiff::{SignedDuration, Timestamp};

use super::{
    Action, Authority, Decision, Observed, Pair, Published, PublishedSecret, Step, Stored, claim,
    observed::held, wait,
};
use crate::{
    Precondition, Refusal,
    publication::{Beginning, Held, Publication},
    store::Adoption,
};

/// Annotation by which cert-manager knows the Secrets that it writes.
const CERT_MANAGER: &str = "cert-manager.io/certificate-name";

/// Whether the resource may take Secrets over.
pub fn is_asked_for(observed: &Observed) -> bool {
    match observed.resource.wanted.adoption {
        SecretAdoptionPolicy::Adopt => true,
        SecretAdoptionPolicy::Never => false,
    }
}

/// Whether nobody but its maker has had the Secret so far, and it may be taken over.
pub fn is_due(observed: &Observed, published: &PublishedSecret) -> bool {
    is_asked_for(observed) && claim::is_strange(observed, published)
}

/// Why a stranger's Secret is not taken over, although that is asked for.
pub fn refusal(observed: &Observed, published: &PublishedSecret) -> Option<Refusal> {
    let resource = &observed.resource;
    let secret = format!("{}/{}", resource.namespace, resource.wanted.secret_name);
    let message = if let Some(controller) = &published.controller {
        format!(
            "Secret {secret} is controlled by {controller}, which would write it again: nothing was written. Have \
             {controller} give it up, or make another resource with another spec.secretName"
        )
    } else if let Some(certificate) = published.annotations.get(CERT_MANAGER) {
        format!(
            "Secret {secret} belongs to the Certificate {certificate} of cert-manager, which would issue it again: \
             nothing was written. Delete that Certificate and the Secret's annotation {CERT_MANAGER}"
        )
    } else if is_a_leaf(published) {
        return None;
    } else {
        format!(
            "Secret {secret} holds no certificate of a server with its key, so that it is not taken over: nothing was \
             written. Correct spec.secretName, or have its maker put one there"
        )
    };
    Some(Refusal {
        reason: Reason::SecretNotOwned,
        message,
    })
}

fn is_a_leaf(published: &PublishedSecret) -> bool {
    let leaf = published.pair.as_ref().map(|pair| &pair.leaf);
    leaf.is_some_and(|leaf| leaf.coverage.is_some())
}

/// Who is to make a Secret that will be adopted makes it first: a chart cannot be installed over one
/// that exists. One that was there before is made anew instead, as its maker made it.
pub fn awaited(observed: &Observed) -> Option<Refusal> {
    let was_there = observed
        .stored()
        .is_some_and(|stored| stored.state.published_uid.is_some());
    let resource = &observed.resource;
    (is_asked_for(observed) && !was_there).then(|| Refusal {
        reason: Reason::AwaitingSecret,
        message: format!(
            "Secret {}/{} does not exist yet, and with spec.secretAdoptionPolicy Adopt the operator waits until its \
             maker has made it; install the chart that does, or set the policy to Never",
            resource.namespace, resource.wanted.secret_name,
        ),
    })
}

/// What is due for a stranger's Secret that may be taken over. Only the authority tells whether its
/// certificate is one of its own.
pub fn decide(observed: &Observed, published: &PublishedSecret, store: Precondition) -> Decision {
    let refusal = match &observed.authority {
        Authority::Unusable(refusal) => Some(refusal.clone()),
        Authority::Usable(_) | Authority::Itself => None,
    };
    match (refusal, take_over(observed, published, store)) {
        (None, Some(action)) => Decision::Act(action),
        (Some(refusal), _) => wait(Step::Issue, refusal),
        (None, None) => Decision::Converged,
    }
}

/// Taking up what the Secret holds as the pair in service.
fn take_over(
    observed: &Observed,
    published: &PublishedSecret,
    store: Precondition,
) -> Option<Action> {
    let adoption = published.as_found()?;
    Some(Action::Adopt {
        published: published.version.clone(),
        store,
        publication: Publication {
            held: Held::Leaf(adoption.leaf),
            from: from(published),
        },
        beginning: beginning(observed, published),
        adoption: Box::new(adoption),
    })
}

/// The operator that waited for a Secret knows that there was none. Pods that started while the status
/// told of another certificate read that.
fn beginning(observed: &Observed, published: &PublishedSecret) -> Beginning {
    let found = published.pair.as_ref().map(|pair| pair.leaf.fingerprint);
    let told = observed.resource.status.certificate.as_ref();
    if told.is_some_and(|told| found.is_some_and(|leaf| told.fingerprint != leaf.to_string())) {
        return Beginning::Reissued;
    }
    let was_awaited =
        claim::published_reason(&observed.resource.status) == Some(Reason::AwaitingSecret.as_str());
    if was_awaited && published.written == published.created {
        Beginning::First
    } else {
        Beginning::Unknown
    }
}

/// A pod can have read nothing else of a Secret that holds what it was made with, not even one that
/// was created within the same second.
fn from(published: &PublishedSecret) -> Timestamp {
    if published.written == published.created {
        published.written - SignedDuration::from_secs(1)
    } else {
        published.written
    }
}

/// What is due for a Secret of somebody else's that holds what comes before the store's pair.
pub fn supersedes(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Decision> {
    let Published::Present(published) = &observed.published else {
        return None;
    };
    let leaf = &published.pair.as_ref()?.leaf;
    let is_to_be_kept = is_to_be_shared(observed, published, stored) && published.serves(now);
    let is_later = is_anew(observed, published) && is_put_into_service_later(leaf, stored, now);
    (may_supersede(observed, stored) && (is_to_be_kept || is_later)).then(|| {
        let store = Precondition::At(stored.version.clone());
        decide(observed, published, store)
    })
}

/// Whether a Secret of somebody else's may hold what comes before the store's pair: the dates tell.
pub fn may_supersede(observed: &Observed, stored: &Stored) -> bool {
    let Published::Present(published) = &observed.published else {
        return false;
    };
    let is_unknown = |pair: &Pair| !stored.knows(&pair.leaf.serial);
    (is_anew(observed, published) || is_to_be_shared(observed, published, stored))
        && is_asked_for(observed)
        && refusal(observed, published).is_none()
        && held(published, stored) == Held::Foreign
        && published.pair.as_ref().is_some_and(is_unknown)
}

/// Whether the store is that of an earlier resource of this name, and its Secret its maker's again.
fn is_anew(observed: &Observed, published: &PublishedSecret) -> bool {
    observed.resource.status.history.is_empty()
        && (published.adoption().is_some() || claim::is_strange(observed, published))
}

/// Whether a certificate was put into service after that of the store, or works while that does not.
fn is_put_into_service_later(leaf: &Leaf, stored: &Stored, now: Timestamp) -> bool {
    let current = &stored.current.leaf;
    let is_later = (leaf.not_before, leaf.not_after) > (current.not_before, current.not_after);
    let outlives = now >= current.not_after && leaf.is_valid_at(now);
    is_later || outlives
}

/// Whether the resource was told that its Secret is somebody else's by now, and asks since then for that
/// to be taken over, although it never took one over: it asks for the certificate that lies there.
pub fn is_to_be_shared(observed: &Observed, published: &PublishedSecret, stored: &Stored) -> bool {
    let was_told =
        claim::published_reason(&observed.resource.status) == Some(Reason::SecretNotOwned.as_str());
    is_asked_for(observed)
        && was_told
        && stored.state.adoption.is_none()
        && claim::is_strange(observed, published)
}

impl PublishedSecret {
    /// Whether it holds a pair that a server can serve, and that is valid.
    pub(super) fn serves(&self, now: Timestamp) -> bool {
        let leaf = self.pair.as_ref().map(|pair| &pair.leaf);
        leaf.is_some_and(|leaf| leaf.coverage.is_some() && leaf.is_valid_at(now))
    }

    /// The leaf that it held when it was taken over from its maker, if it was.
    #[must_use]
    pub fn adopted_leaf(&self) -> Option<Fingerprint> {
        self.annotations.get(names::ADOPTED)?.parse().ok()
    }

    /// What is kept of it when it is taken over.
    #[must_use]
    pub fn as_found(&self) -> Option<Adoption> {
        let leaf = self.pair.as_ref()?.leaf.fingerprint;
        Some(self.made_for(leaf))
    }

    fn made_for(&self, leaf: Fingerprint) -> Adoption {
        let mut annotations = self.annotations.clone();
        annotations.retain(|key, _| !key.starts_with(names::PREFIX));
        Adoption {
            leaf,
            secret_type: self.secret_type.clone(),
            applier: self.applier.clone(),
            labels: self.labels.clone(),
            annotations,
        }
    }

    /// What was kept of it when it was taken over, if it was, as far as it tells itself.
    #[must_use]
    pub fn adoption(&self) -> Option<Adoption> {
        self.adopted_leaf().map(|leaf| self.made_for(leaf))
    }
}
