//! What two features make of each other.

use api::Trigger;
use jiff::SignedDuration;
use plan::{
    certificate::{Published, Rival, Store},
    rollout::{Hindrance, Stage},
};

use crate::{
    ordinals::{pods, two},
    support::{Case, Cluster, Sts, authority, hours, minutes, now, sign_itself},
};

#[test]
fn an_issuer_that_changes_beside_names_by_ordinal_is_no_growth() {
    let signed_by_itself = two().with(sign_itself).with_store(|it| {
        it.current.leaf.signer = api::Signer::Itself;
    });
    let changed = signed_by_itself.with(|it| {
        it.resource.wanted.issuer = api::Issuer::Ca {
            secret: "coturn-ca".to_owned(),
        };
        it.authority = plan::certificate::Authority::Usable(authority(1));
    });
    assert_eq!(changed.issues(), Some(Trigger::SpecChanged));
}

#[test]
fn a_workload_that_grows_one_by_one_restarts_nobody() {
    let mut cluster = Cluster::of(two());
    for replicas in 3..24 {
        cluster.scale(replicas);
        assert!(cluster.rests_within(80));
        cluster.clock += minutes(7);
    }
    assert!(cluster.issued.iter().all(|it| *it == Trigger::ReplicasGrew));
    assert!(cluster.stamped.is_empty(), "{:?}", cluster.stamped);
    let progress = cluster.truth.progress(cluster.clock).unwrap();
    assert_ne!(progress.stage, Stage::RestartNeeded, "{progress:?}");
}

#[test]
fn growth_after_the_record_was_lost_restarts_nobody_who_has_a_name() {
    let named = two().0.stored().unwrap().current.clone();
    let mut cluster = Cluster::of(two().with_published(|it| it.pair = Some(named)));
    cluster.truth.store = Store::Absent;
    assert!(cluster.rests_within(40));
    cluster.scale(3);
    assert!(cluster.rests_within(80));
    assert_eq!(cluster.issued, [Trigger::ReplicasGrew]);
    assert!(cluster.stamped.is_empty());
}

#[test]
fn a_store_put_back_is_judged_once_the_clock_is_right() {
    let newer = crate::support::pair(5, now() - minutes(9), now() + hours(8000));
    let put_back = |ahead| {
        let mut case = Case::converged();
        case.0.resource.status.history[0].serial_number = newer.leaf.serial.to_string();
        case.0.resource.status.history[0].time.0 = now();
        case.with(|it| it.clock_ahead = Some(ahead))
    };
    let off = put_back(SignedDuration::from_hours(9000));
    assert_eq!(off.condition("Issued"), "False ClockSkewed");
    let right = put_back(SignedDuration::ZERO);
    assert!(matches!(
        right.action(),
        Some(plan::certificate::Action::NoteRollback { .. })
    ));
}

#[test]
fn a_clock_that_is_ahead_makes_no_rollout_stuck() {
    let moving = || {
        let draining = Sts::of(2)
            .stamped(crate::support::fingerprint(1))
            .pod(minutes(50))
            .pod_with(hours(50), crate::support::terminating(now() + minutes(20)));
        Case::converged().with_workload(draining)
    };
    let ahead = moving().with(|it| it.clock_ahead = Some(hours(9)));
    let progress = ahead.0.progress(now() + hours(9)).unwrap();
    assert_eq!(progress.stage, Stage::UnderWay);
    let late = moving().0.progress(now() + hours(9)).unwrap();
    assert_eq!(late.stage, Stage::Stuck);
}

#[test]
fn a_stateful_set_whose_node_is_full_is_not_told_of_a_surge_that_it_cannot_have() {
    let cordoned = pods(2).with(|live| {
        live.host_ports = true;
        live.update_revision = Some("2".to_owned());
        live.pods[1].revision = Some("2".to_owned());
        live.pods[1].ready_since = None;
        live.pods[1].unschedulable = true;
    });
    let case = two().with(|it| it.workload = Some(cordoned.observed()));
    let progress = case.0.progress(now()).unwrap();
    assert_eq!(progress.hindrance, Some(Hindrance::NoNode));
}

#[test]
fn of_two_stores_that_know_a_stripped_secret_that_of_the_incumbent_decides() {
    let incumbent = Rival {
        name: "younger".to_owned(),
        created: now(),
        incumbent: true,
    };
    let mut case = Case::converged().with(|it| it.rivals = vec![incumbent]);
    case.0.resource.status.conditions.clear();
    let stripped = case.with_published(|it| it.owner = None);
    assert_eq!(stripped.condition("Published"), "False SecretClaimed");
    let Published::Present(_) = &stripped.0.published else {
        panic!("nothing is published")
    };
}
