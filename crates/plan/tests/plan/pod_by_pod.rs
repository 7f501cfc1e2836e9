//! One pod after the other, by eviction, and certificates that coturn takes up by itself.

use api::RolloutStrategy;
use jiff::{SignedDuration, Timestamp};
use plan::rollout::{Action, Distrusted, Proof, Replacement, Shown, Touches, Workload};
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

fn dialled(case: Case) -> Case {
    case.with(|observed| observed.resource.wanted.verifying.endpoints = vec![endpoint()])
}

fn endpoint() -> api::Endpoint {
    api::Endpoint {
        protocol: api::Protocol::Dtls,
        port: 9191,
        address: None,
    }
}

/// What a handshake with a pod showed, for a minute.
fn told(case: Case, pod: usize, shown: Shown) -> Case {
    case.with(|observed| {
        let Some(Workload::Present(live)) = &observed.workload else {
            panic!("no workload");
        };
        let proof = Proof {
            shown,
            at: now(),
            since: now() - minutes(1),
        };
        let key = (live.pods[pod].incarnation.clone(), endpoint());
        observed.proofs.by_pod.insert(key, proof);
    })
}

#[rstest]
#[case::who_answered_before(true, None)]
#[case::who_never_answered(false, Some("coturn-0"))]
fn a_handshake_is_waited_for_where_one_came_about_before(
    #[case] answered: bool,
    #[case] next: Option<&str>,
) {
    let case = by(RolloutStrategy::PodByPod, replaced(outdated(Sts::of(2))));
    let silent = Shown::Silence("nothing answered".to_owned());
    let case = told(dialled(case), 1, silent).with(|observed| {
        let before = answered.then(|| (endpoint(), now() - hours(20)));
        observed.proofs.answered.extend(before);
    });
    assert_eq!(evicted(&case).as_deref(), next);
    if answered {
        let rolled_out = case.message("RolledOut");
        assert!(
            rolled_out.contains("handshake has shown that coturn-1"),
            "{rolled_out}"
        );
        assert!(rolled_out.contains("nothing answered"), "{rolled_out}");
    }
}

#[test]
fn of_two_pods_that_serve_another_one_goes_after_the_other() {
    let case = by(RolloutStrategy::PodByPod, replaced(replaced(Sts::of(2)))).reported();
    let other = Shown::Leaf(crate::support::fingerprint(77));
    let case = told(told(dialled(case), 0, other.clone()), 1, other);
    let noted = case.with_store(|stored| {
        stored.state.distrusted = vec![Distrusted {
            pod: "coturn-0".to_owned(),
            uid: "coturn-0".to_owned(),
        }];
    });
    assert_eq!(evicted(&noted).as_deref(), Some("coturn-0"));
}

#[test]
fn who_was_not_ready_before_holds_nobody_back() {
    let broken = |pod: &mut plan::rollout::Pod| pod.ready_since = None;
    let sts = outdated(Sts::of(2)).pod_with(minutes(50), broken);
    let case = dialled(by(RolloutStrategy::PodByPod, sts));
    assert_eq!(evicted(&case), None);
    let known = case.with_store(|stored| stored.state.ailing = vec!["coturn-1".to_owned()]);
    assert_eq!(evicted(&known).as_deref(), Some("coturn-0"));
}

/// The certificate before was put back a minute ago, and coturn serves the one that it had loaded since it
/// started.
fn put_back(strategy: RolloutStrategy) -> Case {
    let rejected = crate::support::fingerprint(77);
    let case = dialled(by(strategy, Sts::of(1).pod(minutes(50)))).with_store(|stored| {
        let log = |held, ago| plan::publication::Publication {
            held,
            from: now() - ago,
        };
        let leaf = plan::publication::Held::Leaf;
        let of = |leaf_of, ago| log(leaf(leaf_of), minutes(ago));
        stored.state.log = stored
            .state
            .log
            .with(of(rejected, 30))
            .with(of(current().leaf.fingerprint, 1));
        stored.state.distrusted = vec![Distrusted {
            pod: "coturn-0".to_owned(),
            uid: "coturn-0".to_owned(),
        }];
    });
    told(case, 0, Shown::Leaf(rejected))
}

#[test]
fn who_is_seen_to_have_a_reloader_is_given_the_time_that_a_kubelet_takes() {
    let case = put_back(RolloutStrategy::PodByPod);
    assert_eq!(decided(&case, now()), None);
    let due = decided(&case, now() + minutes(2));
    assert!(matches!(due, Some(Action::EvictPod { .. })), "{due:?}");
}

#[test]
fn a_kubelet_is_hurried_for_what_was_put_back_as_well() {
    let case = put_back(RolloutStrategy::Reload).with(|observed| {
        let Some(Workload::Present(live)) = &mut observed.workload else {
            panic!("no workload");
        };
        live.touches = Touches::Allowed;
    });
    let due = decided(&case, now() - SignedDuration::from_secs(30));
    assert!(matches!(due, Some(Action::TouchPod { .. })), "{due:?}");
}

/// Nobody dials it, so no handshake will ever tell.
#[test]
fn a_pod_that_is_never_ready_is_not_waited_for_without_end() {
    let broken = |pod: &mut plan::rollout::Pod| pod.ready_since = None;
    let case = reloaded(Sts::of(1).pod_with(hours(50), broken));
    assert_eq!(case.condition("RolledOut"), "False RolloutStuck");
}

#[test]
fn a_certificate_is_not_issued_while_handshakes_are_to_tell_who_took_the_last_one_up() {
    let case = reloaded(outdated(Sts::of(1))).with(|observed| {
        observed.resource.renew = Some("again".to_owned());
    });
    assert_eq!(case.issues(), None);
    assert_eq!(case.condition("Issued"), "False RolloutInProgress");
}

/// A certificate that was published so long ago, and for so long nobody is let go for it.
fn not_let_go(published: SignedDuration, refused: SignedDuration) -> Case {
    let sts = outdated(Sts::of(2)).pod(hours(50)).with(|live| {
        live.refused = Some(plan::Refusal {
            reason: api::Reason::DisruptionBudget,
            message: "not at this moment".to_owned(),
        });
        live.refused_since = Some(now() - refused);
    });
    by(RolloutStrategy::PodByPod, sts)
        .with_store(|stored| stored.state.log = crate::support::log_since(now() - published))
        .with_published(|it| it.written = now() - published)
        .reported()
}

#[test]
fn a_disruption_budget_that_takes_its_time_leaves_a_certificate_ready() {
    let case = not_let_go(hours(10), hours(10));
    assert_eq!(case.condition("RolledOut"), "False DisruptionBudget");
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn a_disruption_budget_that_lets_nobody_go_for_a_day_never_will() {
    for (published, refused) in [(23, 23), (40, 23), (23, 40)] {
        let case = not_let_go(hours(published), hours(refused));
        assert_eq!(case.condition("Ready"), "True Ready");
    }
    let case = not_let_go(hours(24), hours(24));
    assert_eq!(case.condition("RolledOut"), "False RolloutStuck");
    assert_eq!(case.condition("Ready"), "False RolloutStuck");
    assert_eq!(case.condition("Stalled"), "True RolloutStuck");
    let told = case.message("RolledOut");
    assert!(
        told.contains("has to be changed: not at this moment"),
        "{told}"
    );
}
