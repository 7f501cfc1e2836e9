//! Names by ordinal: growth adds names, shrinkage takes none back.

use api::{OrdinalDnsNames, OrdinalNames, Ordinals, Reason, Trigger};
use plan::{
    rollout::Workload,
    store::{Asked, StoreState},
};
use rstest::rstest;

use crate::support::{Case, Sts, hours, minutes, now, refusal, terminating};

pub fn names(start: Option<u32>, count: Option<u32>) -> OrdinalNames {
    let spec = OrdinalDnsNames {
        template: "coturn-{ordinal}.example.com".to_owned(),
        start,
        count,
    };
    OrdinalNames::parse(&spec, 1).unwrap()
}

pub const fn run(start: u32, count: u32) -> Ordinals {
    Ordinals { start, count }
}

/// A workload of so many pods, all of which are current.
pub fn pods(replicas: i32) -> Sts {
    (0..replicas).fold(Sts::of(replicas), |sts, _| sts.pod(minutes(50)))
}

/// A certificate with names for two pods, in service on both.
pub fn two() -> Case {
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
    let state = StoreState::unknown(None, Asked::default());
    let recorded = renewed.0.with_the_workload(state, Trigger::Requested);
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
