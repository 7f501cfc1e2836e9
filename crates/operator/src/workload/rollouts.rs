//! Rollouts that somebody undoes, as a tool does that puts the pod template back to what is in Git.
//!
//! Each restarts pods, and a drain may take hours: they are not counted by time. The second one for the
//! same certificates puts right what somebody undid; a third one comes ever later.
//! Kept in memory: a restarted operator tries once more, and gives way again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use api::{Fingerprint, WorkloadRef};
use jiff::{SignedDuration, Timestamp};
use plan::Contest;

/// From the second rollout for the same certificates to the third; doubled each further time.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// Doublings until the pause is about a day.
const DOUBLINGS: u32 = 7;

/// The last rollout of each workload that this process started.
#[derive(Default)]
pub struct Rollouts(Mutex<HashMap<WorkloadRef, Rollout>>);

struct Rollout {
    fingerprints: BTreeMap<String, Fingerprint>,
    /// How often it was started.
    times: u32,
    last: Timestamp,
    /// Field manager, other than the operator, that wrote the workload last.
    by: Option<String>,
}

impl Rollouts {
    /// Notes that a rollout was started onto these certificates. Times are by the API server's clock.
    pub fn started(
        &self,
        workload: &WorkloadRef,
        fingerprints: &BTreeMap<String, Fingerprint>,
        by: Option<String>,
        now: Timestamp,
    ) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known
            .get(workload)
            .filter(|before| before.fingerprints == *fingerprints);
        let rollout = Rollout {
            fingerprints: fingerprints.clone(),
            times: before.map_or(1, |before| before.times.saturating_add(1)),
            last: now,
            by,
        };
        known.insert(workload.clone(), rollout);
    }

    /// Until when no rollout of a workload is started again, if somebody has undone the last one.
    pub fn contest_over(&self, workload: &WorkloadRef, now: Timestamp) -> Option<Contest> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rollout = known.get(workload).filter(|rollout| rollout.times > 1)?;
        let pause = FIRST_PAUSE * (1 << (rollout.times - 2).min(DOUBLINGS));
        let until = rollout.last + pause;
        // A clock that was put back must not prolong it.
        let is_near = until <= now + pause;
        (now < until && is_near).then(|| Contest {
            by: rollout.by.clone(),
            until,
        })
    }
}

#[cfg(test)]
mod tests {
    use api::WorkloadKind;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    fn workload() -> WorkloadRef {
        WorkloadRef {
            kind: WorkloadKind::StatefulSet,
            name: "coturn".to_owned(),
        }
    }

    /// Rollouts onto a leaf each, at these minutes.
    fn started(leaves: &[(u8, i64)]) -> Rollouts {
        let rollouts = Rollouts::default();
        for (leaf, minute) in leaves {
            let fingerprint = Fingerprint::from_digest([*leaf; 32]);
            let onto = [("tls".to_owned(), fingerprint)].into();
            rollouts.started(&workload(), &onto, Some("argocd".to_owned()), at(*minute));
        }
        rollouts
    }

    /// For how many minutes no further one is started.
    fn pause(rollouts: &Rollouts, now: i64) -> Option<i64> {
        let contest = rollouts.contest_over(&workload(), at(now))?;
        assert_eq!(contest.by.as_deref(), Some("argocd"));
        Some(contest.until.duration_since(at(now)).as_mins())
    }

    #[test]
    fn one_rollout_for_each_certificate_is_no_contest() {
        assert_eq!(pause(&started(&[(1, 0), (2, 1), (3, 2)]), 2), None);
    }

    #[test]
    fn the_same_rollout_again_is_one_however_long_the_first_took() {
        assert_eq!(pause(&started(&[(1, 0), (1, 900)]), 900), Some(10));
        assert_eq!(pause(&started(&[(1, 0), (1, 900)]), 910), None);
    }

    #[test]
    fn each_further_one_comes_ever_later() {
        let three = started(&[(1, 0), (1, 900), (1, 1800)]);
        assert_eq!(pause(&three, 1800), Some(20));
        let many: Vec<_> = (0..40).map(|n| (1, n * 2000)).collect();
        assert_eq!(pause(&started(&many), 39 * 2000), Some(1280));
    }

    #[test]
    fn another_certificate_ends_it() {
        assert_eq!(pause(&started(&[(1, 0), (1, 1), (2, 2)]), 2), None);
    }

    #[test]
    fn a_clock_that_was_put_back_prolongs_nothing() {
        assert_eq!(pause(&started(&[(1, 500), (1, 501)]), 10), None);
    }
}
