//! Names by ordinal: growth adds names and restarts only who lacks one, shrinkage changes nothing.

use std::collections::BTreeSet;

use api::{Fingerprint, OrdinalDnsNames, OrdinalNames, Ordinals, Reason, Trigger};
use plan::{
    certificate::{Store, plan},
    publication::{Held, Publication},
    rollout::{SingleRestarts, Stage, Workload},
    store::{Grown, StoreState},
};
use proptest::prelude::*;
use rstest::rstest;

use crate::support::{
    Case, Cluster, Sts, current, fingerprint, hours, minutes, now, refusal, terminating,
};

fn names(start: Option<u32>, count: Option<u32>) -> OrdinalNames {
    let spec = OrdinalDnsNames {
        template: "coturn-{ordinal}.example.com".to_owned(),
        start,
        count,
    };
    OrdinalNames::parse(&spec, 1).unwrap()
}

const fn run(start: u32, count: u32) -> Ordinals {
    Ordinals { start, count }
}

/// A workload of so many pods, all of which are current.
fn pods(replicas: i32) -> Sts {
    (0..replicas).fold(Sts::of(replicas), |sts, _| sts.pod(minutes(50)))
}

/// A certificate with names for two pods, in service on both.
fn two() -> Case {
    let case = Case::converged()
        .with_workload(pods(2))
        .with(|it| it.resource.wanted.ordinals = Some(names(None, None)))
        .with_store(|it| it.state.ordinals = Some(run(0, 2)));
    let named = case.0.content_to_issue();
    case.with_store(|it| it.current.leaf.content = Some(named.clone()))
        .reported()
}

fn with_replicas(case: Case, replicas: i32) -> Case {
    case.with(|it| it.workload = Some(pods(replicas).observed()))
}

/// The ordinals among the names of the certificate that would be issued.
fn named(case: &Case) -> Vec<u32> {
    let names = names(None, None);
    let wanted = case.0.content_to_issue().dns_names;
    (0..200)
        .filter(|it| wanted.contains(&names.name(*it)))
        .collect()
}

#[test]
fn a_certificate_with_a_name_for_each_pod_is_ready() {
    assert_eq!(two().issues(), None);
    assert_eq!(two().condition("Ready"), "True Ready");
}

#[test]
fn growth_adds_names() {
    let grown = with_replicas(two(), 4);
    assert_eq!(grown.issues(), Some(Trigger::ReplicasGrew));
    assert_eq!(named(&grown), [0, 1, 2, 3]);
}

#[test]
fn shrinkage_changes_nothing() {
    for replicas in [1, 0] {
        let shrunk = with_replicas(two(), replicas);
        assert_eq!(shrunk.issues(), None);
        assert_eq!(named(&shrunk), [0, 1]);
    }
}

#[test]
fn a_renewal_names_the_most_replicas_seen() {
    let renewed = with_replicas(two(), 1).with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(renewed.issues(), Some(Trigger::Requested));
    assert_eq!(named(&renewed), [0, 1]);
    let state = StoreState::unknown(None, None);
    let recorded = renewed.0.with_ordinals(state, Trigger::Requested);
    assert_eq!(recorded.ordinals, Some(run(0, 2)));
    assert_eq!(recorded.grown_from, []);
}

#[rstest]
#[case::another_template(|case: Case| case.with(|it| {
    let spec = OrdinalDnsNames { template: "turn-{ordinal}.example.com".to_owned(), start: None, count: None };
    it.resource.wanted.ordinals = Some(OrdinalNames::parse(&spec, 1).unwrap());
}))]
#[case::a_count(|case: Case| case.with(|it| it.resource.wanted.ordinals = Some(names(None, Some(3)))))]
#[case::a_smaller_count(|case: Case| case.with(|it| it.resource.wanted.ordinals = Some(names(None, Some(1)))))]
#[case::another_start(|case: Case| case.with(|it| it.resource.wanted.ordinals = Some(names(Some(1), None))))]
#[case::no_names_by_ordinal(|case: Case| case.with(|it| it.resource.wanted.ordinals = None))]
#[case::another_name_beside_growth(|case: Case| with_replicas(case, 3).with(|it| {
    it.resource.wanted.content.dns_names.insert("b.example.com".to_owned());
}))]
fn a_change_of_the_specification_is_one(#[case] change: fn(Case) -> Case) {
    assert_eq!(change(two()).issues(), Some(Trigger::SpecChanged));
}

#[test]
fn names_by_ordinal_that_are_asked_for_anew_are_a_change_of_the_specification() {
    let case = Case::converged()
        .with_workload(pods(2))
        .with(|it| it.resource.wanted.ordinals = Some(names(None, None)));
    assert_eq!(case.issues(), Some(Trigger::SpecChanged));
}

#[test]
fn where_no_record_tells_the_certificate_tells_how_many_there_were() {
    let lost = with_replicas(two(), 1).with_store(|it| it.state.ordinals = None);
    assert_eq!(lost.issues(), None);
    let grown = with_replicas(lost, 3);
    assert_eq!(grown.issues(), Some(Trigger::ReplicasGrew));
}

#[test]
fn a_count_is_kept_whatever_the_replicas_are() {
    let counted = |replicas| {
        let case = with_replicas(two(), replicas)
            .with(|it| it.resource.wanted.ordinals = Some(names(None, Some(2))));
        assert_eq!(named(&case), [0, 1]);
        case
    };
    for replicas in [0, 1, 2, 5] {
        assert_eq!(counted(replicas).issues(), None);
    }
    assert!(!counted(2).message("Issued").contains("coturn"));
    let told = counted(5).message("Issued");
    assert!(
        told.contains("names 2 of 5 pods: coturn-2.example.com"),
        "{told}"
    );
}

#[test]
fn the_first_ordinal_is_that_of_the_workload_unless_the_resource_says() {
    let from_five = |names| {
        let sts = pods(2).with(|live| live.first_ordinal = 5);
        Case::fresh()
            .with_workload(sts)
            .with(|it| it.resource.wanted.ordinals = Some(names))
    };
    assert_eq!(named(&from_five(names(None, None))), [5, 6]);
    assert_eq!(named(&from_five(names(None, Some(3)))), [5, 6, 7]);
    assert_eq!(named(&from_five(names(Some(1), None))), [1, 2]);
}

#[test]
fn a_workload_whose_numbers_moved_keeps_the_names_that_were_issued() {
    let moved = two().with(|it| {
        it.workload = Some(pods(2).with(|live| live.first_ordinal = 3).observed());
    });
    assert_eq!(moved.issues(), Some(Trigger::ReplicasGrew));
    assert_eq!(named(&moved), [0, 1, 2, 3, 4]);
}

#[test]
fn no_certificate_has_more_than_a_hundred_names_and_the_status_says_so() {
    let crowd = with_replicas(two(), 120);
    assert_eq!(crowd.0.content_to_issue().dns_names.len(), 100);
    let content = crowd.0.content_to_issue();
    let issued = crowd.with_store(|it| it.current.leaf.content = Some(content.clone()));
    assert_ne!(issued.issues(), Some(Trigger::ReplicasGrew));
    let told = issued.message("Issued");
    assert!(
        told.contains("at most 100 names: coturn-99.example.com"),
        "{told}"
    );
}

fn first_issuance(workload: Workload) -> Case {
    Case::fresh().with_workload(pods(0)).with(|it| {
        it.resource.wanted.ordinals = Some(names(None, None));
        it.workload = Some(workload);
    })
}

#[test]
fn nothing_is_issued_before_anybody_knows_how_many_pods_there_are() {
    let missing = first_issuance(Workload::Missing);
    assert_eq!(missing.issues(), None);
    assert_eq!(missing.condition("Issued"), "False WorkloadNotFound");
    let told = missing.message("Issued");
    assert!(
        told.contains("StatefulSet wire/coturn does not exist"),
        "{told}"
    );
    let unreadable = first_issuance(Workload::Unreadable(refusal(Reason::Forbidden)));
    assert_eq!(unreadable.condition("Issued"), "False Forbidden");
    let counted = missing.with(|it| it.resource.wanted.ordinals = Some(names(None, Some(2))));
    assert_eq!(counted.issues(), Some(Trigger::DoesNotExist));
}

#[test]
fn a_workload_without_pods_has_a_name_for_its_first() {
    let case = first_issuance(pods(0).observed());
    assert_eq!(case.issues(), Some(Trigger::DoesNotExist));
    assert_eq!(named(&case), [0]);
}

#[rstest]
#[case::gone(Some(Workload::Missing))]
#[case::not_to_be_read(Some(Workload::Unreadable(refusal(Reason::ApiUnavailable))))]
#[case::not_looked_at(None)]
fn a_workload_that_is_not_seen_takes_nothing_back_and_makes_nothing_due(
    #[case] workload: Option<Workload>,
) {
    let unseen = two().with(|it| it.workload = workload);
    assert_eq!(named(&unseen), [0, 1]);
    assert!(!unseen.0.is_pending(now()));
}

#[test]
fn growth_waits_for_no_rollout() {
    let rolling = pods(2).with(|live| {
        live.replicas = 3;
        terminating(now() + hours(1))(&mut live.pods[0]);
    });
    let grown = two().with(|it| it.workload = Some(rolling.observed()));
    assert_eq!(grown.issues(), Some(Trigger::ReplicasGrew));
}

#[test]
fn a_request_beside_growth_is_one_certificate_for_all_pods() {
    let asked = with_replicas(two(), 2).with(|it| {
        it.resource.renew = Some("a".to_owned());
        it.workload = Some(pods(2).with(|live| live.first_ordinal = 1).observed());
    });
    assert_eq!(asked.issues(), Some(Trigger::Requested));
    assert_eq!(named(&asked), [0, 1, 2]);
}

#[test]
fn growth_does_not_wait_for_what_a_request_waits_for_and_does_not_answer_it() {
    let asked = with_replicas(two(), 2).with(|it| {
        it.resource.renew = Some("a".to_owned());
        let rolling = pods(2).with(|live| {
            live.replicas = 3;
            terminating(now() + hours(1))(&mut live.pods[0]);
        });
        it.workload = Some(rolling.observed());
    });
    assert_eq!(asked.issues(), Some(Trigger::ReplicasGrew));
    assert_eq!(asked.0.answered_by(Trigger::ReplicasGrew), None);
    assert_eq!(asked.0.answered_by(Trigger::Requested), Some("a"));
}

#[test]
fn a_certificate_that_lacks_names_is_not_ready() {
    let grown = with_replicas(two(), 3).with(|it| it.failed = None);
    let blocked = grown.with(|it| {
        it.authority = plan::certificate::Authority::Unusable(refusal(Reason::AuthorityExpired));
    });
    assert_eq!(blocked.condition("Ready"), "False AuthorityExpired");
}

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
