//! Objects on which somebody keeps undoing the operator's writes.
//!
//! Kept in memory: a restarted operator tries a few more times, and gives way again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use plan::Contest;

/// So many writes within [`PERIOD`] that only put right what somebody undid are a contest.
const MOST: usize = 5;

/// Within which the writes are counted; in a contest, the time from one try to the next.
const PERIOD: SignedDuration = SignedDuration::from_mins(10);

/// Writes that put right what somebody undid, by the object's name.
#[derive(Default)]
pub struct Contests(Mutex<HashMap<String, Restorations>>);

#[derive(Default)]
struct Restorations {
    /// The last ones, oldest first.
    times: VecDeque<Timestamp>,
    is_contest: bool,
    /// Field manager that undid the last one.
    by: Option<String>,
}

impl Contests {
    /// Counts one more write of this kind, which put right what the field manager `by` had written.
    pub fn restored(&self, object: &str, by: Option<&str>, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let restorations = known.entry(object.to_owned()).or_default();
        restorations.forget_before(now);
        restorations.times.push_back(now);
        restorations.by = by.map(str::to_owned).or(restorations.by.take());
        restorations.is_contest |= restorations.times.len() >= MOST;
    }

    /// Until when nothing is written against whoever undoes the writes to an object, if somebody does.
    pub fn of(&self, object: &str, now: Timestamp) -> Option<Contest> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let restorations = known.get(object).filter(|it| it.is_contest)?;
        let until = *restorations.times.back()? + PERIOD;
        // A clock that was put back must not prolong it.
        let is_near = until <= now + PERIOD;
        let by = restorations.by.clone();
        (now < until && is_near).then_some(Contest { by, until })
    }
}

impl Restorations {
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

    fn restored(times: &[i64]) -> Contests {
        let contests = Contests::default();
        for time in times {
            contests.restored("tls", Some("helm"), at(*time));
        }
        contests
    }

    fn until(contests: &Contests, now: i64) -> Option<i64> {
        let contest = contests.of("tls", at(now))?;
        assert_eq!(contest.by.as_deref(), Some("helm"));
        Some(contest.until.duration_since(at(0)).as_secs())
    }

    #[test]
    fn five_times_within_ten_minutes_are_a_contest_until_ten_minutes_after_the_last() {
        let four = restored(&[0, 100, 200, 300]);
        assert_eq!(until(&four, 300), None);
        four.restored("tls", None, at(599));
        assert_eq!(until(&four, 599), Some(599 + 600));
        assert_eq!(until(&four, 599 + 600), None);
        assert!(four.of("other", at(599)).is_none());
    }

    #[test]
    fn five_times_within_longer_are_none() {
        assert_eq!(until(&restored(&[0, 151, 302, 453, 604]), 604), None);
    }

    #[test]
    fn a_try_that_is_undone_as_well_goes_on_with_it() {
        let contests = restored(&[0, 1, 2, 3, 4]);
        contests.restored("tls", Some("helm"), at(605));
        assert_eq!(until(&contests, 606), Some(1205));
        contests.restored("tls", Some("helm"), at(1206));
        assert_eq!(until(&contests, 1206), Some(1806));
    }

    #[test]
    fn a_try_that_holds_for_long_ends_it() {
        let contests = restored(&[0, 1, 2, 3, 4]);
        contests.restored("tls", Some("helm"), at(1300));
        assert_eq!(until(&contests, 1300), None);
    }

    #[test]
    fn a_clock_that_was_put_back_prolongs_nothing() {
        let contests = restored(&[5000, 5001, 5002, 5003, 5004]);
        assert_eq!(until(&contests, 10), None);
    }
}
