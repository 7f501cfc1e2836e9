//! Stamps of one workload's template with the same certificates. Somebody undoes them, as a tool does
//! that puts the template back to what is in Git.
//!
//! Each may restart pods, and a drain may take hours: they are not counted by time. The second one puts
//! right what somebody undid; a third one comes ever later.

use std::collections::BTreeMap;

use api::Fingerprint;
use jiff::{SignedDuration, Timestamp};

use super::{Contest, Write, undone_by};

/// From the second stamp with the same certificates to the third; doubled each further time.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// Doublings until the pause is about a day.
const DOUBLINGS: u32 = 7;

/// How often a workload's template was stamped with the certificates of the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    fingerprints: BTreeMap<String, Fingerprint>,
    times: u32,
    /// By the API server's clock.
    last: Option<Timestamp>,
    /// Field manager that undid the one before, if that could be told.
    by: Option<String>,
}

impl Stamps {
    /// Counts one more, made at `now` by the API server's clock over what was there: of others than the
    /// operator, `last_writer` had written that last.
    pub fn stamped(
        &mut self,
        fingerprints: &BTreeMap<String, Fingerprint>,
        last_writer: Option<&Write>,
        now: Timestamp,
    ) {
        if self.fingerprints == *fingerprints {
            self.times = self.times.saturating_add(1);
        } else {
            self.fingerprints.clone_from(fingerprints);
            self.times = 1;
        }
        self.by = undone_by(last_writer, self.last);
        self.last = Some(now);
    }

    /// Until when the template is not stamped with the same again, if somebody has undone the last one.
    #[must_use]
    pub fn contest(&self, now: Timestamp) -> Option<ContestedStamp> {
        let further = self.times.checked_sub(2)?;
        let pause = FIRST_PAUSE * (1 << further.min(DOUBLINGS));
        let contest = Contest::after(self.last?, pause, self.by.as_deref(), now)?;
        Some(ContestedStamp {
            contest,
            fingerprints: self.fingerprints.clone(),
        })
    }
}

/// A contest over a stamp. Another certificate is none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContestedStamp {
    /// With whom, and until when.
    pub contest: Contest,
    /// What the template is not to be stamped with, by Secret.
    pub fingerprints: BTreeMap<String, Fingerprint>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    fn onto(leaf: u8) -> BTreeMap<String, Fingerprint> {
        [("tls".to_owned(), Fingerprint::from_digest([leaf; 32]))].into()
    }

    fn argocd(minute: i64) -> Write {
        Write {
            by: "argocd".to_owned(),
            at: at(minute),
        }
    }

    /// Stamped with a leaf each, at these minutes, over what somebody wrote just before.
    fn stamped(leaves: &[(u8, i64)]) -> Stamps {
        let mut stamps = Stamps::default();
        for (leaf, minute) in leaves {
            stamps.stamped(&onto(*leaf), Some(&argocd(*minute)), at(*minute));
        }
        stamps
    }

    /// For how many minutes no further one is made.
    fn pause(stamps: &Stamps, now: i64) -> Option<i64> {
        let contest = stamps.contest(at(now))?.contest;
        assert_eq!(contest.by.as_deref(), Some("argocd"));
        Some(contest.until.duration_since(at(now)).as_mins())
    }

    #[test]
    fn one_for_each_certificate_is_no_contest() {
        assert_eq!(pause(&stamped(&[(1, 0), (2, 1), (3, 2)]), 2), None);
    }

    #[test]
    fn the_same_again_is_one_however_long_the_first_rollout_took() {
        assert_eq!(pause(&stamped(&[(1, 0), (1, 900)]), 900), Some(10));
        assert_eq!(pause(&stamped(&[(1, 0), (1, 900)]), 910), None);
    }

    #[test]
    fn each_further_one_comes_ever_later() {
        let three = stamped(&[(1, 0), (1, 900), (1, 1800)]);
        assert_eq!(pause(&three, 1800), Some(20));
        let many: Vec<_> = (0..40).map(|n| (1, n * 2000)).collect();
        assert_eq!(pause(&stamped(&many), 39 * 2000), Some(1280));
    }

    #[test]
    fn another_certificate_ends_it() {
        assert_eq!(pause(&stamped(&[(1, 0), (1, 1), (2, 2)]), 2), None);
    }

    #[test]
    fn who_wrote_before_the_stamp_that_was_undone_is_not_named() {
        let mut stamps = stamped(&[(1, 10)]);
        stamps.stamped(&onto(1), Some(&argocd(9)), at(20));
        assert_eq!(stamps.contest(at(20)).unwrap().contest.by, None);
    }

    #[test]
    fn a_clock_that_was_put_back_prolongs_nothing() {
        assert_eq!(pause(&stamped(&[(1, 500), (1, 501)]), 10), None);
    }
}
