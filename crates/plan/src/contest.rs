//! Somebody who keeps undoing what the operator writes.

use jiff::Timestamp;

/// Somebody who keeps undoing what the operator writes to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contest {
    /// Its field manager, if that is known.
    pub by: Option<String>,
    /// Until when nothing is written against it.
    pub until: Timestamp,
}

impl Contest {
    /// Whether nothing is to be written against it yet.
    #[must_use]
    pub fn is_under_way(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// Who it is, in words.
    #[must_use]
    pub fn somebody(&self) -> &str {
        self.by.as_deref().unwrap_or("somebody")
    }
}
