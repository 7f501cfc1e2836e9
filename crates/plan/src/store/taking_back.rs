//! What the store remembers of pairs that were taken back, and of pods that serve something else.

use api::{Fingerprint, HistoryEvent, Ordinals, SerialNumber, Trigger};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Issuance, Root, StoreState, format_version, history};
use crate::rollout::Distrusted;

/// That the pair before was put back into service.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RolledBack {
    /// The leaf that was in service.
    pub from: Fingerprint,
    /// The leaf that was put back.
    pub to: Fingerprint,
    /// When, by the operator's clock.
    pub at: Timestamp,
    /// Since when the published Secret held the one that was in service, by the API server's clock; none where
    /// it was not known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Timestamp>,
    /// The resource's generation at that time.
    pub generation: i64,
    /// Why.
    pub by: By,
}

/// Why a pair was put back into service.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// A pod broke with its successor.
    #[serde(rename_all = "camelCase")]
    Failure {
        /// What broke.
        what: String,
        /// For what the successor was issued: another is issued for that.
        trigger: Trigger,
        /// How often in a row a successor of this pair was taken back.
        attempts: u32,
    },
    /// Somebody asked for it.
    #[serde(rename_all = "camelCase")]
    Hand {
        /// The annotation's value.
        value: String,
    },
}

/// What is remembered of the pair before, beside its history.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Before {
    /// The root that it chains to, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// The ordinals that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinals: Option<Ordinals>,
}

impl StoreState {
    pub(super) fn as_before(&self) -> Before {
        Before {
            root: self.root,
            ordinals: self.ordinals,
        }
    }

    /// The state that is written when the pair before is put back into service; `serial` is that of the
    /// pair that is put back, `asked` the value of the annotation `coturncert.dev/rollback-to`.
    #[must_use]
    pub fn with_the_pair_before(
        &self,
        rolled_back: RolledBack,
        serial: &SerialNumber,
        asked: Option<&str>,
    ) -> Self {
        let before = self.before.clone().unwrap_or_default();
        let entry = Issuance {
            time: rolled_back.at,
            what: HistoryEvent::RolledBack,
            trigger: None,
            serial: serial.clone(),
        };
        let handled = asked.or(self.handled_rollback.as_deref());
        Self {
            version: format_version(),
            root: before.root.or(self.root),
            ordinals: before.ordinals,
            grown_from: Vec::new(),
            handled_rollback: handled.map(str::to_owned),
            rolled_back: Some(rolled_back),
            before: Some(self.as_before()),
            distrusted: Vec::new(),
            history: history(entry, self.history.clone()),
            ..self.clone()
        }
    }

    /// The state with one more pod that serves something else.
    #[must_use]
    pub fn with_distrusted(&self, pod: Distrusted) -> Self {
        let mut state = self.clone();
        state.version = format_version();
        state.distrusted.push(pod);
        state
    }
}
