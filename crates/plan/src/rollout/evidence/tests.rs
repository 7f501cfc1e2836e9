//! What is told of a pod by its times and the log.

use std::collections::{BTreeMap, BTreeSet};

use api::{Fingerprint, RolloutStrategy};
use rstest::rstest;

use super::*;
use crate::{
    publication::{Publication, PublicationLog},
    rollout::Assurance,
};

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
        assurance: Assurance::default(),
        predecessors: Vec::new(),
    }
}

fn pod(created: i64, started: i64, annotation: Option<Fingerprint>) -> Pod {
    Pod {
        name: "coturn-0".into(),
        version: crate::Version {
            uid: "coturn-0".into(),
            resource_version: "1".into(),
        },
        revision: None,
        created: at(created),
        started: BTreeMap::from([("tls".into(), vec![Some(at(started))])]),
        optional: BTreeSet::new(),
        terminating: None,
        ready_since: None,
        fingerprints: annotation
            .map(|fp| ("tls".into(), fp.to_string()))
            .into_iter()
            .collect(),
        unschedulable: false,
        ip: None,
        incarnation: "coturn-0".to_owned(),
        restarts: 0,
        backs_off: None,
        touched: None,
        relay: None,
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
#[case::started_with_the_first(1200, 1300, None, Evidence::NotCurrent(NotCurrent::StartedBefore))]
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
    pod.started.insert("tls".into(), vec![None]);
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
#[case::with_a_secret_of_another_origin(900, 930, Evidence::NotCurrent(NotCurrent::StartedBefore))]
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
fn what_started_before_a_recovered_log_is_not_known(#[case] created: i64, #[case] started: i64) {
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

#[test]
fn a_predecessor_that_was_published_in_the_same_second_is_one() {
    let one = |held| Publication {
        held: Held::Leaf(held),
        from: at(1000),
    };
    let mounted = Mounted {
        log: PublicationLog::starting_with(one(A)).with(one(B)),
        ..mounted()
    };
    let evidence = of(&pod(1000, 1000, None), &mounted);
    assert_eq!(evidence, Evidence::Unknown(Doubt::Predecessor));
    assert!(evidence.calls_for_a_rollout());
    assert_eq!(of(&pod(1000, 1000, Some(B)), &mounted), Evidence::Current);
}

#[test]
fn a_pod_that_may_start_without_the_secret_did_not_wait_for_it() {
    let mounted = only_one(PublicationLog::starting_with);
    let without = |created, started| {
        let mut pod = pod(created, started, None);
        pod.optional.insert("tls".into());
        of(&pod, &mounted)
    };
    let started_before = Evidence::NotCurrent(NotCurrent::StartedBefore);
    assert_eq!(without(900, 970), started_before);
    assert_eq!(
        of(&pod(900, 970, None), &mounted),
        Evidence::Current,
        "one that needs it did"
    );
    // Its volume may have been empty still.
    let doubtful = without(900, 1100);
    assert_eq!(doubtful, Evidence::Unknown(Doubt::Predecessor));
    assert!(doubtful.calls_for_a_rollout());
    assert_eq!(without(1100, 1101), Evidence::Current);
}

#[test]
fn a_pod_that_does_not_mount_the_secret_serves_something_else() {
    let mut stranger = pod(2500, 2501, None);
    stranger.started.clear();
    let evidence = of(&stranger, &mounted());
    assert_eq!(evidence, Evidence::NotCurrent(NotCurrent::DoesNotMount));
    // That is of another template than the one that mounts it: Kubernetes replaces it.
    assert!(!evidence.calls_for_a_rollout());
    assert!(!read_one_of(&stranger, &mounted(), &[A, B]));
}
