//! What the store Secret remembers beside the pairs: written in the same write as the pair it
//! belongs to, so that no crash can part them.

use api::{AuthorityFacts, Fingerprint, HistoryEvent, Leaf, SerialNumber, Trigger};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::publication::{Publication, PublicationLog};

/// The store's own record, kept as JSON under its key `state.json`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StoreState {
    /// Uid of the resource that wrote it last.
    pub owner_uid: String,
    /// The root that the current pair chains to; unknown after a recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// What the published Secret held, and from when.
    #[serde(default)]
    pub log: PublicationLog,
    /// Uid of the published Secret that the log speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_uid: Option<String>,
    /// The value of the annotation `coturncert.dev/renew` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_renew: Option<String>,
    /// The last ten issuances, newest first.
    #[serde(default)]
    pub history: Vec<Issuance>,
}

/// A root certificate, by itself and by its key.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// SHA-256 of the root's DER encoding.
    pub certificate: Fingerprint,
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub key: Fingerprint,
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

const HISTORY_KEPT: usize = 10;

impl Root {
    /// The root of an authority.
    #[must_use]
    pub fn of(authority: &AuthorityFacts) -> Self {
        Self {
            certificate: authority.root_fingerprint,
            key: authority.root_key,
        }
    }

    /// Whether who trusts `self` also trusts what chains to `other`: the same certificate, or one
    /// renewed with the same key.
    #[must_use]
    pub fn is_trusted_like(&self, other: &Self) -> bool {
        self.certificate == other.certificate || self.key == other.key
    }
}

/// What a store gains by a new pair.
#[derive(Clone, Debug)]
pub struct NewPair<'a> {
    /// Uid of the resource.
    pub owner_uid: &'a str,
    /// The pair's leaf.
    pub leaf: &'a Leaf,
    /// The root it chains to, where known.
    pub root: Option<Root>,
    /// Why it was issued; none for a recovery.
    pub trigger: Option<Trigger>,
    /// The value of the annotation `coturncert.dev/renew` that this pair answers.
    pub handled_renew: Option<&'a str>,
    /// When, by the operator's clock.
    pub time: Timestamp,
}

impl StoreState {
    /// The state that is written together with a new pair.
    #[must_use]
    pub fn with_pair(before: Option<&Self>, pair: &NewPair<'_>) -> Self {
        let issuance = Issuance {
            time: pair.time,
            what: pair
                .trigger
                .map_or(HistoryEvent::Recovered, |_| HistoryEvent::Issued),
            trigger: pair.trigger,
            serial: pair.leaf.serial.clone(),
        };
        let earlier = before
            .map(|before| before.history.clone())
            .unwrap_or_default();
        Self {
            owner_uid: pair.owner_uid.to_owned(),
            root: pair.root,
            log: before.map(|before| before.log.clone()).unwrap_or_default(),
            published_uid: before.and_then(|before| before.published_uid.clone()),
            handled_renew: pair
                .handled_renew
                .or_else(|| before?.handled_renew.as_deref())
                .map(str::to_owned),
            history: [issuance]
                .into_iter()
                .chain(earlier)
                .take(HISTORY_KEPT)
                .collect(),
        }
    }

    /// The state once what the published Secret holds was recorded.
    #[must_use]
    pub fn with_publication(&self, publication: Publication, published_uid: &str) -> Self {
        Self {
            log: self.log.with(publication),
            published_uid: Some(published_uid.to_owned()),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_pair(before: Option<&StoreState>, handled_renew: Option<&str>) -> StoreState {
        let leaf = Leaf {
            fingerprint: Fingerprint::from_digest([1; 32]),
            serial: SerialNumber::from_octets(&[1]),
            issuer: "CN=CA".to_owned(),
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
            content: None,
            key_algorithm: "ECDSA-256".to_owned(),
        };
        let pair = NewPair {
            owner_uid: "uid",
            leaf: &leaf,
            root: None,
            trigger: Some(Trigger::Renewing),
            handled_renew,
            time: Timestamp::UNIX_EPOCH,
        };
        StoreState::with_pair(before, &pair)
    }

    #[test]
    fn a_handled_request_is_remembered_while_its_annotation_is_gone() {
        let handled = with_pair(None, Some("a"));
        let renewed = with_pair(Some(&handled), None);
        assert_eq!(renewed.handled_renew.as_deref(), Some("a"));
    }

    #[test]
    fn the_last_ten_issuances_are_kept() {
        let state = (0..20).fold(with_pair(None, None), |state, _| {
            with_pair(Some(&state), None)
        });
        assert_eq!(state.history.len(), HISTORY_KEPT);
    }

    #[test]
    fn a_state_survives_its_encoding() {
        let state = with_pair(None, Some("a"));
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<StoreState>(&text).unwrap(), state);
    }
}
