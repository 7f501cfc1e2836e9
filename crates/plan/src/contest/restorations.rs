//! Writes to one object that put right what somebody undid, counted by time.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::{Contest, Write};

/// So many within [`PERIOD`] are a contest.
const MOST: usize = 5;

/// Within which they are counted; in a contest, the time from one try to the next.
const PERIOD: SignedDuration = SignedDuration::from_mins(10);

/// The last writes to one object that put right what somebody undid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restorations {
    /// Oldest first.
    times: VecDeque<Timestamp>,
    is_contest: bool,
    /// Field manager whose write the last one put right, if that could be told.
    by: Option<String>,
    last: LastWritten,
}

/// What the reply to the operator's last write of an object told of the writes before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastWritten {
    /// When the operator wrote it, by the API server's clock.
    pub at: Option<Timestamp>,
    /// What seemed to be the last write of another: where the operator writes in the name of a field's
    /// owner, its own.
    pub beside: Option<Write>,
}

impl Restorations {
    /// Counts one more, which put right what the field manager `by` had written, if that could be told.
    pub fn restored(&mut self, by: Option<String>, now: Timestamp) {
        self.forget_before(now);
        self.times.push_back(now);
        self.is_contest |= self.times.len() >= MOST;
        self.by = by;
    }

    /// Notes what the reply to a write told, whatever it was for.
    pub fn wrote(&mut self, last: LastWritten) {
        self.last = last;
    }

    /// What the reply to the last write told.
    #[must_use]
    pub const fn last(&self) -> &LastWritten {
        &self.last
    }

    /// Until when nothing is written against whoever undoes them, if somebody does.
    #[must_use]
    pub fn contest(&self, now: Timestamp) -> Option<Contest> {
        let last = self.times.back().filter(|_| self.is_contest)?;
        Contest::after(*last, PERIOD, self.by.as_deref(), now)
    }

    /// In a contest, a try that holds for twice the time ends it.
    fn forget_before(&mut self, now: Timestamp) {
        let span = if self.is_contest { PERIOD * 2 } else { PERIOD };
        self.times.retain(|time| *time > now - span && *time <= now);
        self.is_contest &= !self.times.is_empty();
        while self.times.len() >= MOST {
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn restore(restorations: &mut Restorations, second: i64) {
        restorations.restored(Some("helm".to_owned()), at(second));
    }

    fn restored(times: &[i64]) -> Restorations {
        let mut restorations = Restorations::default();
        for time in times {
            restore(&mut restorations, *time);
        }
        restorations
    }

    fn until(restorations: &Restorations, now: i64) -> Option<i64> {
        let contest = restorations.contest(at(now))?;
        assert_eq!(contest.by.as_deref(), Some("helm"));
        Some(contest.until.duration_since(at(0)).as_secs())
    }

    #[test]
    fn five_times_within_ten_minutes_are_a_contest_until_ten_minutes_after_the_last() {
        let mut restorations = restored(&[0, 100, 200, 300]);
        assert_eq!(until(&restorations, 300), None);
        restore(&mut restorations, 599);
        assert_eq!(until(&restorations, 599), Some(599 + 600));
        assert_eq!(until(&restorations, 599 + 600), None);
    }

    #[test]
    fn five_times_within_longer_are_none() {
        assert_eq!(until(&restored(&[0, 151, 302, 453, 604]), 604), None);
    }

    #[test]
    fn a_try_that_is_undone_as_well_goes_on_with_it() {
        let mut restorations = restored(&[0, 1, 2, 3, 4]);
        restore(&mut restorations, 605);
        assert_eq!(until(&restorations, 606), Some(1205));
        restore(&mut restorations, 1206);
        assert_eq!(until(&restorations, 1206), Some(1806));
    }

    #[test]
    fn a_try_that_holds_for_long_ends_it() {
        let mut restorations = restored(&[0, 1, 2, 3, 4]);
        restore(&mut restorations, 1300);
        assert_eq!(until(&restorations, 1300), None);
    }

    #[test]
    fn nobody_is_named_for_what_an_earlier_one_put_right() {
        let mut restorations = restored(&[0, 1, 2, 3]);
        restorations.restored(None, at(4));
        let contest = restorations.contest(at(4)).unwrap();
        assert_eq!(contest.by, None);
    }

    #[test]
    fn a_clock_that_was_put_back_prolongs_nothing() {
        let restorations = restored(&[5000, 5001, 5002, 5003, 5004]);
        assert_eq!(until(&restorations, 10), None);
    }
}
