//! By which pairs the operator and the relay know each other.

use std::sync::{Mutex, PoisonError};

use api::Fingerprint;
use probe::{Identity, relay::Accepted};

use crate::pair::Pair;

/// The pair that lies in the first directory, and the leaf of the one before it.
#[derive(Default)]
pub struct Pins(Mutex<Option<Pinned>>);

#[derive(Clone)]
struct Pinned {
    leaf: Fingerprint,
    identity: Identity,
    previous: Option<Fingerprint>,
}

impl Pins {
    /// Notes a whole pair. One that is none changes nothing: the last whole one stays.
    pub fn mount(&self, pair: &Pair) {
        let Some(leaf) = pair.content.leaf() else {
            return;
        };
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = pins.as_ref().map(|pinned| (pinned.leaf, pinned.previous));
        let previous = match before {
            Some((same, previous)) if same == leaf => previous,
            Some((other, _)) => Some(other),
            None => None,
        };
        *pins = Some(Pinned {
            leaf,
            identity: pair.identity.clone(),
            previous,
        });
    }

    /// What the relay presents, and what it accepts; none before there was a whole pair.
    pub fn now(&self) -> Option<(Identity, Accepted)> {
        let pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pinned = pins.as_ref()?;
        let accepted = [Some(pinned.leaf), pinned.previous];
        let accepted = accepted.into_iter().flatten().collect();
        Some((pinned.identity.clone(), Accepted(accepted)))
    }
}
