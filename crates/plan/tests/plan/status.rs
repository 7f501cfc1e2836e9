//! What the status says, and that it is written only when it says something else.

use api::{CoturnCertificateStatus, Reason};
use jiff::{SignedDuration, Timestamp};
use plan::{
    certificate::{Action, Authority, plan, unusable_status},
    publication::PublicationLog,
};
use proptest::prelude::*;
use rstest::rstest;

use crate::support::{Case, Sts, done, draining, fingerprint, hours, minutes, now, pair, refusal};

fn transition(case: &Case, kind: &str) -> Timestamp {
    let conditions = case.status().conditions;
    let condition = conditions.iter().find(|it| it.type_ == kind).unwrap();
    condition.last_transition_time.0
}

/// The status was written that long ago.
fn reported_before(case: Case, ago: SignedDuration) -> Case {
    let Some(Action::WriteStatus(status)) = plan(&case.0, now() - ago).action else {
        panic!("{:?}", case.action())
    };
    case.with(|it| it.resource.status = *status)
}

fn unreported(case: Case) -> Case {
    case.with(|it| it.resource.status = CoturnCertificateStatus::default())
}

#[test]
fn a_status_that_is_stored_already_is_not_written_again() {
    let case = reported_before(unreported(Case::converged()), hours(1));
    assert_eq!(case.action(), None);
}

#[test]
fn a_changed_fact_is_written() {
    let case = Case::converged()
        .with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityMissing)));
    assert!(matches!(case.action(), Some(Action::WriteStatus(_))));
}

#[test]
fn a_condition_keeps_its_transition_time_while_its_status_stays() {
    let case = reported_before(unreported(Case::converged()), hours(1))
        .with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityMissing)));
    assert_eq!(transition(&case, "Ready"), now() - hours(1));
    assert_eq!(transition(&case, "Issued"), now());
}

#[test]
fn a_changed_reason_alone_is_no_transition() {
    let unusable = |reason| Authority::Unusable(refusal(reason));
    let missing = Case::fresh().with(|it| it.authority = unusable(Reason::AuthorityMissing));
    let case = reported_before(missing, hours(1))
        .with(|it| it.authority = unusable(Reason::AuthorityExpired));
    assert_eq!(case.condition("Issued"), "False AuthorityExpired");
    assert_eq!(transition(&case, "Issued"), now() - hours(1));
}

#[test]
fn every_condition_speaks_of_the_generation_that_was_looked_at() {
    let status = Case::converged()
        .with(|it| it.resource.generation = 7)
        .status();
    assert_eq!(status.observed_generation, Some(7));
    assert!(
        status
            .conditions
            .iter()
            .all(|it| it.observed_generation == Some(7))
    );
}

#[test]
fn a_realised_resource_neither_reconciles_nor_stalls() {
    let case = Case::converged().with_workload(done());
    assert_eq!(case.condition("Ready"), "True Ready");
    assert_eq!(case.condition("Reconciling"), "False Realised");
    assert_eq!(case.condition("Stalled"), "False Realised");
}

#[test]
fn a_first_rollout_reconciles_and_is_not_ready() {
    let case = unreported(Case::converged()).with_workload(draining());
    assert_eq!(case.condition("Ready"), "False RollingOut");
    assert_eq!(case.condition("Reconciling"), "True InProgress");
}

#[test]
fn a_rollout_of_a_renewal_stays_ready_and_tells_of_itself_in_rolled_out() {
    let case = Case::converged()
        .with_workload(done())
        .reported()
        .with_workload(draining());
    assert_eq!(case.condition("Ready"), "True Ready");
    assert_eq!(case.condition("RolledOut"), "False RollingOut");
    assert_eq!(case.condition("Reconciling"), "False Realised");
}

#[test]
fn a_rollout_that_comes_after_the_expiry_is_not_ready_before_its_end() {
    let case = Case::converged()
        .with_store(|it| it.previous.as_mut().unwrap().leaf.not_after = now() - hours(1))
        .with_workload(done())
        .reported()
        .with_workload(draining());
    assert_eq!(case.condition("Ready"), "False RollingOut");
    assert!(case.message("Ready").contains("not known to be valid"));
}

#[test]
fn a_rollout_of_a_changed_spec_reconciles() {
    let case = Case::converged()
        .reported()
        .with_workload(draining())
        .with(|it| it.resource.generation = 2);
    assert_eq!(case.condition("Ready"), "False RollingOut");
    assert_eq!(case.condition("Reconciling"), "True InProgress");
}

#[test]
fn a_changed_spec_that_cannot_be_issued_is_not_ready_and_says_why() {
    let case = Case::converged()
        .with(|it| it.resource.wanted.content.common_name = None)
        .with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityForbids)));
    assert_eq!(case.condition("Ready"), "False AuthorityForbids");
    assert_eq!(case.condition("Stalled"), "True AuthorityForbids");
}

#[rstest]
#[case::of_the_user(Reason::AuthorityMissing, "True AuthorityMissing")]
#[case::of_time(Reason::ApiUnavailable, "False InProgress")]
#[case::of_a_date_to_come(Reason::AuthorityNotYetValid, "False InProgress")]
fn what_only_a_person_can_heal_is_stalled(#[case] reason: Reason, #[case] expected: &str) {
    let case = Case::fresh().with(|it| it.authority = Authority::Unusable(refusal(reason)));
    assert_eq!(case.condition("Stalled"), expected);
}

#[test]
fn a_stuck_rollout_is_stalled_and_not_ready() {
    let stuck = Sts::of(2).stamped(fingerprint(1)).pod(hours(9));
    let case = Case::converged().with_workload(stuck);
    assert_eq!(case.condition("RolledOut"), "False RolloutStuck");
    assert_eq!(case.condition("Ready"), "False RolloutStuck");
    assert_eq!(case.condition("Stalled"), "True RolloutStuck");
}

#[test]
fn an_expired_certificate_is_not_ready_and_says_what_stands_in_the_way() {
    let expired = pair(1, now() - hours(9000), now() - hours(1));
    let case = Case::converged()
        .with_store(|it| it.current = expired.clone())
        .with_published(|it| it.pair = Some(expired.clone()))
        .with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityExpired)));
    assert_eq!(case.condition("Ready"), "False Expired");
    assert!(case.message("Ready").ends_with("; put a renewed CA there"));
}

#[test]
fn a_resource_without_a_workload_is_ready_once_its_certificate_is_published() {
    let case = Case::converged();
    assert_eq!(case.condition("RolledOut"), "True NoWorkload");
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn a_workload_that_cannot_be_read_leaves_it_unknown_whether_pods_are_current() {
    let case = Case::converged().with_workload(done()).with(|it| {
        it.workload = Some(plan::rollout::Workload::Unreadable(refusal(
            Reason::Forbidden,
        )));
    });
    assert_eq!(case.condition("RolledOut"), "Unknown Forbidden");
    assert_eq!(case.condition("Ready"), "Unknown Forbidden");
}

#[test]
fn a_workload_that_does_not_exist_is_told_of() {
    let case = Case::converged()
        .with_workload(done())
        .with(|it| it.workload = Some(plan::rollout::Workload::Missing));
    assert_eq!(case.condition("Ready"), "False WorkloadNotFound");
    assert_eq!(case.condition("Stalled"), "True WorkloadNotFound");
}

#[test]
fn at_most_sixteen_pods_are_named() {
    let many = (0..20).fold(Sts::of(20), |sts, _| sts.pod(hours(50)));
    let rollout = Case::converged()
        .with_workload(many)
        .status()
        .rollout
        .unwrap();
    assert_eq!(
        (rollout.current, rollout.total, rollout.not_current.len()),
        (0, 20, 16)
    );
}

#[test]
fn the_certificate_and_its_renewal_time_are_told() {
    let certificate = Case::converged().status().certificate.unwrap();
    assert_eq!(certificate.fingerprint, fingerprint(1).to_string());
    assert!(certificate.renewal_time.0 < certificate.not_after.0 - hours(719));
    assert_eq!(certificate.dns_names, ["coturn.example.com"]);
}

#[test]
fn a_resource_that_cannot_be_used_keeps_naming_what_is_in_service() {
    let before = Case::converged().status();
    let status = unusable_status(&before, 2, Reason::InvalidSpec, "set dnsNames", now());
    assert_eq!(status.certificate, before.certificate);
    let ready = status
        .conditions
        .iter()
        .find(|it| it.type_ == "Ready")
        .unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "InvalidSpec")
    );
}

#[test]
fn a_certificate_of_the_future_is_not_ready() {
    let future = pair(1, now() + hours(1), now() + hours(8761));
    let case = Case::converged()
        .with_store(|it| it.current = future.clone())
        .with_published(|it| it.pair = Some(future.clone()));
    assert_eq!(case.condition("Ready"), "False NotYetValid");
    assert_eq!(case.condition("Stalled"), "False InProgress");
    assert_eq!(
        plan(&case.0, now() + minutes(30)).next_check,
        now() + hours(1)
    );
}

#[test]
fn pods_that_started_before_a_recovered_log_are_unknown_and_left_alone() {
    let case = Case::converged()
        .with_workload(Sts::of(1).pod(hours(50)))
        .with_store(|it| {
            it.state.log = PublicationLog::recovered(it.state.log.last().unwrap());
        });
    assert_eq!(case.condition("RolledOut"), "Unknown PodUnknown");
    assert_eq!(case.condition("Ready"), "Unknown PodUnknown");
    assert_eq!(case.condition("Stalled"), "True PodUnknown");
}

proptest! {
    #[test]
    fn the_next_look_is_within_the_hour_and_never_in_the_past(
        age in 0_i64..40_000_000,
        lifetime in 3600_i64..40_000_000,
        authority_left in -1000_i64..10_000,
        drains in any::<bool>(),
    ) {
        let not_before = now() - SignedDuration::from_secs(age);
        let dated = pair(1, not_before, not_before + SignedDuration::from_secs(lifetime));
        let case = Case::converged()
            .with_store(|it| it.current = dated)
            .with(|it| {
                if let Authority::Usable(facts) = &mut it.authority {
                    facts.not_after = now() + SignedDuration::from_secs(authority_left);
                }
            })
            .with_workload(if drains { draining() } else { done() });
        let next = case.plan().next_check;
        prop_assert!(next > now() && next <= now() + hours(1));
    }
}

#[test]
fn a_renewal_time_within_the_hour_is_looked_at_on_the_second() {
    let dated = pair(1, now() - hours(8760) + hours(800), now() + hours(800));
    let case = Case::converged()
        .with_store(|it| it.current = dated.clone())
        .with_published(|it| it.pair = Some(dated.clone()));
    let renewal = case.status().certificate.unwrap().renewal_time.0;
    let next = plan(&case.0, renewal - minutes(1)).next_check;
    assert_eq!(next, renewal);
}
