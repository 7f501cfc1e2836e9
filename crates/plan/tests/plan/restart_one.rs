//! One pod restarted alone: only where nothing else brings it onto the certificate, and only as often
//! as it helps.

use api::{Reason, RolloutStrategy};
use jiff::SignedDuration;
use plan::{
    publication::{Held, Publication, PublicationLog},
    rollout::{Action, Live, Mounted, Observed, Plan, Pod, SingleRestarts, Stage, assess, plan},
};
use proptest::prelude::*;
use rstest::rstest;

use crate::support::{
    Case, Cluster, Sts, fingerprint, foreign, hours, minutes, now, refusal, terminating, version,
    waiting,
};

fn log(entries: impl IntoIterator<Item = (Held, SignedDuration)>) -> PublicationLog {
    let before = Publication {
        held: Held::Leaf(fingerprint(9)),
        from: now() - hours(100),
    };
    entries
        .into_iter()
        .fold(PublicationLog::starting_with(before), |log, (held, age)| {
            log.with(Publication {
                held,
                from: now() - age,
            })
        })
}

/// In service for fifty hours, but for a time that ended an hour ago.
fn overwritten() -> Mounted {
    overwritten_until(hours(1))
}

fn overwritten_until(ago: SignedDuration) -> Mounted {
    Mounted {
        certificate: "tls".to_owned(),
        secret: "tls".to_owned(),
        current: fingerprint(1),
        log: log([
            (Held::Leaf(fingerprint(1)), hours(50)),
            (Held::Foreign, hours(3)),
            (Held::Leaf(fingerprint(1)), ago),
        ]),
        strategy: RolloutStrategy::RollingRestart,
        assurance: plan::rollout::Assurance::default(),
        predecessors: Vec::new(),
    }
}

/// Made from the template while the Secret held something foreign.
fn misled(pod: &mut Pod) {
    pod.fingerprints
        .insert("tls".to_owned(), fingerprint(1).to_string());
}

/// Three pods, of which the second read something foreign; the operator may delete pods.
fn one_misled() -> Sts {
    Sts::of(3)
        .stamped(fingerprint(1))
        .with(|live| live.single_restarts = SingleRestarts::Allowed)
        .pod(hours(40))
        .pod_with(hours(2), misled)
        .pod(hours(40))
}

fn decide(sts: Sts, mounted: Mounted) -> Plan {
    let observed = Observed {
        workload: sts.observed(),
        certificates: vec![mounted],
        pending: Vec::new(),
    };
    plan(&observed, now())
}

fn restart_of(pod: &str) -> Action {
    Action::RestartPod {
        pod: pod.to_owned(),
        version: version(pod, 1),
    }
}

fn stage(sts: Sts, mounted: &Mounted) -> Stage {
    assess(&sts.observed(), mounted, now()).stage
}

#[test]
fn a_pod_that_read_a_foreign_file_is_restarted_alone_at_the_revision_that_was_read() {
    assert_eq!(
        decide(one_misled(), overwritten()).action,
        Some(restart_of("coturn-1"))
    );
    assert_eq!(stage(one_misled(), &overwritten()), Stage::UnderWay);
}

#[rstest]
#[case::without_permission(|live: &mut Live| live.single_restarts = SingleRestarts::NotAllowed)]
#[case::where_the_user_replaces_pods(|live: &mut Live| live.replacement = plan::rollout::Replacement::OnDelete)]
#[case::of_a_workload_that_does_not_mount(|live: &mut Live| live.mounts.clear())]
#[case::while_another_pod_ends(|live: &mut Live| terminating(now())(&mut live.pods[0]))]
#[case::while_another_pod_is_not_ready(|live: &mut Live| live.pods[2].ready_since = None)]
#[case::while_another_pod_is_still_to_come(|live: &mut Live| { live.pods.pop(); })]
#[case::while_one_is_too_many(|live: &mut Live| live.replicas = 2)]
#[case::while_it_ends_already(|live: &mut Live| terminating(now())(&mut live.pods[1]))]
#[case::before_the_controller_saw_a_change(|live: &mut Live| live.observed = false)]
#[case::while_others_are_of_an_earlier_template(|live: &mut Live| live.pods[0].revision = Some("0".to_owned()))]
#[case::that_the_partition_holds_back(|live: &mut Live| {
    live.partition = 3;
    for pod in &mut live.pods {
        pod.revision = Some("0".to_owned());
    }
})]
#[case::that_has_not_started(|live: &mut Live| waiting(&mut live.pods[1]))]
fn no_pod_is_restarted_alone(#[case] change: fn(&mut Live)) {
    assert_eq!(
        decide(one_misled().with(change), overwritten()).action,
        None
    );
}

#[test]
fn a_certificate_whose_strategy_restarts_nothing_restarts_no_pod_alone() {
    let none = Mounted {
        strategy: RolloutStrategy::None,
        assurance: plan::rollout::Assurance::default(),
        ..overwritten()
    };
    assert_eq!(decide(one_misled(), none.clone()).action, None);
    assert_eq!(stage(one_misled(), &none), Stage::RestartNeeded);
}

#[test]
fn a_template_that_does_not_carry_the_certificate_is_stamped_instead() {
    let unstamped = one_misled().with(|live| live.template.clear());
    let action = decide(unstamped, overwritten()).action;
    assert!(matches!(action, Some(Action::StampTemplate { .. })));
}

#[test]
fn nothing_is_restarted_while_the_secret_still_holds_something_foreign() {
    let still = Mounted {
        log: log([
            (Held::Leaf(fingerprint(1)), hours(50)),
            (Held::Foreign, hours(3)),
        ]),
        ..overwritten()
    };
    assert_eq!(decide(one_misled(), still).action, None);
}

#[test]
fn the_second_waits_until_the_successor_of_the_first_is_ready() {
    let two = one_misled().with(|live| misled_since(&mut live.pods[2], hours(2)));
    assert_eq!(
        decide(two.clone(), overwritten()).action,
        Some(restart_of("coturn-1"))
    );
    let successor = |ready: Option<SignedDuration>| {
        two.clone().with(|live| {
            let pod = &mut live.pods[1];
            pod.created = now() - minutes(1);
            pod.started
                .insert("tls".to_owned(), vec![Some(now() - minutes(1))]);
            pod.ready_since = ready.map(|ago| now() - ago);
        })
    };
    assert_eq!(decide(successor(None), overwritten()).action, None);
    let ready = successor(Some(SignedDuration::ZERO));
    assert_eq!(
        decide(ready, overwritten()).action,
        Some(restart_of("coturn-2"))
    );
}

fn misled_since(pod: &mut Pod, age: SignedDuration) {
    let started = now() - age;
    pod.created = started;
    pod.started.insert("tls".to_owned(), vec![Some(started)]);
    misled(pod);
}

#[test]
fn a_pod_that_is_not_ready_with_its_foreign_file_goes_first() {
    let two = one_misled().with(|live| {
        misled_since(&mut live.pods[2], hours(2));
        live.pods[2].ready_since = None;
    });
    assert_eq!(
        decide(two, overwritten()).action,
        Some(restart_of("coturn-2"))
    );
}

#[rstest]
#[case::in_its_second(0, false)]
#[case::soon_after_it(4, false)]
#[case::once_a_new_pod_can_be_told_from_an_old_one(5, true)]
fn a_pod_is_not_deleted_in_the_seconds_of_the_publication(#[case] ago: i64, #[case] deleted: bool) {
    let published = SignedDuration::from_secs(ago);
    let plan = decide(one_misled(), overwritten_until(published));
    assert_eq!(plan.action.is_some(), deleted);
    let settled = now() - published + SignedDuration::from_secs(5);
    assert!(deleted || plan.next_check == Some(settled));
}

/// Overwritten so many times for two minutes, the last time until a minute ago.
fn overwritten_times(times: i64) -> Mounted {
    let rounds = (0..times).rev().flat_map(|round| {
        [
            (Held::Foreign, minutes(4 * round + 3)),
            (Held::Leaf(fingerprint(1)), minutes(4 * round + 1)),
        ]
    });
    let current = (Held::Leaf(fingerprint(1)), hours(50));
    Mounted {
        log: log([current].into_iter().chain(rounds)),
        ..overwritten()
    }
}

/// The second of three pods was created two minutes ago.
fn just_misled() -> Sts {
    one_misled().with(|live| misled_since(&mut live.pods[1], minutes(2)))
}

#[rstest]
#[case::once(1, 0)]
#[case::twice(2, 10)]
#[case::three_times(3, 20)]
#[case::six_times(6, 160)]
fn a_pod_is_deleted_ever_later_where_the_secret_is_overwritten_again_and_again(
    #[case] times: i64,
    #[case] pause: i64,
) {
    let observed = Observed {
        workload: just_misled().observed(),
        certificates: vec![overwritten_times(times)],
        pending: Vec::new(),
    };
    let created = now() - minutes(2);
    let at_age = |age| plan(&observed, created + minutes(age));
    assert_eq!(at_age(pause.max(2)).action, Some(restart_of("coturn-1")));
    if pause > 0 {
        let early = at_age(pause - 1);
        assert_eq!(early.action, None);
        assert_eq!(early.next_check, Some(created + minutes(pause)));
    }
}

#[test]
fn a_pod_that_waits_for_its_restart_says_until_when_and_is_not_under_way() {
    let until = now() + minutes(158);
    let waits = stage(just_misled(), &overwritten_times(6));
    assert_eq!(waits, Stage::RestartLater(until));
}

#[test]
fn a_deletion_that_was_refused_is_told_of() {
    let refused = refusal(Reason::Forbidden);
    let sts = one_misled().with(|live| live.refused = Some(refused.clone()));
    assert_eq!(stage(sts, &overwritten()), Stage::Blocked(refused));
}

fn case(sts: Sts) -> Case {
    Case::converged()
        .with_workload(sts)
        .with_store(|it| it.state.log = overwritten().log)
}

#[test]
fn without_permission_the_status_names_the_value_of_the_chart() {
    let case = case(one_misled().with(|live| live.single_restarts = SingleRestarts::NotAllowed));
    assert_eq!(case.condition("RolledOut"), "False RestartNeeded");
    let message = case.message("RolledOut");
    assert!(message.contains("coturn-1 started while"), "{message}");
    assert!(message.contains("restartPods=true"), "{message}");
    assert_eq!(case.condition("Stalled"), "True RestartNeeded");
}

#[rstest]
#[case::allowed(SingleRestarts::Allowed)]
#[case::not_allowed(SingleRestarts::NotAllowed)]
fn a_pod_that_the_partition_holds_back_is_told_of_with_the_partition(
    #[case] single_restarts: SingleRestarts,
) {
    let held_back = one_misled().with(|live| {
        live.partition = 3;
        live.pods[1].revision = Some("0".to_owned());
        live.single_restarts = single_restarts;
    });
    let message = case(held_back).message("RolledOut");
    assert!(message.contains("lower it"), "{message}");
    assert!(!message.contains("restartPods"), "{message}");
}

#[test]
fn where_kubernetes_replaces_nothing_the_value_of_the_chart_is_not_named() {
    let held_back = one_misled().with(|live| {
        live.replacement = plan::rollout::Replacement::OnDelete;
        live.single_restarts = SingleRestarts::NotAllowed;
    });
    let case = case(held_back);
    assert_eq!(case.condition("RolledOut"), "False RestartNeeded");
    let message = case.message("RolledOut");
    assert!(!message.contains("restartPods"), "{message}");
}

#[test]
fn a_pod_with_a_foreign_file_is_not_ready_while_it_is_replaced() {
    let case = case(one_misled());
    assert_eq!(case.condition("RolledOut"), "False RollingOut");
    assert_eq!(case.condition("Ready"), "False RollingOut");
}

/// Three pods whose template carries the certificate in service.
fn cluster() -> Cluster {
    let pods = Sts::of(3).with(|live| live.single_restarts = SingleRestarts::Allowed);
    let mut cluster = Cluster::of(Case::fresh().with_workload(pods));
    assert!(cluster.rests_within(40));
    cluster.truth.resource.renew = Some("a".to_owned());
    assert!(cluster.rests_within(40));
    assert_eq!(cluster.stamped.len(), 1);
    cluster
}

fn all_serve_the_same(cluster: &Cluster) -> bool {
    let current = cluster.wrote_last();
    cluster.serves.len() == 3 && cluster.serves.values().all(|served| *served == current)
}

#[test]
fn a_pod_that_crashes_while_nobody_restores_the_secret_is_replaced_alone_once() {
    let mut cluster = cluster();
    let before = cluster.pods();
    cluster.clock += hours(1);
    cluster.overwrite(Some(foreign()));
    cluster.clock += minutes(5);
    cluster.restart(1);
    cluster.clock += minutes(5);
    assert!(cluster.rests_within(40));
    assert!(all_serve_the_same(&cluster));
    assert_eq!(cluster.restarted, ["coturn-1"]);
    let after = cluster.pods();
    assert_eq!((&before[0], &before[2]), (&after[0], &after[2]));
    assert_eq!((cluster.stamped.len(), cluster.issued.len()), (1, 2));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn each_pod_that_was_misled_is_replaced_once_for_each_time_it_was(
        rounds in prop::collection::vec(prop::collection::btree_set(0_usize..3, 1..4), 1..4),
    ) {
        let mut cluster = cluster();
        let misled: usize = rounds.iter().map(std::collections::BTreeSet::len).sum();
        for pods in rounds {
            cluster.clock += hours(24);
            cluster.overwrite(None);
            cluster.clock += minutes(5);
            for pod in pods {
                cluster.restart(pod);
            }
            cluster.clock += minutes(5);
            prop_assert!(cluster.rests_within(80));
            // Where it was overwritten before, it takes a while.
            cluster.clock += hours(24);
            prop_assert!(cluster.rests_within(80));
            prop_assert!(all_serve_the_same(&cluster));
        }
        prop_assert_eq!(cluster.restarted.len(), misled);
        prop_assert_eq!((cluster.stamped.len(), cluster.issued.len()), (1, 2));
    }
}
