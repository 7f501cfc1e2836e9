//! Others who keep undoing what the operator writes: when that is a contest, whom it names, and how long
//! the operator gives way. What is counted here the operator keeps in its memory.

mod restorations;
mod stamps;

use jiff::{SignedDuration, Timestamp};

pub use restorations::{LastWritten, Restorations};
pub use stamps::{ContestedStamp, Stamps};

/// Somebody who keeps undoing what the operator writes to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contest {
    /// Its field manager, if that can be told.
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
    pub fn who(&self) -> String {
        self.by.as_ref().map_or_else(
            || "somebody".to_owned(),
            |manager| format!("{manager} (field manager)"),
        )
    }

    /// The same where it was said before who it is.
    #[must_use]
    pub fn whom(&self) -> &str {
        self.by.as_deref().unwrap_or("whoever it is")
    }
}

/// A write to an object, as `metadata.managedFields` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The field manager.
    pub by: String,
    /// When, by the API server's clock, which is kept in whole seconds there.
    pub at: Timestamp,
}

/// Who undid what the operator had written to an object at a time: the last of the others that wrote to
/// it, unless that was in an earlier second. None where nothing tells: who only removes fields, or clears
/// the entries, is not among them.
#[must_use]
pub fn undone_by(last: Option<&Write>, written: Option<Timestamp>) -> Option<String> {
    let is_later =
        |write: &&Write| written.is_none_or(|written| write.at.as_second() >= written.as_second());
    last.filter(is_later).map(|write| write.by.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn named(at: i64, written: Option<i64>) -> Option<String> {
        let by = "helm".to_owned();
        let at = second(at);
        undone_by(Some(&Write { by, at }), written.map(second))
    }

    #[test]
    fn who_wrote_before_the_operator_has_undone_nothing() {
        assert_eq!(named(9, Some(10)), None);
        assert_eq!(undone_by(None, Some(second(10))), None);
    }

    #[test]
    fn who_wrote_in_the_same_second_or_later_has() {
        for at in [10, 11] {
            assert_eq!(named(at, Some(10)).as_deref(), Some("helm"));
        }
    }

    #[test]
    fn where_nothing_is_known_of_a_write_of_the_operators_the_last_writer_is_named() {
        assert_eq!(named(9, None).as_deref(), Some("helm"));
    }

    #[test]
    fn who_is_not_known_is_called_somebody_and_no_field_manager() {
        let contest = |by: Option<&str>| Contest {
            by: by.map(str::to_owned),
            until: second(0),
        };
        assert_eq!(contest(None).who(), "somebody");
        assert_eq!(contest(Some("helm")).who(), "helm (field manager)");
        assert_eq!(contest(Some("helm")).whom(), "helm");
    }
}
