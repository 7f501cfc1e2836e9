//! How long the pair before is kept in the store.

use api::{Endpoint, Protocol};
use jiff::SignedDuration;
use plan::certificate::Action;
use rstest::rstest;

use crate::support::{Case, Cluster, Sts, done, hours, minutes, now};

const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Every pod is on the certificate in service, as of this moment.
fn replaced() -> Case {
    Case::converged().with_workload(done()).reported()
}

fn drops(case: &Case, after: SignedDuration) -> bool {
    let action = plan::certificate::plan(&case.0, now() + after).action;
    matches!(action, Some(Action::DropPrevious { .. }))
}

#[test]
fn the_pair_before_is_dropped_a_week_after_every_pod_was_on_its_successor() {
    let case = replaced();
    assert!(!drops(&case, KEPT - minutes(1)));
    assert!(drops(&case, KEPT));
    let without = case.with_store(|stored| stored.previous = None);
    assert!(!drops(&without, KEPT));
}

#[rstest]
#[case::nobody_knows_of_pods(Case::converged())]
#[case::a_pod_never_got_it(Case::converged().with_workload(Sts::of(1).pod(hours(60))).reported())]
#[case::a_pod_is_in_doubt(replaced().with(|observed| {
    observed.workload = Some(Sts::of(1).pod(hours(60)).observed());
}))]
#[case::no_pod_is_seen_to_serve_it(replaced().with(|observed| {
    observed.resource.wanted.verifying.endpoints = vec![Endpoint {
        protocol: Protocol::Dtls,
        port: 9191,
        address: None,
    }];
}))]
#[case::suspended(replaced().with(|observed| observed.resource.wanted.suspend = true))]
fn the_pair_before_is_kept_while_it_may_be_needed(#[case] case: Case) {
    assert!(case.0.stored().unwrap().previous.is_some());
    assert!(!drops(&case, KEPT * 2));
}

#[test]
fn what_is_dropped_is_all_that_changes() {
    let mut cluster = Cluster::of(replaced());
    cluster.clock = now() + KEPT;
    assert!(cluster.rests_within(100), "{cluster:?}");
    let stored = cluster.truth.stored().unwrap();
    assert_eq!(stored.previous, None);
    assert_eq!(stored.state, replaced().0.stored().unwrap().state);
    assert_eq!(cluster.issued, []);
}
