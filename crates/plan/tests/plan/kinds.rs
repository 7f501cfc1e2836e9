//! What Deployments and DaemonSets do that StatefulSets do not: start a pod before they end another,
//! be paused, wait for ports, and have as many pods as there are nodes.

use jiff::SignedDuration;
use plan::rollout::{Hindrance, Live, Pod, Replacement, Stage, assess};
use rstest::rstest;

use crate::{
    rollout::{is_stamped, mounted, outdated, stage, started_since},
    support::{Case, Sts, done, fingerprint, hours, minutes, now, terminating, waiting},
};

/// Made of the template before.
fn earlier(pod: &mut Pod) {
    pod.revision = Some("0".to_owned());
}

fn paused(live: &mut Live) {
    live.replacement = Replacement::Paused;
}

/// A rollout whose pods are all replaced, but for the end of one earlier pod.
fn surplus() -> Sts {
    Sts::of(2)
        .stamped(fingerprint(1))
        .with(|live| live.changed = now() - minutes(5))
        .pod(minutes(4))
        .pod(minutes(3))
        .pod_with(hours(50), earlier)
}

fn terminating_since(pod: &mut Pod, grace_ends: jiff::Timestamp) {
    earlier(pod);
    terminating(grace_ends)(pod);
}

#[test]
fn a_rollout_with_surge_is_under_way_until_the_last_earlier_pod_is_told_to_end() {
    assert_eq!(stage(surplus()), Stage::UnderWay);
}

#[test]
fn a_rollout_with_surge_is_not_stacked_on_while_an_earlier_pod_is_there() {
    let next = surplus().stamped(fingerprint(9));
    assert!(!is_stamped(next.clone()));
    let alone = next.with(|live| {
        live.pods.pop();
        live.pods.iter_mut().for_each(|pod| {
            pod.created = now() - hours(50);
            pod.started
                .insert("tls".to_owned(), vec![Some(pod.created)]);
        });
    });
    assert!(is_stamped(alone));
}

#[test]
fn a_surplus_pod_that_nobody_ends_is_stuck() {
    let stuck = surplus().with(|live| {
        live.changed = now() - hours(3);
        for pod in &mut live.pods {
            pod.ready_since = Some(now() - minutes(30));
            pod.created = now() - minutes(30);
        }
    });
    assert_eq!(stage(stuck), Stage::Stuck);
}

/// All pods of the template are there, and one before them ends.
fn drained_until(grace_ends: jiff::Timestamp) -> Sts {
    Sts::of(2)
        .stamped(fingerprint(1))
        .pod(minutes(40))
        .pod(minutes(40))
        .pod_with(hours(50), |pod| terminating_since(pod, grace_ends))
}

#[test]
fn pods_that_drain_are_waited_for_and_told_of() {
    let case = Case::converged()
        .with_workload(done())
        .reported()
        .with_workload(drained_until(now() + hours(11)));
    assert_eq!(case.condition("RolledOut"), "False RollingOut");
    assert!(case.message("RolledOut").contains("still ending: 1"));
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn a_pod_that_does_not_end_as_its_node_is_gone_holds_back_nothing_once_it_is_replaced() {
    assert_eq!(stage(drained_until(now() - minutes(9))), Stage::UnderWay);
    assert_eq!(stage(drained_until(now() - minutes(10))), Stage::Done);
}

#[test]
fn a_template_that_no_pod_was_made_of_yet_is_under_way_and_not_stacked_on() {
    let unmade = outdated().with(|live| {
        live.update_revision = None;
        live.changed = now() - minutes(1);
    });
    assert_eq!(stage(unmade.clone()), Stage::UnderWay);
    assert!(!is_stamped(unmade));
}

#[test]
fn a_pod_that_has_to_be_ready_for_a_while_is_waited_for() {
    let slow = |min_ready: SignedDuration| {
        surplus().with(|live| {
            live.min_ready = min_ready;
            live.changed = now() - hours(1);
            for pod in &mut live.pods {
                pod.created = now() - minutes(40);
                pod.ready_since = Some(now() - minutes(20));
            }
        })
    };
    assert_eq!(stage(slow(SignedDuration::ZERO)), Stage::Stuck);
    assert_eq!(stage(slow(minutes(15))), Stage::UnderWay);
}

#[test]
fn a_paused_deployment_is_not_stamped_and_told_of() {
    let held = outdated().with(paused);
    assert!(!is_stamped(held.clone()));
    assert_eq!(stage(held.clone()), Stage::Paused);
    assert!(is_stamped(held.with(|live| {
        live.replacement = Replacement::Automatic;
    })));
}

#[test]
fn a_paused_deployment_without_pods_is_not_stamped_as_later_pods_would_be_replaced() {
    assert!(is_stamped(Sts::of(0)));
    assert!(!is_stamped(Sts::of(0).with(paused)));
}

#[test]
fn a_rollout_that_is_paused_half_way_is_told_of() {
    let half_way = surplus().with(paused);
    assert_eq!(stage(half_way), Stage::Paused);
}

#[test]
fn a_deployment_that_was_paused_before_its_first_pod_is_told_of() {
    let unmade = Sts::of(2).with(|live| {
        paused(live);
        live.update_revision = None;
    });
    assert_eq!(stage(unmade), Stage::Paused);
}

#[test]
fn a_paused_deployment_whose_pods_are_current_is_rolled_out_whatever_waits() {
    let changed_meanwhile = started_since().with(|live| {
        paused(live);
        live.update_revision = None;
        live.changed = now() - minutes(1);
    });
    assert_eq!(stage(changed_meanwhile), Stage::Done);
}

#[test]
fn a_paused_deployment_does_not_replace_a_pod_of_its_own_template_when_it_goes_on() {
    let started_before = outdated().stamped(fingerprint(1)).with(paused);
    assert_eq!(stage(started_before), Stage::RestartNeeded);
}

#[test]
fn a_paused_deployment_is_stalled_until_somebody_resumes_it() {
    let case = Case::converged()
        .with_workload(done())
        .reported()
        .with_workload(outdated().with(paused));
    for kind in ["RolledOut", "Ready"] {
        assert_eq!(case.condition(kind), "False RolloutPaused");
    }
    assert_eq!(case.condition("Stalled"), "True RolloutPaused");
    assert!(case.message("RolledOut").contains("kubectl rollout resume"));
}

#[test]
fn a_workload_that_its_controller_did_not_count_the_nodes_for_is_not_stamped() {
    let unseen = Sts::of(0).with(|live| live.observed = false);
    assert!(!is_stamped(unseen));
}

/// One pod beside the earlier one that it shall replace, and no node takes it.
fn without_a_node(host_ports: bool) -> Sts {
    Sts::of(1)
        .stamped(fingerprint(1))
        .with(|live| {
            live.host_ports = host_ports;
            live.changed = now() - minutes(1);
        })
        .pod_with(minutes(1), |pod| {
            waiting(pod);
            pod.unschedulable = true;
        })
        .pod_with(hours(50), earlier)
}

fn hindrance(sts: Sts) -> Option<Hindrance> {
    assess(&sts.observed(), &mounted("tls"), now()).hindrance
}

#[rstest]
#[case::that_takes_ports_of_the_node(true, Hindrance::PortsTaken)]
#[case::that_takes_none(false, Hindrance::NoNode)]
fn what_keeps_a_pod_from_a_node_is_told_at_once(
    #[case] host_ports: bool,
    #[case] expected: Hindrance,
) {
    let sts = without_a_node(host_ports);
    let words = expected.describe();
    assert_eq!(hindrance(sts.clone()), Some(expected));
    let case = Case::converged()
        .with_workload(done())
        .reported()
        .with_workload(sts);
    assert_eq!(case.condition("RolledOut"), "False RollingOut");
    assert!(case.message("RolledOut").ends_with(&words));
}

#[test]
fn ports_that_are_about_to_be_free_are_no_hindrance() {
    let draining = without_a_node(true).with(|live| {
        live.pods[1].terminating = Some(now() + hours(11));
    });
    assert_eq!(hindrance(draining), None);
}

#[test]
fn a_pod_that_runs_is_hindered_by_nothing() {
    assert_eq!(hindrance(surplus()), None);
}

/// A pod of a template that was mended meanwhile, and never became Ready.
fn wedged() -> Sts {
    Sts::of(2)
        .with(|live| live.update_revision = Some("3".to_owned()))
        .pod_with(hours(50), |pod| pod.revision = Some("1".to_owned()))
        .pod_with(minutes(2), |pod| {
            pod.revision = Some("2".to_owned());
            pod.ready_since = None;
        })
}

#[test]
fn a_pod_of_an_earlier_template_that_is_not_ready_is_to_be_deleted() {
    let told = hindrance(wedged()).unwrap().describe();
    assert!(told.ends_with("delete pod coturn-1"), "{told}");
    let below_the_partition = wedged().with(|live| live.partition = 1);
    assert_eq!(hindrance(below_the_partition), None);
    let parallel = wedged().with(|live| live.ordered = false);
    assert_eq!(hindrance(parallel), None);
    let of_the_newest = wedged().with(|live| live.pods[1].revision = Some("3".to_owned()));
    assert_eq!(hindrance(of_the_newest), None);
}
