//! From any history of crashes, lost replies, foreign hands and passing time, the same end: what is
//! stored is published, pods are judged truthfully, and nothing is left to do.

use std::collections::BTreeSet;

use api::Fingerprint;
use plan::{
    certificate::{Action, Observed, Published, Store, plan},
    rollout::Stage,
};
use proptest::prelude::*;

use crate::support::{Case, Cluster, Sts, foreign, hours, minutes, previous, sign_itself};

/// What happens while the operator works.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// So many steps, then the operator is killed. A reply that is lost is the same.
    Steps(usize),
    /// One step that is decided on a store, or a published Secret, of earlier.
    StaleStore,
    StalePublished,
    /// Somebody else writes the published Secret: garbage, another pair, an old pair of ours.
    Garbage,
    OtherPair,
    OldPair,
    /// Somebody deletes.
    DeletePublished,
    DeleteStore,
    CorruptStore,
    /// A backup tool puts a Secret of earlier back.
    RestoreStore,
    RestorePublished,
    /// Somebody puts a Secret of their own in the place of ours.
    Replace,
    /// The user asks for a renewal.
    Renew,
    Minutes(i64),
    /// A container ends and starts again.
    Restart(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1_usize..9).prop_map(Event::Steps),
        1 => Just(Event::StaleStore),
        1 => Just(Event::StalePublished),
        1 => Just(Event::Garbage),
        1 => Just(Event::OtherPair),
        1 => Just(Event::OldPair),
        1 => Just(Event::DeletePublished),
        1 => Just(Event::DeleteStore),
        1 => Just(Event::CorruptStore),
        1 => Just(Event::Replace),
        1 => Just(Event::RestoreStore),
        1 => Just(Event::RestorePublished),
        1 => Just(Event::Renew),
        2 => (1_i64..=60).prop_map(Event::Minutes),
        1 => (0_usize..3).prop_map(Event::Restart),
    ]
}

/// A certificate of three hours for three pods that wait for their Secret.
fn cluster() -> Cluster {
    let case = Case::fresh().with_workload(Sts::of(3)).with(|observed| {
        observed.resource.wanted.duration = hours(3);
        observed.resource.wanted.renew_before = hours(1);
    });
    Cluster::of(case)
}

/// The same of a Deployment.
fn with_surge(surges: bool) -> Cluster {
    let mut cluster = cluster();
    cluster.surges = surges;
    cluster
}

fn happen(cluster: &mut Cluster, event: Event, earlier: &Observed, number: usize) {
    let seen = cluster.truth.clone();
    match event {
        Event::Steps(steps) => {
            cluster.rests_within(steps);
        }
        Event::StaleStore => {
            let store = earlier.store.clone();
            cluster.operator_steps(&Observed { store, ..seen });
        }
        Event::StalePublished => {
            let published = earlier.published.clone();
            cluster.operator_steps(&Observed { published, ..seen });
        }
        Event::Garbage => cluster.overwrite(None),
        Event::OtherPair => cluster.overwrite(Some(foreign())),
        Event::OldPair => {
            let old = seen.stored().and_then(|stored| stored.previous.clone());
            cluster.overwrite(Some(old.unwrap_or_else(previous)));
        }
        Event::DeletePublished => cluster.truth.published = Published::Absent,
        Event::DeleteStore => cluster.truth.store = Store::Absent,
        Event::CorruptStore => {
            if let Store::Present(stored) = seen.store {
                cluster.truth.store = Store::Corrupt(stored.version);
            }
        }
        Event::RestoreStore => cluster.restore_store(earlier),
        Event::RestorePublished => cluster.restore_published(earlier),
        Event::Replace => cluster.replace_by_a_stranger(),
        Event::Renew => cluster.truth.resource.renew = Some(number.to_string()),
        Event::Minutes(passed) => cluster.clock += minutes(passed),
        Event::Restart(pod) => cluster.restart(pod),
    }
}

/// Whether what the published Secret holds vanishes before the operator took note of it. What pods
/// read of it is known to nobody.
fn hides(cluster: &Cluster, event: Event) -> bool {
    let unnoticed = match plan(&cluster.truth, cluster.clock).action {
        Some(Action::Record { .. }) => true,
        Some(Action::WriteStatus(_)) => cluster.has_a_stranger(),
        _ => false,
    };
    unnoticed
        && matches!(
            event,
            Event::Garbage
                | Event::OtherPair
                | Event::OldPair
                | Event::DeletePublished
                | Event::Replace
                | Event::RestorePublished
        )
}

/// Whether a store is put back that holds the same pair and knows less of what was published. Nobody
/// can tell that from the store as it was.
fn forgets(cluster: &Cluster, event: Event, earlier: &Observed) -> bool {
    match (event, cluster.truth.stored(), earlier.stored()) {
        (Event::RestoreStore, Some(there), Some(older)) => {
            there.current.leaf.fingerprint == older.current.leaf.fingerprint
                && there.state.log != older.state.log
        }
        _ => false,
    }
}

fn stage(cluster: &Cluster) -> Option<Stage> {
    let progress = cluster.truth.progress(cluster.clock)?;
    Some(progress.stage)
}

/// Whether every pod read the certificate in service when it started.
fn all_serve_it(cluster: &Cluster) -> bool {
    let current = cluster
        .truth
        .stored()
        .map(|stored| stored.current.leaf.fingerprint);
    cluster.serves.len() == 3 && cluster.serves.values().all(|served| *served == current)
}

fn each_once(stamped: &[Fingerprint]) -> bool {
    stamped.iter().collect::<BTreeSet<_>>().len() == stamped.len()
}

/// Whoever signs, and whether pods are replaced with surge: nothing depends on it here.
fn any_cluster() -> impl Strategy<Value = Cluster> {
    any::<(bool, bool)>().prop_map(|(self_signed, surges)| {
        let mut cluster = with_surge(surges);
        if self_signed {
            sign_itself(&mut cluster.truth);
        }
        cluster
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_happened_the_certificate_in_service_ends_up_published_and_nothing_is_left_to_do(
        mut cluster in any_cluster(),
        events in prop::collection::vec(event(), 0..24),
    ) {
        let mut earlier = cluster.truth.clone();
        let mut misled = false;
        for (number, event) in events.into_iter().enumerate() {
            let before = cluster.truth.clone();
            misled |= hides(&cluster, event) || forgets(&cluster, event, &earlier);
            happen(&mut cluster, event, &earlier, number);
            if number % 3 == 0 {
                earlier = before;
            }
        }
        prop_assert!(cluster.rests_within(80), "it does not come to rest");
        if cluster.has_a_stranger() {
            // As the condition asks for.
            cluster.truth.published = Published::Absent;
            prop_assert!(cluster.rests_within(80), "it does not come to rest");
        }
        let stored = cluster.truth.stored().unwrap();
        let Published::Present(published) = &cluster.truth.published else {
            panic!("nothing is published")
        };
        prop_assert_eq!(published.pair.as_ref(), Some(&stored.current));
        prop_assert!(stored.current.leaf.not_after > cluster.clock);
        if !misled {
            let done = stage(&cluster) == Some(Stage::Done);
            prop_assert!(!done || all_serve_it(&cluster), "done, but a pod serves something else");
            prop_assert!(each_once(&cluster.stamped), "a second rollout for one certificate");
        }
    }

    #[test]
    fn time_alone_renews_once_per_renewal_time_and_brings_every_pod_onto_each_certificate(
        mut cluster in any_cluster(),
        steps in prop::collection::vec(1_i64..=60, 1..40),
    ) {
        for passed in steps {
            prop_assert!(cluster.rests_within(80));
            prop_assert!(all_serve_it(&cluster));
            prop_assert_eq!(stage(&cluster), Some(Stage::Done));
            prop_assert_eq!(cluster.stamped.len(), cluster.issued.len() - 1);
            cluster.clock += minutes(passed);
        }
    }
}

#[test]
fn a_first_installation_restarts_nothing() {
    let mut cluster = cluster();
    assert!(cluster.rests_within(40));
    assert!(all_serve_it(&cluster));
    assert!(cluster.stamped.is_empty());
    assert_eq!(cluster.issued, [api::Trigger::DoesNotExist]);
}

#[test]
fn a_deleted_secret_comes_back_with_the_same_pair_and_restarts_nothing() {
    let mut cluster = cluster();
    assert!(cluster.rests_within(40));
    cluster.truth.published = Published::Absent;
    assert!(cluster.rests_within(40));
    assert!(all_serve_it(&cluster));
    assert!(cluster.stamped.is_empty() && cluster.issued.len() == 1);
}

#[test]
fn a_secret_overwritten_a_hundred_times_restarts_nothing() {
    let mut cluster = cluster();
    for _ in 0..100 {
        assert!(cluster.rests_within(40));
        cluster.overwrite(None);
    }
    assert!(cluster.rests_within(40));
    assert!(all_serve_it(&cluster));
    assert!(cluster.stamped.is_empty() && cluster.issued.len() == 1);
}

#[test]
fn pods_that_started_with_somebody_elses_secret_are_replaced_once_it_is_gone() {
    let mut cluster = cluster();
    assert!(cluster.rests_within(40));
    cluster.replace_by_a_stranger();
    assert!(cluster.rests_within(40));
    assert!(cluster.has_a_stranger());
    cluster.clock += minutes(5);
    cluster.restart(1);
    cluster.truth.published = Published::Absent;
    assert!(cluster.rests_within(40));
    assert!(all_serve_it(&cluster));
    assert_eq!((cluster.stamped.len(), cluster.issued.len()), (1, 1));
}

#[test]
fn a_lost_store_is_taken_up_again_from_the_published_secret() {
    let mut cluster = cluster();
    assert!(cluster.rests_within(40));
    cluster.truth.store = Store::Absent;
    assert!(cluster.rests_within(40));
    assert!(all_serve_it(&cluster));
    assert!(cluster.stamped.is_empty() && cluster.issued.len() == 1);
}
