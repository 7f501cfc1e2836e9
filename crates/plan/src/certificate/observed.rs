//! What is known of one certificate: its resource, its authority, its store, its published Secret.

use std::collections::BTreeMap;

use api::{
    AuthorityFacts, CoturnCertificateStatus, HistoryEntry, HistoryEvent, Leaf, SerialNumber,
    Wanted, names,
};
use jiff::{SignedDuration, Timestamp};

use super::{Obstacle, Rival, rollback};
use crate::{
    Contest, Refusal, RenewalPolicy, Version,
    contest::Write,
    partner::Answers,
    publication::Held,
    renewal_time,
    rollout::{Proofs, Workload},
    store::{Asked, Root, StoreState},
};

/// Everything that is known about a certificate.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The resource.
    pub resource: Resource,
    /// Who signs.
    pub authority: Authority,
    /// The store Secret.
    pub store: Store,
    /// The published Secret.
    pub published: Published,
    /// The resources of the namespace that name the same published Secret, without this one.
    pub rivals: Vec<Rival>,
    /// The workload, if the resource names one.
    pub workload: Option<Workload>,
    /// Who keeps undoing what the operator publishes, if somebody does.
    pub contest: Option<Contest>,
    /// What handshakes with the workload's pods showed.
    pub proofs: Proofs,
    /// What partners answered.
    pub answers: Answers,
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
    /// Value of the annotation `coturncert.dev/rollback-to`.
    pub rollback_to: Option<String>,
    /// Its status as stored.
    pub status: CoturnCertificateStatus,
}

impl Resource {
    /// What its annotations ask for.
    #[must_use]
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            renew: self.renew.as_deref(),
            rollback_to: self.rollback_to.as_deref(),
        }
    }

    /// Namespace and name of the CA Secret, for messages.
    pub(super) fn ca_secret(&self) -> String {
        let name = self.wanted.issuer.ca_secret().unwrap_or_default();
        format!("{}/{name}", self.namespace)
    }
}

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The CA in the CA Secret; it may sign.
    Usable(AuthorityFacts),
    /// The CA Secret is missing, unreadable, or its content may not sign.
    Unusable(Refusal),
    /// Each certificate itself: there is no CA that could be missing, or end, or be distrusted.
    Itself,
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
    /// When it was created, by the API server's clock.
    pub created: Timestamp,
    /// Its type.
    pub secret_type: String,
    /// Kind and name of the object that controls it, if one does (`metadata.ownerReferences`).
    pub controller: Option<String>,
    /// Field manager, other than the operator, that owns its pair by server-side apply.
    pub applier: Option<String>,
    /// The last write of another than the operator (`metadata.managedFields`).
    pub last_writer: Option<Write>,
    /// When the operator wrote it last, as far as others left anything of that, by the API server's clock.
    pub operator_wrote: Option<Timestamp>,
    /// Whether it lacks `tls.crt` or `tls.key`: to take a key out leaves no trace of the time.
    pub lacks_a_key: bool,
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
    /// Whether the pair in service is one that somebody else made.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        let adopted = self.state.adoption.as_ref();
        adopted.is_some_and(|adopted| adopted.leaf == self.current.leaf.fingerprint)
    }

    /// Whether the pair in service holds what is wanted, and was signed by whom it is wanted of.
    pub(super) fn satisfies(&self, wanted: &Wanted) -> bool {
        let leaf = &self.current.leaf;
        let holds_what_it_shall = if self.is_adopted() {
            let covers = |it| wanted.is_covered_by(it);
            leaf.coverage.as_ref().is_some_and(covers)
        } else {
            let satisfies = |it| wanted.is_satisfied_by(it);
            leaf.content.as_ref().is_some_and(satisfies)
        };
        leaf.signer == wanted.issuer.signer() && holds_what_it_shall
    }

    /// Whether its history has this line.
    fn remembers(&self, line: &HistoryEntry) -> bool {
        let mut history = self.state.history.iter();
        history.any(|entry| {
            entry.what == line.what
                && entry.time.as_second() == line.time.0.as_second()
                && entry.serial.to_string() == line.serial_number
        })
    }

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
        let is_known = match newest.what {
            // The certificate is known in any case, as it was in service before.
            HistoryEvent::RolledBack => stored.remembers(newest),
            HistoryEvent::Issued
            | HistoryEvent::Adopted
            | HistoryEvent::Recovered
            | HistoryEvent::Lost => stored.knows(&serial),
        };
        (is_later && !is_known).then_some(serial)
    }

    /// Whether a write of a Secret is due for it, as far as its workload does not hold that back.
    #[must_use]
    pub fn is_pending(&self, now: Timestamp) -> bool {
        let action = super::plan(self, now).action;
        action.is_some_and(|action| action.step().is_some())
    }

    /// A time of the operator's clock by that of the API server.
    pub(super) fn server_time(&self, own: Timestamp) -> Timestamp {
        let ahead = self.clock_ahead.unwrap_or_default();
        own.saturating_sub(ahead).unwrap_or(Timestamp::MIN)
    }

    /// A time of the API server's clock by that of the operator.
    pub(super) fn own_time(&self, server: Timestamp) -> Timestamp {
        let ahead = self.clock_ahead.unwrap_or_default();
        server.saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Whether the leaf in service holds what the resource asks for, and nothing that none can ask for,
    /// and is self-signed if, and only if, the resource asks for that. One that somebody else made may
    /// hold more until its renewal.
    pub(super) fn is_as_specified(&self, stored: &Stored) -> bool {
        stored.satisfies(&self.wanted())
    }

    /// When the leaf is to be renewed. One that somebody put back was mostly due before: it has half of
    /// what it had left then.
    pub(super) fn renewal_of(&self, leaf: &Leaf) -> Timestamp {
        let renewal = self.renewal_between(leaf.not_before, leaf.not_after);
        let put_back = self
            .stored()
            .filter(|stored| stored.current.leaf.fingerprint == leaf.fingerprint)
            .and_then(rollback::put_back_by_hand);
        put_back
            .filter(|at| renewal <= *at && *at < leaf.not_after)
            .map_or(renewal, |at| at + leaf.not_after.duration_since(at) / 2)
    }

    /// When a certificate of these dates is, or was, to be renewed.
    pub(super) fn renewal_between(&self, not_before: Timestamp, not_after: Timestamp) -> Timestamp {
        let policy = RenewalPolicy {
            renew_before: self.resource.wanted.renew_before,
            uid: &self.resource.version.uid,
        };
        renewal_time(not_before, not_after, policy)
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
