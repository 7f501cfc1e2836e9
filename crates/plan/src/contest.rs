//! Others who keep undoing what the operator writes: when that is a contest, and how long the operator
//! gives way. What is counted here the operator keeps in its memory.

mod restorations;
mod stamps;

use jiff::{SignedDuration, Timestamp};

pub use restorations::Restorations;
pub use stamps::Stamps;

/// Somebody who keeps undoing what the operator writes to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contest {
    /// Its field manager, if that is known.
    pub by: Option<String>,
    /// Until when nothing is written against it.
    pub until: Timestamp,
}

impl Contest {
    /// For a pause after the last write that was made against it; none once that is over. A clock
    /// that was put back must not prolong it.
    fn after(
        last: Timestamp,
        pause: SignedDuration,
        by: Option<&str>,
        now: Timestamp,
    ) -> Option<Self> {
        let until = last + pause;
        (last..until).contains(&now).then(|| Self {
            by: by.map(str::to_owned),
            until,
        })
    }

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
