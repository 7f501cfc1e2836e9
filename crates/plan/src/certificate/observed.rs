//! What is known of one certificate: its resource, its authority, its store, its published Secret.

use std::collections::BTreeMap;

use api::{
    AuthorityFacts, CoturnCertificateStatus, Leaf, RolloutStrategy, SerialNumber, Wanted, names,
};
use jiff::{SignedDuration, Timestamp};

use super::{Obstacle, Rival};
use crate::{
    Refusal, RenewalPolicy, Version,
    publication::Held,
    renewal_time,
    rollout::{Mounted, Progress, Workload, assess},
    store::{Root, StoreState},
};

/// Everything that is known about a certificate.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The resource.
    pub resource: Resource,
    /// The CA Secret.
    pub authority: Authority,
    /// The store Secret.
    pub store: Store,
    /// The published Secret.
    pub published: Published,
    /// The resources of the namespace that name the same published Secret, without this one.
    pub rivals: Vec<Rival>,
    /// The workload, if the resource names one.
    pub workload: Option<Workload>,
    /// What failed in this pass.
    pub failed: Option<Obstacle>,
    /// How far the operator's clock is ahead of the API server's, behind if negative; none if that
    /// was not measured.
    pub clock_ahead: Option<SignedDuration>,
}

/// A `CoturnCertificate`.
#[derive(Clone, Debug)]
pub struct Resource {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// Its revision.
    pub version: Version,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// What it asks for.
    pub wanted: Wanted,
    /// Value of the annotation `coturncert.dev/renew`.
    pub renew: Option<String>,
    /// Its status as stored.
    pub status: CoturnCertificateStatus,
}

/// The CA Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// It may sign.
    Usable(AuthorityFacts),
    /// It is missing, unreadable, or its content may not sign.
    Unusable(Refusal),
}

/// The store Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// It does not exist.
    Absent,
    /// Something else has its name.
    NotAStore,
    /// It could not be read from the API server.
    Unreadable(Refusal),
    /// It exists, but its content is unusable.
    Corrupt(Version),
    /// It holds a pair.
    Present(Box<Stored>),
}

/// A usable store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its revision.
    pub version: Version,
    /// The pair in service.
    pub current: Pair,
    /// The pair before, if it is still usable.
    pub previous: Option<Pair>,
    /// What it remembers.
    pub state: StoreState,
}

/// A pair, by what can be told without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The leaf.
    pub leaf: Leaf,
    /// Whether two Secrets hold the same bytes.
    pub digest: Digest,
}

/// SHA-256 over the bytes of `tls.crt` and `tls.key`, and over those of `ca.crt`, to compare
/// Secrets. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Over the pair.
    pub pair: [u8; 32],
    /// Over the roots.
    pub roots: [u8; 32],
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// The published Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It does not exist.
    Absent,
    /// It could not be read from the API server.
    Unreadable(Refusal),
    /// It exists.
    Present(Box<PublishedSecret>),
}

/// A published Secret that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedSecret {
    /// Its revision.
    pub version: Version,
    /// The resource that its annotation names.
    pub owner: Option<String>,
    /// The pair that it holds, if it is one.
    pub pair: Option<Pair>,
    /// The root that the pair chains to, as far as it lies beside it.
    pub root: Option<Root>,
    /// When `tls.crt` and `tls.key` were written last, by the API server's clock.
    pub written: Timestamp,
    /// Whether its data can never be changed (`immutable: true`).
    pub immutable: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Keys of labels and annotations that were set from an earlier template.
    pub template_keys: TemplateKeys,
}

/// Who wrote the pair of a published Secret, as far as the operator's mark beside it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The operator: the mark is that of the leaf.
    Operator,
    /// Somebody else: the mark is that of another leaf.
    SomebodyElse,
    /// There is none.
    None,
}

impl PublishedSecret {
    /// Who wrote the pair.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let leaf = self
            .pair
            .as_ref()
            .map(|pair| pair.leaf.fingerprint.to_string());
        match self.annotations.get(names::WRITTEN_FINGERPRINT) {
            None => Mark::None,
            Some(mark) if Some(mark) == leaf.as_ref() => Mark::Operator,
            Some(_) => Mark::SomebodyElse,
        }
    }
}

impl Stored {
    /// Whether it tells of a certificate.
    #[must_use]
    pub fn knows(&self, serial: &SerialNumber) -> bool {
        let pairs = [Some(&self.current), self.previous.as_ref()];
        let mut known = pairs.into_iter().flatten().map(|pair| &pair.leaf.serial);
        let mut history = self.state.history.iter().map(|entry| &entry.serial);
        known.any(|it| it == serial) || history.any(|it| it == serial)
    }
}

/// Keys that a `secretTemplate` set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateKeys {
    /// Labels.
    pub labels: Vec<String>,
    /// Annotations.
    pub annotations: Vec<String>,
}

impl Observed {
    /// The store, if it is usable.
    #[must_use]
    pub fn stored(&self) -> Option<&Stored> {
        match &self.store {
            Store::Present(stored) => Some(stored),
            Store::Absent | Store::NotAStore | Store::Unreadable(_) | Store::Corrupt(_) => None,
        }
    }

    /// The certificate that the newest line of the status' history tells of and the store does not:
    /// the store was put back to an earlier state. What stands in the status stood in the store
    /// before. A status that is older than the store tells nothing.
    #[must_use]
    pub fn lost(&self) -> Option<SerialNumber> {
        let stored = self.stored()?;
        let newest = self.resource.status.history.first()?;
        let serial = newest.serial_number.parse().ok()?;
        // The API server keeps whole seconds.
        let known = stored.state.history.first();
        let is_later =
            known.is_none_or(|known| newest.time.0.as_second() >= known.time.as_second());
        (is_later && !stored.knows(&serial)).then_some(serial)
    }

    /// The certificate as the workload's controller sees it: none before there is one, and none while
    /// the record of what was published is an earlier one.
    #[must_use]
    pub fn mounted(&self) -> Option<Mounted> {
        let stored = self.stored().filter(|_| self.lost().is_none())?;
        let Published::Present(published) = &self.published else {
            return None;
        };
        let current = stored.current.leaf.fingerprint;
        (held(published, stored) == Held::Leaf(current)).then(|| Mounted {
            certificate: self.resource.name.clone(),
            secret: self.resource.wanted.secret_name.clone(),
            current,
            log: stored.state.log_of(&self.resource.wanted.secret_name),
            strategy: self.strategy(),
        })
    }

    /// Whether a write of a Secret is due for it, as far as its workload does not hold that back.
    #[must_use]
    pub fn is_pending(&self, now: Timestamp) -> bool {
        let action = super::plan(self, now).action;
        action.is_some_and(|action| action.step().is_some())
    }

    /// A suspended resource restarts nothing either.
    fn strategy(&self) -> RolloutStrategy {
        if self.resource.wanted.suspend {
            RolloutStrategy::None
        } else {
            self.resource.wanted.strategy
        }
    }

    /// How far the workload is on the certificate in service.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        Some(assess(self.workload.as_ref()?, &self.mounted()?, now))
    }

    /// Whether the leaf holds what the resource asks for, and nothing that none can ask for.
    pub(super) fn is_as_specified(&self, leaf: &Leaf) -> bool {
        let wanted = &self.resource.wanted;
        leaf.content
            .as_ref()
            .is_some_and(|content| wanted.is_satisfied_by(content))
    }

    /// When the leaf is to be renewed.
    pub(super) fn renewal_of(&self, leaf: &Leaf) -> Timestamp {
        let policy = RenewalPolicy {
            renew_before: self.resource.wanted.renew_before,
            uid: &self.resource.version.uid,
        };
        renewal_time(leaf.not_before, leaf.not_after, policy)
    }
}

/// What the published Secret holds, in the terms of the log: exactly a pair of the store's, or
/// something foreign.
pub(super) fn held(published: &PublishedSecret, stored: &Stored) -> Held {
    let Some(pair) = &published.pair else {
        return Held::Foreign;
    };
    [Some(&stored.current), stored.previous.as_ref()]
        .into_iter()
        .flatten()
        .find(|known| known.digest.pair == pair.digest.pair)
        .map_or(Held::Foreign, |known| Held::Leaf(known.leaf.fingerprint))
}
