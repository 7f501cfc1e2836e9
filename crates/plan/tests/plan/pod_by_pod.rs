//! One pod after the other, by eviction, and certificates that coturn takes up by itself.

use api::RolloutStrategy;
use jiff::{SignedDuration, Timestamp};
use plan::rollout::{Action, Replacement, Touches, Workload};
use rstest::rstest;

use crate::support::{Case, Sts, current, hours, minutes, now, published_at, terminating, waiting};

/// A certificate by this strategy, published ten hours ago.
fn by(strategy: RolloutStrategy, sts: Sts) -> Case {
    Case::converged()
        .with(|observed| observed.resource.wanted.strategy = strategy)
        .with_workload(sts)
}

fn decided(case: &Case, at: Timestamp) -> Option<Action> {
    let observed = plan::rollout::Observed {
        workload: case.0.workload.clone().unwrap(),
        certificates: case.0.mounted().into_iter().collect(),
        pending: Vec::new(),
    };
    plan::rollout::plan(&observed, at).action
}

fn evicted(case: &Case) -> Option<String> {
    match decided(case, now())? {
        Action::EvictPod { pod, .. } => Some(pod),
        other => panic!("{other:?}"),
    }
}

fn pod_by_pod(sts: Sts) -> Option<String> {
    evicted(&by(RolloutStrategy::PodByPod, sts))
}

fn outdated(sts: Sts) -> Sts {
    sts.pod(hours(50))
}

fn replaced(sts: Sts) -> Sts {
    sts.pod(minutes(50))
}

#[test]
fn the_highest_ordinal_goes_first_and_then_the_next() {
    let all = outdated(outdated(outdated(Sts::of(3))));
    assert_eq!(pod_by_pod(all).as_deref(), Some("coturn-2"));
    let two = replaced(outdated(outdated(Sts::of(3))));
    assert_eq!(pod_by_pod(two).as_deref(), Some("coturn-1"));
    let none = replaced(replaced(Sts::of(2)));
    assert_eq!(pod_by_pod(none), None);
}

#[test]
fn nobody_goes_while_another_ends_or_has_not_come_back() {
    let ending = outdated(Sts::of(2)).pod_with(hours(50), terminating(now() + minutes(5)));
    assert_eq!(pod_by_pod(ending), None);
    let starting = outdated(Sts::of(2)).pod_with(minutes(1), waiting);
    assert_eq!(pod_by_pod(starting), None);
    let missing = outdated(outdated(Sts::of(3)));
    assert_eq!(pod_by_pod(missing), None);
}

#[test]
fn who_is_not_ready_goes_first_as_its_calls_are_cut_already() {
    let sts = Sts::of(2).pod_with(hours(50), |pod| pod.ready_since = None);
    assert_eq!(pod_by_pod(outdated(sts)).as_deref(), Some("coturn-0"));
}

#[rstest]
#[case(Replacement::OnDelete)]
#[case(Replacement::Paused)]
#[case(Replacement::Automatic)]
fn the_workloads_own_way_of_replacing_pods_does_not_matter(#[case] replacement: Replacement) {
    let sts = outdated(Sts::of(1)).with(|live| live.replacement = replacement);
    assert_eq!(pod_by_pod(sts).as_deref(), Some("coturn-0"));
}

#[test]
fn a_workload_that_does_not_mount_the_secret_is_left_alone() {
    let sts = outdated(Sts::of(1)).with(|live| live.mounts.clear());
    assert_eq!(pod_by_pod(sts), None);
}

#[test]
fn a_rollout_pod_by_pod_tells_how_far_it_is_and_that_it_is_stuck() {
    let under_way = by(
        RolloutStrategy::PodByPod,
        outdated(Sts::of(2)).pod(minutes(1)),
    );
    assert_eq!(under_way.condition("RolledOut"), "False RollingOut");
    assert_eq!(under_way.condition("Ready"), "True Ready");
}

#[test]
fn a_rollout_pod_by_pod_is_under_way_as_long_as_an_evicted_pod_takes_to_end() {
    let ending = |until| outdated(Sts::of(2)).pod_with(hours(50), terminating(until));
    let draining = by(RolloutStrategy::PodByPod, ending(now() + hours(11)));
    assert_eq!(draining.condition("RolledOut"), "False RollingOut");
    let overdue = by(RolloutStrategy::PodByPod, ending(now() - hours(1)));
    assert_eq!(overdue.condition("RolledOut"), "False RolloutStuck");
}

/// What coturn takes up by itself.
fn reloaded(sts: Sts) -> Case {
    by(RolloutStrategy::Reload, sts).with(|observed| {
        observed.resource.wanted.verifying.endpoints = vec![api::Endpoint {
            protocol: api::Protocol::Dtls,
            port: 9191,
            address: None,
        }];
    })
}

/// Its only pod showed this leaf, for so long.
fn shown(case: Case, leaf: api::Fingerprint, lasts: SignedDuration, at: Timestamp) -> Case {
    case.with(|observed| {
        let Some(Workload::Present(live)) = &observed.workload else {
            panic!("no workload");
        };
        let endpoint = observed.resource.wanted.verifying.endpoints[0].clone();
        let proof = plan::rollout::Proof {
            shown: plan::rollout::Shown::Leaf(leaf),
            at,
            since: at - lasts,
        };
        let key = (live.pods[0].incarnation.clone(), endpoint);
        observed.proofs.by_pod.insert(key, proof);
    })
}

#[test]
fn a_pod_is_touched_once_for_a_certificate_where_that_is_allowed() {
    let allowed = |sts: Sts| sts.with(|live| live.touches = Touches::Allowed);
    let soon = published_at() + SignedDuration::from_secs(30);
    let due = decided(&reloaded(allowed(outdated(Sts::of(1)))), soon);
    let Some(Action::TouchPod { pod, leaf, .. }) = due else {
        panic!("{due:?}");
    };
    assert_eq!(
        (pod.as_str(), leaf),
        ("coturn-0", current().leaf.fingerprint)
    );
    let touched = Sts::of(1).pod_with(hours(50), |pod| pod.touched = Some(leaf.to_string()));
    assert_eq!(decided(&reloaded(allowed(touched)), soon), None);
    assert_eq!(decided(&reloaded(outdated(Sts::of(1))), soon), None);
    let other_strategy = by(RolloutStrategy::PodByPod, allowed(outdated(Sts::of(1))));
    let due = decided(&other_strategy, now());
    assert!(matches!(due, Some(Action::EvictPod { .. })), "{due:?}");
}

#[test]
fn nothing_is_restarted_before_a_handshake_has_shown_that_coturn_did_not_reload_in_time() {
    let case = reloaded(outdated(Sts::of(1)));
    assert_eq!(decided(&case, now()), None);
    assert_eq!(case.condition("RolledOut"), "False RollingOut");
    let before = crate::support::previous().leaf.fingerprint;

    let soon = published_at() + minutes(1);
    let case = shown(case, before, SignedDuration::from_secs(50), soon);
    assert_eq!(decided(&case, soon), None, "it is given time");
    let late = published_at() + minutes(4);
    let case = shown(case, before, minutes(3), late);
    let due = decided(&case, late);
    assert!(matches!(due, Some(Action::EvictPod { .. })), "{due:?}");

    let served = shown(case, current().leaf.fingerprint, minutes(3), late);
    assert_eq!(decided(&served, late), None);
    assert_eq!(served.condition("RolledOut"), "True RolledOut");
}

#[test]
fn where_pods_are_dialled_nobody_goes_before_the_one_before_was_seen_to_serve_it() {
    let case = by(RolloutStrategy::PodByPod, replaced(outdated(Sts::of(2)))).with(|observed| {
        observed.resource.wanted.verifying.endpoints = vec![api::Endpoint {
            protocol: api::Protocol::Dtls,
            port: 9191,
            address: None,
        }];
    });
    assert_eq!(evicted(&case), None);
    let seen = case.with(|observed| {
        let Some(Workload::Present(live)) = &observed.workload else {
            panic!("no workload");
        };
        let endpoint = observed.resource.wanted.verifying.endpoints[0].clone();
        let proof = plan::rollout::Proof {
            shown: plan::rollout::Shown::Leaf(current().leaf.fingerprint),
            at: now(),
            since: now(),
        };
        let key = (live.pods[1].incarnation.clone(), endpoint);
        observed.proofs.by_pod.insert(key, proof);
    });
    assert_eq!(evicted(&seen).as_deref(), Some("coturn-0"));
}
