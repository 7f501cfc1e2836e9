//! What growth does to pods: who has a name in what it serves stays, who lacks one is restarted.

use std::collections::BTreeSet;

use api::{Fingerprint, Trigger};
use plan::{
    certificate::{Store, plan},
    publication::{Held, Publication},
    rollout::{SingleRestarts, Stage},
    store::Grown,
};
use proptest::prelude::*;

use crate::{
    ordinals::{names, pods, run, two},
    support::{Case, Cluster, Sts, current, fingerprint, hours, minutes, now},
};

/// The certificate of [`two`] was replaced half an hour ago by one with a third name.
fn grown(sts: Sts) -> Case {
    let before = current().leaf;
    let case = two()
        .with(|it| it.workload = Some(sts.observed()))
        .with_store(|it| {
            let mut third = it.current.clone();
            third.leaf.fingerprint = fingerprint(2);
            third.digest = crate::support::pair(2, now(), now()).digest;
            it.current = third;
            it.state.ordinals = Some(run(0, 3));
            it.state.grown_from = vec![Grown {
                leaf: fingerprint(1),
                ordinals: run(0, 2),
                not_before: before.not_before,
                not_after: before.not_after,
            }];
            it.state.log = it.state.log.with(Publication {
                held: Held::Leaf(fingerprint(2)),
                from: now() - minutes(30),
            });
        });
    let content = case.0.content_to_issue();
    case.with_store(|it| it.current.leaf.content = Some(content.clone()))
        .with(|it| {
            let Store::Present(stored) = &it.store else {
                panic!("no store")
            };
            let pair = stored.current.clone();
            it.published =
                crate::support::present(crate::support::published(Some(pair), now() - minutes(30)));
        })
        .reported()
}

fn progress(case: &Case) -> (Stage, i32, Vec<String>) {
    let progress = case.0.progress(now()).unwrap();
    let lacking = progress.not_current.into_iter().map(|(pod, _)| pod);
    (progress.stage, progress.current, lacking.collect())
}

#[test]
fn pods_whose_name_was_in_the_certificate_before_stay_and_are_current() {
    let case = grown(pods(2).with(|live| live.replicas = 3).pod(minutes(20)));
    assert_eq!(progress(&case), (Stage::Done, 3, vec![]));
    assert_eq!(case.condition("Ready"), "True Ready");
    let told = case.message("RolledOut");
    assert!(
        told.contains("2 of them with an earlier certificate"),
        "{told}"
    );
}

#[test]
fn a_pod_whose_name_was_not_in_it_is_not_current_and_is_told_of() {
    let case = grown(pods(3));
    assert_eq!(
        progress(&case),
        (Stage::RestartNeeded, 2, vec!["coturn-2".to_owned()])
    );
    assert_eq!(case.condition("Ready"), "False RestartNeeded");
    let told = case.message("RolledOut");
    assert!(
        told.contains("coturn-2 serves a certificate that lacks its own name"),
        "{told}"
    );
    assert!(told.contains("restartPods=true"), "{told}");
}

#[test]
fn a_pod_that_may_have_read_the_certificate_without_its_name_is_unknown() {
    let edge = pods(2).with(|live| live.replicas = 3).pod(minutes(30));
    assert_eq!(progress(&grown(edge)).0, Stage::Unknown);
}

fn allowed() -> Cluster {
    let sts = Sts::of(2).with(|live| live.single_restarts = SingleRestarts::Allowed);
    let case = Case::fresh().with_workload(sts).with(|it| {
        it.resource.wanted.ordinals = Some(names(None, None));
        it.resource.wanted.duration = hours(300);
        it.resource.wanted.renew_before = hours(30);
    });
    let mut cluster = Cluster::of(case);
    assert!(cluster.rests_within(40));
    cluster
}

fn done(cluster: &Cluster) -> bool {
    let progress = cluster.truth.progress(cluster.clock).unwrap();
    progress.stage == Stage::Done
}

fn uids(cluster: &mut Cluster) -> BTreeSet<String> {
    let pods = cluster.pods();
    pods.into_iter().map(|pod| pod.version.uid).collect()
}

#[test]
fn growth_is_one_certificate_and_restarts_at_most_the_new_pod() {
    let mut cluster = allowed();
    let before = uids(&mut cluster);
    cluster.clock += hours(1);
    cluster.scale(3);
    assert!(cluster.rests_within(40));
    assert!(done(&cluster));
    assert_eq!(
        cluster.issued,
        [Trigger::DoesNotExist, Trigger::ReplicasGrew]
    );
    assert!(cluster.stamped.is_empty());
    assert!(uids(&mut cluster).is_superset(&before));
    let serves = cluster.serves["coturn-2"];
    assert_eq!(serves, cluster.wrote_last());
}

#[test]
fn a_new_pod_that_started_before_its_name_was_in_the_certificate_is_restarted_alone() {
    let mut cluster = allowed();
    cluster.clock += hours(1);
    cluster.scale(3);
    // The operator is away until the pod runs.
    while cluster.kubernetes_steps() {}
    cluster.clock += hours(1);
    assert!(cluster.rests_within(40));
    assert!(done(&cluster));
    assert_eq!(cluster.restarted, ["coturn-2"]);
    assert!(cluster.stamped.is_empty());
}

#[test]
fn at_the_renewal_time_of_the_certificate_before_the_usual_rollout_brings_all_pods_on() {
    let mut cluster = allowed();
    cluster.clock += hours(100);
    cluster.scale(3);
    assert!(cluster.rests_within(40));
    assert!(cluster.stamped.is_empty());
    let Some(until) = cluster.truth.progress(cluster.clock).unwrap().next_check else {
        panic!("nobody looks again")
    };
    cluster.clock = until - minutes(1);
    assert!(cluster.rests_within(40));
    assert!(done(&cluster) && cluster.stamped.is_empty());
    cluster.clock = until;
    assert!(!done(&cluster));
    assert!(cluster.rests_within(40));
    assert!(done(&cluster));
    let serving: BTreeSet<_> = cluster.serves.values().copied().collect();
    assert_eq!(serving, [cluster.wrote_last()].into());
    assert_eq!((cluster.stamped.len(), cluster.issued.len()), (1, 2));
}

/// The names in the certificate that a pod serves.
fn names_own(cluster: &Cluster, issued: &[(Fingerprint, BTreeSet<String>)]) -> bool {
    let names = names(None, None);
    cluster.serves.iter().all(|(pod, leaf)| {
        let ordinal = pod.rsplit_once('-').unwrap().1.parse().unwrap();
        let known = issued.iter().find(|(it, _)| Some(*it) == *leaf);
        known.is_some_and(|(_, names_of)| names_of.contains(&names.name(ordinal)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn however_it_is_scaled_each_pod_ends_up_with_its_name_and_none_is_restarted_that_had_it(
        sizes in prop::collection::vec((1_i32..7, 0_usize..4), 1..6),
    ) {
        let mut cluster = allowed();
        let mut issued = Vec::new();
        let mut most = 2;
        for (replicas, steps) in sizes {
            cluster.clock += hours(1);
            cluster.scale(replicas);
            // Kubernetes is so much faster than the operator.
            for _ in 0..steps {
                cluster.kubernetes_steps();
            }
            let before = cluster.issued.len();
            let restarted = cluster.restarted.len();
            prop_assert!(cluster.rests_within(80));
            prop_assert_eq!(cluster.issued.len() - before, usize::from(replicas > most));
            let too_old = |pod: &String| pod.rsplit_once('-').unwrap().1.parse::<i32>().unwrap() < most;
            prop_assert!(!cluster.restarted[restarted..].iter().any(too_old), "{:?}", cluster.restarted);
            most = most.max(replicas);
            let leaf = &cluster.truth.stored().unwrap().current.leaf;
            issued.push((leaf.fingerprint, leaf.content.clone().unwrap().dns_names));
            if issued.len() == 1 {
                let first = cluster.truth.stored().unwrap().previous.clone();
                issued.extend(first.map(|it| (it.leaf.fingerprint, it.leaf.content.unwrap().dns_names)));
            }
            prop_assert!(done(&cluster), "{:?}", cluster.truth.progress(cluster.clock));
            prop_assert!(names_own(&cluster, &issued));
        }
        prop_assert!(cluster.stamped.is_empty());
        let idle = plan(&cluster.truth, cluster.clock).action;
        prop_assert_eq!(idle, None);
    }
}
