//! What a pod serves, as far as it can be told without asking it.
//!
//! coturn reads its certificate when it starts. Which content it read follows from what the Secret
//! held in the span in which its container's volume may have been filled: not before the pod was
//! created (API server's clock), not longer before the container's start than the kubelet takes to
//! bring a change of a Secret into a running pod, and not after the start.

use jiff::{SignedDuration, Timestamp};

use super::{Mounted, Pod};
use crate::publication::{Held, Interval};

/// How long the kubelet may take until a changed Secret shows in a pod that runs already. Measured:
/// 60 to 81 s with the kubelet's defaults (sync period of a minute, jittered); doubled.
const PROJECTION_DELAY: SignedDuration = SignedDuration::from_secs(160);

/// How far a node's clock may be off the API server's, and the rounding of both to seconds.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// How far before the very first publication a container may seem to have started that waited for
/// it: its node's clock is behind.
const SLOW_CLOCK: SignedDuration = SignedDuration::from_secs(60);

/// What is known of the certificate that a pod serves. A later variant is the worse one: of several
/// containers the worst speaks for the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// It read the certificate in service.
    Current,
    /// It has not started: it serves nothing yet.
    NotStarted,
    /// It started too close to a change to tell.
    Unknown(Doubt),
    /// It read something else.
    NotCurrent(NotCurrent),
}

/// What else than the certificate in service a pod may have read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// What somebody overwrote it with, and was put right since.
    Overwritten,
    /// What the log does not tell: it begins later, or has forgotten.
    BeforeTheLog,
    /// What was published before it.
    Predecessor,
}

/// Why a pod is known not to serve the certificate in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotCurrent {
    /// It started before the certificate was published.
    StartedBefore,
    /// It started while the Secret held something foreign.
    StartedWithForeign,
}

/// Judges one pod by all its containers that mount the Secret: each read it for itself.
#[must_use]
pub fn of(pod: &Pod, mounted: &Mounted) -> Evidence {
    pod.started
        .get(&mounted.secret)
        .into_iter()
        .flatten()
        .map(|started| {
            started.map_or(Evidence::NotStarted, |started| {
                of_container(pod, mounted, started)
            })
        })
        .max()
        .unwrap_or(Evidence::NotStarted)
}

fn of_container(pod: &Pod, mounted: &Mounted, started: Timestamp) -> Evidence {
    let made_for_it = pod
        .fingerprints
        .get(&mounted.secret)
        .is_some_and(|text| *text == mounted.current.to_string());
    let first = mounted.log.first(Held::Leaf(mounted.current));
    let since_first = |interval: &Interval| first.is_some_and(|first| interval.from >= first);
    let mut may_have_read = may_have_read(pod, mounted, started);
    if made_for_it {
        // The template got this fingerprint after the publication, and the pod was made from it:
        // what was published before is out of question, whatever the clocks say.
        may_have_read.retain(since_first);
        if may_have_read.is_empty() {
            return Evidence::Current;
        }
    }
    verdict(&may_have_read, mounted, since_first)
}

fn may_have_read(pod: &Pod, mounted: &Mounted, started: Timestamp) -> Vec<Interval> {
    let earliest = (started - PROJECTION_DELAY - CLOCK_TOLERANCE).max(pod.created);
    let latest = (started + CLOCK_TOLERANCE).max(earliest);
    match mounted.log.true_first() {
        // Without the Secret it could not start: it started right after the first publication, by
        // the clock of a node that is behind.
        Some(first) if latest < first.from && latest >= first.from - SLOW_CLOCK => vec![first],
        Some(_) | None => mounted.log.during(earliest, latest).collect(),
    }
}

fn verdict(
    may_have_read: &[Interval],
    mounted: &Mounted,
    since_first: impl Fn(&Interval) -> bool,
) -> Evidence {
    let is_current = |interval: &&Interval| interval.held == Some(Held::Leaf(mounted.current));
    let may_be_current = |interval: &Interval| {
        is_current(&interval) || (interval.held.is_none() && since_first(interval))
    };
    if !may_have_read.iter().any(may_be_current) {
        let foreign = may_have_read
            .iter()
            .any(|interval| interval.held == Some(Held::Foreign));
        return Evidence::NotCurrent(if foreign {
            NotCurrent::StartedWithForeign
        } else {
            NotCurrent::StartedBefore
        });
    }
    let others = || {
        may_have_read
            .iter()
            .filter(|interval| !is_current(interval))
    };
    if others().next().is_none() {
        Evidence::Current
    } else if !others().all(&since_first) {
        Evidence::Unknown(Doubt::Predecessor)
    } else if others().any(|interval| interval.held.is_none()) {
        Evidence::Unknown(Doubt::BeforeTheLog)
    } else {
        Evidence::Unknown(Doubt::Overwritten)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use api::{Fingerprint, RolloutStrategy};
    use rstest::rstest;

    use super::*;
    use crate::publication::{Publication, PublicationLog};

    const A: Fingerprint = Fingerprint::from_digest([0xaa; 32]);
    const B: Fingerprint = Fingerprint::from_digest([0xbb; 32]);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A published at 1000, something foreign from 2000 to 2100, A again, B from 3000 on.
    fn mounted() -> Mounted {
        let entries = [
            (1000, Held::Leaf(A)),
            (2000, Held::Foreign),
            (2100, Held::Leaf(A)),
            (3000, Held::Leaf(B)),
        ];
        let log = entries
            .iter()
            .fold(PublicationLog::default(), |log, &(from, held)| {
                log.with(Publication {
                    held,
                    from: at(from),
                })
            });
        Mounted {
            certificate: "coturn".into(),
            secret: "tls".into(),
            current: B,
            log,
            strategy: RolloutStrategy::RollingRestart,
        }
    }

    fn pod(created: i64, started: i64, annotation: Option<Fingerprint>) -> Pod {
        Pod {
            name: "coturn-0".into(),
            revision: None,
            created: at(created),
            started: BTreeMap::from([("tls".into(), vec![Some(at(started))])]),
            terminating: None,
            ready_since: None,
            fingerprints: annotation
                .map(|fp| ("tls".into(), fp.to_string()))
                .into_iter()
                .collect(),
        }
    }

    #[rstest]
    #[case::created_after_the_publication(3010, 3012, None, Evidence::Current)]
    #[case::container_restarted_long_after_it(1500, 3500, None, Evidence::Current)]
    #[case::container_restarted_while_the_kubelet_may_lag(
        1500,
        3100,
        None,
        Evidence::Unknown(Doubt::Predecessor)
    )]
    #[case::started_before_it(2300, 2310, None, Evidence::NotCurrent(NotCurrent::StartedBefore))]
    #[case::started_with_the_first(
        1200,
        1300,
        None,
        Evidence::NotCurrent(NotCurrent::StartedBefore)
    )]
    #[case::started_before_anything(10, 20, None, Evidence::NotCurrent(NotCurrent::StartedBefore))]
    #[case::started_with_the_foreign_one(
        2050,
        2060,
        None,
        Evidence::NotCurrent(NotCurrent::StartedWithForeign)
    )]
    #[case::at_the_edge(2990, 2999, None, Evidence::Unknown(Doubt::Predecessor))]
    #[case::at_the_edge_but_made_for_it(2999, 2999, Some(B), Evidence::Current)]
    #[case::made_for_it_by_a_clock_that_is_late(2970, 2980, Some(B), Evidence::Current)]
    #[case::made_for_another(2300, 2310, Some(A), Evidence::NotCurrent(NotCurrent::StartedBefore))]
    fn a_pod_is_judged_by_what_it_may_have_read(
        #[case] created: i64,
        #[case] started: i64,
        #[case] annotation: Option<Fingerprint>,
        #[case] expected: Evidence,
    ) {
        assert_eq!(of(&pod(created, started, annotation), &mounted()), expected);
    }

    #[test]
    fn a_pod_without_started_containers_serves_nothing() {
        let mut pod = pod(3010, 3012, None);
        pod.started.clear();
        assert_eq!(of(&pod, &mounted()), Evidence::NotStarted);
    }

    /// B is in service from 3000 on.
    #[rstest]
    #[case::all_current(&[Some(3500), Some(3600)], Evidence::Current)]
    #[case::one_started_before(
        &[Some(3500), Some(2310)],
        Evidence::NotCurrent(NotCurrent::StartedBefore)
    )]
    #[case::one_started_before_and_one_is_unknown(
        &[Some(3100), Some(2310)],
        Evidence::NotCurrent(NotCurrent::StartedBefore)
    )]
    #[case::one_is_unknown(&[Some(3500), Some(3100)], Evidence::Unknown(Doubt::Predecessor))]
    #[case::one_has_not_started(&[Some(3500), None], Evidence::NotStarted)]
    #[case::one_started_before_and_one_crashed(
        &[Some(2310), None],
        Evidence::NotCurrent(NotCurrent::StartedBefore)
    )]
    #[case::none_has_started(&[None, None], Evidence::NotStarted)]
    fn of_several_containers_the_worst_speaks_for_the_pod(
        #[case] starts: &[Option<i64>],
        #[case] expected: Evidence,
    ) {
        for order in [starts.to_vec(), starts.iter().rev().copied().collect()] {
            let mut pod = pod(1500, 1500, None);
            let starts = order.into_iter().map(|start| start.map(at)).collect();
            pod.started.insert("tls".into(), starts);
            assert_eq!(of(&pod, &mounted()), expected);
        }
    }

    #[test]
    fn a_pod_that_waited_for_the_first_publication_is_current() {
        let mut mounted = mounted();
        mounted.current = A;
        mounted.log = PublicationLog::starting_with(Publication {
            held: Held::Leaf(A),
            from: at(1000),
        });
        assert_eq!(of(&pod(900, 1000, None), &mounted), Evidence::Current);
    }

    /// B is overwritten with the certificate before it, from a backup say, and put back.
    fn restored() -> Mounted {
        let mut mounted = mounted();
        for (held, from) in [(Held::Leaf(A), 4000), (Held::Leaf(B), 4100)] {
            let from = at(from);
            mounted.log = mounted.log.with(Publication { held, from });
        }
        mounted
    }

    #[rstest]
    #[case::container_restarted_meanwhile(4050, Evidence::Unknown(Doubt::Overwritten))]
    #[case::long_after_it(4500, Evidence::Current)]
    fn what_was_published_later_is_in_question_also_for_a_pod_made_for_it(
        #[case] started: i64,
        #[case] expected: Evidence,
    ) {
        assert_eq!(of(&pod(3100, started, Some(B)), &restored()), expected);
    }

    #[test]
    fn a_pod_made_while_an_old_pair_was_published_is_not_current() {
        let evidence = of(&pod(4040, 4050, Some(B)), &restored());
        assert_eq!(evidence, Evidence::NotCurrent(NotCurrent::StartedBefore));
    }

    /// A is in service since 1000.
    fn only_one(log: fn(Publication) -> PublicationLog) -> Mounted {
        Mounted {
            current: A,
            log: log(Publication {
                held: Held::Leaf(A),
                from: at(1000),
            }),
            ..mounted()
        }
    }

    #[rstest]
    #[case::by_a_slow_clock(900, 950, Evidence::Current)]
    #[case::created_since_by_a_slow_clock(1001, 800, Evidence::Current)]
    #[case::created_before_by_a_very_slow_clock(950, 800, Evidence::Current)]
    #[case::with_a_secret_of_another_origin(
        900,
        930,
        Evidence::NotCurrent(NotCurrent::StartedBefore)
    )]
    fn a_start_before_the_very_first_publication_is_judged_by_how_long(
        #[case] created: i64,
        #[case] started: i64,
        #[case] expected: Evidence,
    ) {
        let mounted = only_one(PublicationLog::starting_with);
        assert_eq!(of(&pod(created, started, None), &mounted), expected);
    }

    #[rstest]
    #[case::long_before(10, 20)]
    #[case::right_before(900, 999)]
    #[case::while_the_kubelet_may_lag(900, 1100)]
    fn what_started_before_a_recovered_log_is_not_known(
        #[case] created: i64,
        #[case] started: i64,
    ) {
        let evidence = of(
            &pod(created, started, None),
            &only_one(PublicationLog::recovered),
        );
        assert_eq!(evidence, Evidence::Unknown(Doubt::BeforeTheLog));
        assert!(!evidence.calls_for_a_rollout());
    }

    #[test]
    fn what_was_created_after_the_beginning_of_a_recovered_log_is_known() {
        let mounted = only_one(PublicationLog::recovered);
        assert_eq!(of(&pod(1001, 1002, None), &mounted), Evidence::Current);
    }

    #[test]
    fn what_started_before_a_recovered_log_does_not_have_what_was_issued_since() {
        let mut mounted = only_one(PublicationLog::recovered);
        mounted.current = B;
        mounted.log = mounted.log.with(Publication {
            held: Held::Leaf(B),
            from: at(3000),
        });
        let evidence = of(&pod(10, 20, None), &mounted);
        assert_eq!(evidence, Evidence::NotCurrent(NotCurrent::StartedBefore));
    }

    #[test]
    fn what_started_while_the_log_has_forgotten_is_not_known() {
        let mut mounted = only_one(PublicationLog::starting_with);
        for change in 0..20 {
            let held = [Held::Foreign, Held::Leaf(A)][change % 2];
            let from = at(2000 + 1000 * i64::try_from(change).unwrap());
            mounted.log = mounted.log.with(Publication { held, from });
        }
        let evidence = of(&pod(3500, 3500, None), &mounted);
        assert_eq!(evidence, Evidence::Unknown(Doubt::BeforeTheLog));
        assert_eq!(of(&pod(1500, 1500, None), &mounted), Evidence::Current);
    }
}
