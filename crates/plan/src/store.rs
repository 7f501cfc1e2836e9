//! What the store Secret remembers beside the pairs: written in the same write as the pair it
//! belongs to, so that no crash can part them.

mod taking_back;

use std::collections::BTreeMap;

use api::{AuthorityFacts, Fingerprint, HistoryEvent, Leaf, Ordinals, SerialNumber, Trigger};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use taking_back::{Before, By, RolledBack};

use crate::{
    publication::{Beginning, Publication, PublicationLog},
    rollout::Distrusted,
};

/// The store's own record, kept as JSON under its key `state.json`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StoreState {
    /// Version of this record's format, that of the writer: what others added is dropped by it.
    #[serde(default = "format_version")]
    pub version: u32,
    /// The root that the current pair chains to, where known.
    #[serde(
        default,
        deserialize_with = "api::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub root: Option<Root>,
    /// What the published Secret held, and from when.
    #[serde(default, deserialize_with = "api::lenient::or_default")]
    pub log: PublicationLog,
    /// The name of the Secret that the log speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_name: Option<String>,
    /// Uid of that Secret as the operator wrote it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_uid: Option<String>,
    /// How that Secret was made, if somebody else made it.
    #[serde(
        default,
        deserialize_with = "api::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub adoption: Option<Adoption>,
    /// The value of the annotation `coturncert.dev/renew` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_renew: Option<String>,
    /// The ordinals of the most replicas seen, when the current pair was issued.
    #[serde(
        default,
        deserialize_with = "api::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub ordinals: Option<Ordinals>,
    /// Certificates that the current one only adds names by ordinal to, in the order of their issuance.
    #[serde(
        default,
        deserialize_with = "api::lenient::elements",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub grown_from: Vec<Grown>,
    /// The value of the annotation `coturncert.dev/rollback-to` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_rollback: Option<String>,
    /// What was put back into service last.
    #[serde(
        default,
        deserialize_with = "api::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub rolled_back: Option<RolledBack>,
    /// What was remembered of the pair before.
    #[serde(
        default,
        deserialize_with = "api::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub before: Option<Before>,
    /// Pods that serve something else although they started with the pair in service.
    #[serde(
        default,
        deserialize_with = "api::lenient::elements",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub distrusted: Vec<Distrusted>,
    /// Pods that were not Ready when the current pair was issued.
    #[serde(
        default,
        deserialize_with = "api::lenient::elements",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ailing: Vec<String>,
    /// The last ten issuances, newest first.
    #[serde(default, deserialize_with = "api::lenient::elements")]
    pub history: Vec<Issuance>,
}

/// A certificate that was replaced only to add names by ordinal.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Grown {
    /// Its leaf.
    pub leaf: Fingerprint,
    /// The ordinals that it names.
    pub ordinals: Ordinals,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

/// A root certificate, by itself and by what a chain is built with.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// SHA-256 of the root's DER encoding.
    pub certificate: Fingerprint,
    /// SHA-256 over its subject, `SubjectPublicKeyInfo` and subject key identifier.
    pub anchor: Fingerprint,
}

/// A Secret that somebody else made, as it was when it was taken over. Where it is deleted it is made
/// anew like that, so that its maker (Helm, by a label and two annotations) knows it again.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// The leaf that it held.
    pub leaf: Fingerprint,
    /// Its type.
    pub secret_type: String,
    /// Who owned its pair by server-side apply, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applier: Option<String>,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// How a current pair came to be.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Issuance {
    /// When, by the operator's clock.
    pub time: Timestamp,
    /// What happened.
    pub what: HistoryEvent,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Serial number of the leaf.
    pub serial: SerialNumber,
}

impl Issuance {
    fn lost(serial: &SerialNumber, time: Timestamp) -> Self {
        Self {
            time,
            what: HistoryEvent::Lost,
            trigger: None,
            serial: serial.clone(),
        }
    }
}

const HISTORY_KEPT: usize = 10;

fn history(newest: Issuance, earlier: Vec<Issuance>) -> Vec<Issuance> {
    let entries = [newest].into_iter().chain(earlier);
    entries.take(HISTORY_KEPT).collect()
}

/// The format that is written.
const fn format_version() -> u32 {
    1
}

impl Root {
    /// The root of an authority.
    #[must_use]
    pub fn of(authority: &AuthorityFacts) -> Self {
        Self {
            certificate: authority.root_fingerprint,
            anchor: authority.root_anchor,
        }
    }

    /// Whether who trusts `self` also trusts what chains to `other`: the same certificate, or one
    /// renewed under the same name with the same key (RFC 5280, section 6.1.1 (d)).
    #[must_use]
    pub fn is_trusted_like(&self, other: &Self) -> bool {
        self.certificate == other.certificate || self.anchor == other.anchor
    }
}

/// What the resource's annotations ask for, each value once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The value of `coturncert.dev/renew`.
    pub renew: Option<&'a str>,
    /// The value of `coturncert.dev/rollback-to`.
    pub rollback_to: Option<&'a str>,
}

fn either(asked: Option<&str>, handled: Option<&String>) -> Option<String> {
    asked.map(str::to_owned).or_else(|| handled.cloned())
}

/// What a store gains by a new pair.
#[derive(Clone, Debug)]
pub struct NewPair<'a> {
    /// The pair's leaf.
    pub leaf: &'a Leaf,
    /// The root it chains to, where known.
    pub root: Option<Root>,
    /// Where it comes from.
    pub origin: Origin,
    /// How the log begins, if there is none yet.
    pub beginning: Beginning,
    /// The value of the annotation `coturncert.dev/renew` that this pair answers.
    pub handled_renew: Option<&'a str>,
    /// The value of the annotation `coturncert.dev/rollback-to`: what it asked for is past with this pair.
    pub handled_rollback: Option<&'a str>,
    /// When, by the operator's clock.
    pub time: Timestamp,
}

/// Where a pair for the store comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was issued.
    Issued(Trigger),
    /// The operator had published it; how the Secret was made, if somebody else made it.
    Recovered(Option<Adoption>),
    /// Somebody else made it, and the Secret that it lies in.
    Adopted(Adoption),
}

impl Origin {
    const fn event(&self) -> HistoryEvent {
        match self {
            Self::Issued(_) => HistoryEvent::Issued,
            Self::Recovered(_) => HistoryEvent::Recovered,
            Self::Adopted(_) => HistoryEvent::Adopted,
        }
    }

    /// Why it was issued, if it was.
    #[must_use]
    pub const fn trigger(&self) -> Option<Trigger> {
        match self {
            Self::Issued(trigger) => Some(*trigger),
            Self::Recovered(_) | Self::Adopted(_) => None,
        }
    }

    fn adoption(&self) -> Option<Adoption> {
        match self {
            Self::Issued(_) => None,
            Self::Recovered(adoption) => adoption.clone(),
            Self::Adopted(adoption) => Some(adoption.clone()),
        }
    }
}

impl StoreState {
    /// The state of a store whose record is lost while its pair is usable: the pair stays in service,
    /// and nothing is known of what was published before.
    ///
    /// `root` is the root that the pair chains to; what is asked for counts as handled: nothing is done
    /// for it.
    #[must_use]
    pub fn unknown(root: Option<Root>, asked: Asked<'_>) -> Self {
        Self {
            version: format_version(),
            root,
            log: PublicationLog::empty(Beginning::Unknown),
            published_name: None,
            published_uid: None,
            adoption: None,
            handled_renew: asked.renew.map(str::to_owned),
            ordinals: None,
            grown_from: Vec::new(),
            handled_rollback: asked.rollback_to.map(str::to_owned),
            rolled_back: None,
            before: None,
            distrusted: Vec::new(),
            ailing: Vec::new(),
            history: Vec::new(),
        }
    }

    /// The state that is written together with a new pair.
    #[must_use]
    pub fn with_pair(before: Option<&Self>, pair: &NewPair<'_>) -> Self {
        let issuance = Issuance {
            time: pair.time,
            what: pair.origin.event(),
            trigger: pair.origin.trigger(),
            serial: pair.leaf.serial.clone(),
        };
        let earlier = before
            .map(|before| before.history.clone())
            .unwrap_or_default();
        Self {
            version: format_version(),
            root: pair.root,
            // What is taken up from the published Secret is there since a time of its own.
            log: before
                .filter(|_| pair.origin.trigger().is_some())
                .map_or_else(
                    || PublicationLog::empty(pair.beginning),
                    |before| before.log.clone(),
                ),
            published_name: before.and_then(|before| before.published_name.clone()),
            published_uid: before.and_then(|before| before.published_uid.clone()),
            adoption: pair.origin.adoption().or_else(|| before?.adoption.clone()),
            handled_renew: pair
                .handled_renew
                .or_else(|| before?.handled_renew.as_deref())
                .map(str::to_owned),
            // Where the pair was issued for ordinals, its issuer adds them.
            ordinals: None,
            grown_from: Vec::new(),
            handled_rollback: pair
                .handled_rollback
                .or_else(|| before?.handled_rollback.as_deref())
                .map(str::to_owned),
            rolled_back: before.and_then(|before| before.rolled_back.clone()),
            before: before.map(Self::as_before),
            distrusted: Vec::new(),
            ailing: Vec::new(),
            history: history(issuance, earlier),
        }
    }

    /// The state of a store that was put back to an earlier one: a certificate that is not in it was
    /// in service, what was published meanwhile is not known, and what is asked for counts as handled.
    #[must_use]
    pub fn after_a_rollback(&self, lost: &SerialNumber, asked: Asked<'_>, time: Timestamp) -> Self {
        Self {
            version: format_version(),
            log: PublicationLog::empty(Beginning::Unknown),
            handled_renew: either(asked.renew, self.handled_renew.as_ref()),
            handled_rollback: either(asked.rollback_to, self.handled_rollback.as_ref()),
            history: history(Issuance::lost(lost, time), self.history.clone()),
            ..self.clone()
        }
    }

    /// What is kept of a Secret that its maker made anew. The certificate that was taken over at first
    /// is still the one that somebody else made.
    fn taken_over_again(&self, found: &Adoption) -> Adoption {
        let leaf = self.adoption.as_ref().map_or(found.leaf, |it| it.leaf);
        Adoption {
            leaf,
            ..found.clone()
        }
    }

    /// The log of the Secret of this name. The leaves of another one's log were never published
    /// there.
    #[must_use]
    pub fn log_of(&self, name: &str) -> PublicationLog {
        if self.speaks_of(name) {
            self.log.clone()
        } else {
            PublicationLog::empty(Beginning::Reissued)
        }
    }

    /// Whether the log is that of the Secret of this name.
    #[must_use]
    pub fn speaks_of(&self, name: &str) -> bool {
        self.published_name.as_deref().is_none_or(|of| of == name)
    }

    /// The state once what the published Secret holds was recorded.
    #[must_use]
    pub fn with_publication(&self, publication: Publication, secret: &PublishedName) -> Self {
        Self {
            version: format_version(),
            log: self
                .log_of(&secret.name)
                .with_room(publication, self.grown_from.len()),
            published_name: Some(secret.name.clone()),
            published_uid: secret.uid.clone(),
            adoption: secret
                .adoption
                .as_deref()
                .map(|found| self.taken_over_again(found))
                .or_else(|| self.adoption.clone()),
            ..self.clone()
        }
    }
}

/// The published Secret that a publication is recorded of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedName {
    /// Its name.
    pub name: String,
    /// Uid of the Secret of this name that is the operator's, if there was one.
    pub uid: Option<String>,
    /// How it was made, if somebody else made it and it is taken over.
    pub adoption: Option<Box<Adoption>>,
}

#[cfg(test)]
mod tests;
