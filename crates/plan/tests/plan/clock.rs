//! Clocks that differ, and clocks that step: nothing is signed by a clock that is off, and what is
//! said of the certificate in service is true by either.

use api::{Reason, Trigger};
use jiff::{SignedDuration, Timestamp};
use plan::certificate::{Authority, plan};
use proptest::prelude::*;
use rstest::rstest;

use crate::support::{Case, Cluster, hours, minutes, now, refusal};

fn ahead(case: Case, ahead: SignedDuration) -> Case {
    case.with(|it| it.clock_ahead = Some(ahead))
}

fn asked() -> Case {
    Case::converged().with(|it| it.resource.renew = Some("a".to_owned()))
}

#[rstest]
#[case::none(SignedDuration::ZERO, Some(Trigger::Requested))]
#[case::within_the_tolerance(minutes(2), Some(Trigger::Requested))]
#[case::within_it_behind(-minutes(2), Some(Trigger::Requested))]
#[case::beyond_it(minutes(2) + SignedDuration::from_secs(1), None)]
#[case::beyond_it_behind(-minutes(2) - SignedDuration::from_secs(1), None)]
#[case::a_day(hours(24), None)]
#[case::ten_years_behind(-hours(87_600), None)]
fn nothing_is_signed_by_a_clock_that_is_off(
    #[case] skew: SignedDuration,
    #[case] expected: Option<Trigger>,
) {
    assert_eq!(ahead(asked(), skew).issues(), expected);
}

#[test]
fn without_a_measurement_certificates_are_signed() {
    assert_eq!(asked().issues(), Some(Trigger::Requested));
}

#[test]
fn a_first_certificate_waits_for_the_clock_and_the_condition_names_both_times() {
    let case = ahead(Case::fresh(), hours(24));
    assert_eq!(case.condition("Issued"), "False ClockSkewed");
    assert_eq!(case.condition("Ready"), "False ClockSkewed");
    assert_eq!(case.condition("Stalled"), "True ClockSkewed");
    let message = case.message("Issued");
    let there = now() - hours(24);
    for part in [now().to_string(), there.to_string(), "Correct".to_owned()] {
        assert!(message.contains(&part), "{part} is missing: {message}");
    }
}

#[test]
fn a_clock_that_is_off_is_told_of_before_a_renewal_is_due_and_leaves_the_certificate_ready() {
    for skew in [hours(5), -hours(1)] {
        let case = ahead(Case::converged(), skew);
        assert_eq!(case.condition("Issued"), "False ClockSkewed");
        assert_eq!(case.condition("Ready"), "True Ready");
    }
}

#[test]
fn an_authority_that_looks_expired_by_a_clock_that_is_off_is_not_blamed() {
    let case = ahead(asked(), hours(87_600))
        .with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityExpired)));
    assert_eq!(case.condition("Issued"), "False ClockSkewed");
}

#[rstest]
#[case::expired_by_the_operators_clock(hours(-1), hours(2))]
#[case::expired_by_the_api_servers(hours(1), hours(-2))]
fn whether_a_certificate_is_valid_is_unknown_where_the_clocks_disagree(
    #[case] left: SignedDuration,
    #[case] skew: SignedDuration,
) {
    let case = ahead(Case::converged(), skew)
        .with_store(|it| it.current.leaf.not_after = now() + left)
        .with_published(|it| it.pair.as_mut().unwrap().leaf.not_after = now() + left);
    assert_eq!(case.condition("Ready"), "Unknown ClockSkewed");
}

#[test]
fn a_certificate_that_has_expired_by_both_clocks_has_expired() {
    let case = ahead(Case::converged(), hours(24))
        .with_store(|it| it.current.leaf.not_after = now() - hours(48));
    assert_eq!(case.condition("Ready"), "False Expired");
}

/// The status as it is once the clocks differed by so much.
fn told(skew: SignedDuration) -> Case {
    ahead(Case::converged(), skew).reported()
}

#[test]
fn a_difference_that_grows_is_told_once() {
    let case = told(minutes(10));
    for grown in [minutes(1), hours(300)] {
        let later = ahead(Case(case.0.clone()), minutes(10) + grown);
        let plan = plan(&later.0, now() + grown);
        assert_eq!(plan.action, None);
        let soon = now() + grown + minutes(1);
        assert!(plan.next_check < soon, "{}", plan.next_check);
    }
}

#[test]
fn a_clock_that_is_corrected_is_looked_at_soon_and_everything_goes_on() {
    let case = ahead(told(hours(24)), SignedDuration::ZERO);
    assert_eq!(case.condition("Issued"), "True Issued");
    let requested = case.with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(requested.issues(), Some(Trigger::Requested));
}

#[test]
fn a_difference_that_moves_about_the_tolerance_is_no_back_and_forth() {
    let case = told(minutes(2) + SignedDuration::from_secs(1));
    for seconds in [119, 121, 61] {
        let case = ahead(Case(case.0.clone()), SignedDuration::from_secs(seconds));
        assert_eq!(case.action(), None, "{seconds} s");
    }
    let mended = ahead(case, minutes(1));
    assert_eq!(mended.condition("Issued"), "True Issued");
}

#[test]
fn a_clock_that_was_ahead_and_is_behind_is_told_of_anew() {
    let case = ahead(told(hours(1)), -hours(1));
    assert!(case.message("Issued").contains("behind"));
}

/// A certificate of three hours without a workload.
fn cluster() -> Cluster {
    let mut cluster = Cluster::of(Case::fresh().with(|observed| {
        observed.resource.wanted.duration = hours(3);
        observed.resource.wanted.renew_before = hours(1);
    }));
    assert!(cluster.rests_within(20));
    cluster
}

/// What the operator does whose clock is ahead by so much, as it measures.
fn works(cluster: &mut Cluster, skew: SignedDuration) {
    for _ in 0..40 {
        let mut seen = cluster.truth.clone();
        seen.clock_ahead = Some(skew);
        let Some(action) = plan(&seen, cluster.clock + skew).action else {
            return;
        };
        cluster.take(&seen, &action).unwrap();
    }
    panic!("it does not come to rest");
}

fn not_after(cluster: &Cluster) -> Timestamp {
    cluster.truth.stored().unwrap().current.leaf.not_after
}

#[test]
fn a_clock_that_steps_forth_and_back_costs_no_certificate() {
    let mut cluster = cluster();
    for skew in [hours(2), hours(100), -hours(100), hours(87_600)] {
        works(&mut cluster, skew);
        works(&mut cluster, SignedDuration::ZERO);
    }
    assert_eq!(cluster.issued, [Trigger::DoesNotExist]);
}

/// Both clocks step, as those of a suspended machine do: nobody can tell that from time.
#[rstest]
#[case::forth_and_back(&[hours(100), -hours(100)], 2)]
#[case::forth_thrice(&[hours(100), hours(100), hours(100)], 4)]
#[case::back(&[-hours(100)], 1)]
fn steps_of_all_clocks_together_cost_at_most_one_certificate_each(
    #[case] steps: &[SignedDuration],
    #[case] issued: usize,
) {
    let mut cluster = cluster();
    for step in steps {
        cluster.clock += *step;
        works(&mut cluster, SignedDuration::ZERO);
    }
    assert_eq!(cluster.issued.len(), issued, "{:?}", cluster.issued);
}

#[test]
fn a_certificate_that_is_not_valid_any_more_after_a_step_back_is_not_called_ready() {
    let mut cluster = cluster();
    cluster.clock += hours(100);
    works(&mut cluster, SignedDuration::ZERO);
    cluster.clock -= hours(100);
    works(&mut cluster, SignedDuration::ZERO);
    let case = Case(cluster.truth.clone());
    let ready = case.0.resource.status.conditions;
    let ready = ready.iter().find(|it| it.type_ == "Ready").unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "NotYetValid")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// Time passes, and the operator's clock is right or anywhere.
    #[test]
    fn whatever_its_clock_says_it_signs_only_what_is_due_and_goes_on_once_the_clock_is_right(
        turns in prop::collection::vec((0_i64..=90, -10_000_i64..=10_000, any::<bool>()), 1..30),
    ) {
        let mut cluster = cluster();
        for (passed, skew, right) in turns {
            cluster.clock += minutes(passed);
            let before = cluster.issued.len();
            let skew = if right { SignedDuration::ZERO } else { minutes(skew) };
            works(&mut cluster, skew);
            let is_off = skew.unsigned_abs() > minutes(2).unsigned_abs();
            prop_assert!(!is_off || cluster.issued.len() == before, "signed by a clock off by {skew:?}");
            prop_assert!(cluster.issued.len() <= before + 1);
            prop_assert!(!right || not_after(&cluster) > cluster.clock);
        }
        works(&mut cluster, SignedDuration::ZERO);
        prop_assert!(not_after(&cluster) > cluster.clock);
        prop_assert_eq!(plan(&cluster.truth, cluster.clock).action, None);
    }
}
