//! Whether a rolling restart ends before the certificate that it replaces.

use api::RolloutStrategy;
use jiff::SignedDuration;
use plan::{
    certificate::too_late,
    rollout::{Stage, longest_rollout},
};
use rstest::rstest;

use crate::support::{Case, Sts, fingerprint, hours, minutes, now, pair, terminating, waiting};

/// As in Wire's chart.
const HALF_A_DAY: SignedDuration = SignedDuration::from_secs(43_200);

fn slow(replicas: i32) -> Sts {
    (0..replicas).fold(Sts::of(replicas), |sts, _| {
        sts.pod(minutes(50))
            .with(|live| live.grace_period = HALF_A_DAY)
    })
}

fn with_renew_before(sts: Sts, renew_before: SignedDuration) -> Case {
    Case::converged()
        .with_workload(sts)
        .with(|it| it.resource.wanted.renew_before = renew_before)
}

#[test]
fn a_rollout_may_take_all_of_each_pods_grace_period() {
    let expected = hours(36) + minutes(3);
    assert_eq!(longest_rollout(&slow(3).0), expected);
    assert_eq!(longest_rollout(&Sts::of(0).0), SignedDuration::ZERO);
}

#[rstest]
#[case::the_default(hours(720), None)]
#[case::just_enough(hours(36) + minutes(3), None)]
#[case::a_minute_less(hours(36) + minutes(2), Some("set spec.renewBefore to at least 36h3m"))]
#[case::far_too_short(hours(1), Some("set spec.renewBefore to at least 36h3m"))]
fn a_renewal_that_begins_too_late_names_the_smallest_renew_before_that_suffices(
    #[case] renew_before: SignedDuration,
    #[case] expected: Option<&str>,
) {
    let case = with_renew_before(slow(3), renew_before);
    let told = too_late(&case.0);
    assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
    let told = told.unwrap_or_default();
    assert!(told.ends_with(expected.unwrap_or_default()), "{told}");
    assert!(!told.contains("spec.duration"), "{told}");
    assert!(expected.is_none() || told.contains("terminationGracePeriodSeconds 43200"));
}

#[rstest]
#[case(RolloutStrategy::PodByPod, true)]
#[case(RolloutStrategy::Reload, true)]
#[case(RolloutStrategy::None, false)]
fn pods_that_go_one_by_one_take_as_long(#[case] strategy: RolloutStrategy, #[case] told: bool) {
    let case =
        with_renew_before(slow(3), hours(1)).with(|it| it.resource.wanted.strategy = strategy);
    assert_eq!(too_late(&case.0).is_some(), told);
}

/// In service: a certificate that is valid for two days.
fn of_two_days(duration: SignedDuration) -> Case {
    let short = pair(1, now() - hours(1), now() + hours(47));
    with_renew_before(slow(3), hours(720).min(duration / 3))
        .with(|it| it.resource.wanted.duration = duration)
        .with_store(|it| it.current = short.clone())
        .with_published(|it| it.pair = Some(short.clone()))
}

#[test]
fn of_a_short_certificate_only_a_third_counts_and_a_longer_duration_is_asked_for() {
    let told = too_late(&of_two_days(hours(48)).0).unwrap();
    assert!(told.contains("only 16h before"), "{told}");
    assert!(
        told.contains("spec.renewBefore to at least 36h3m"),
        "{told}"
    );
    assert!(told.contains("spec.duration to at least 108h9m"), "{told}");
}

#[test]
fn a_certificate_that_its_ca_cut_short_is_not_blamed_on_the_specification() {
    let told = too_late(&of_two_days(hours(8760)).0).unwrap();
    assert!(!told.contains("spec."), "{told}");
    assert!(told.contains("valid for at least 108h9m"), "{told}");
}

#[test]
fn the_warning_stands_in_rolled_out_until_it_is_mended_and_leaves_ready_as_it_is() {
    let case = with_renew_before(slow(3), hours(24)).reported();
    assert_eq!(case.condition("Ready"), "True Ready");
    assert_eq!(case.condition("RolledOut"), "True RolledOut");
    assert!(case.message("RolledOut").contains("spec.renewBefore"));
    assert_eq!(case.action(), None);

    let rolling = case.clone().with(|it| {
        let rolling = slow(3).with(|live| waiting(&mut live.pods[0]));
        it.workload = Some(rolling.observed());
    });
    assert!(rolling.message("RolledOut").contains("spec.renewBefore"));

    let mended = case.with(|it| it.resource.wanted.renew_before = hours(48));
    assert!(!mended.message("RolledOut").contains("spec.renewBefore"));
}

#[rstest]
#[case::nothing_is_restarted(|case: Case| case.with(|it| it.resource.wanted.strategy = RolloutStrategy::None))]
#[case::the_user_replaces_pods(|case: Case| case.with(|it| it.workload = Some(slow(3).with(|live| live.replacement = plan::rollout::Replacement::OnDelete).observed())))]
#[case::not_mounted(|case: Case| case.with(|it| it.workload = Some(slow(3).with(|live| live.mounts.clear()).observed())))]
#[case::no_workload(|case: Case| case.with(|it| it.workload = None))]
fn there_is_no_warning_where_the_operator_makes_no_rollout(#[case] change: fn(Case) -> Case) {
    let case = change(with_renew_before(slow(3), hours(1)));
    assert_eq!(too_late(&case.0), None);
}

/// One of three pods was replaced; the next one drains since it was asked to end.
fn draining_for(drained: SignedDuration) -> Stage {
    let asked = now() - drained;
    let sts = slow(3).stamped(fingerprint(1)).with(|live| {
        live.changed = asked - hours(13);
        live.update_revision = Some("2".to_owned());
        for pod in &mut live.pods {
            pod.created = asked - hours(20);
            pod.ready_since = Some(pod.created);
        }
        terminating(asked + HALF_A_DAY)(&mut live.pods[1]);
        live.pods[2].revision = Some("2".to_owned());
        live.pods[2].created = asked - minutes(1);
        live.pods[2].ready_since = Some(asked);
    });
    let case = Case::converged().with_workload(sts).with_store(|it| {
        it.state.log =
            plan::publication::PublicationLog::starting_with(plan::publication::Publication {
                held: plan::publication::Held::Leaf(fingerprint(1)),
                from: asked - hours(13),
            });
    });
    case.0.progress(now()).unwrap().stage
}

#[rstest]
#[case::at_once(minutes(0), Stage::UnderWay)]
#[case::long_after_the_budget_of_other_steps(hours(1), Stage::UnderWay)]
#[case::in_the_last_minute_of_its_grace_period(hours(12) - minutes(1), Stage::UnderWay)]
#[case::in_the_budget_after_it(hours(12) + minutes(9), Stage::UnderWay)]
#[case::after_both(hours(12) + minutes(10), Stage::Stuck)]
fn a_pod_that_drains_for_half_a_day_is_not_stuck(
    #[case] drained: SignedDuration,
    #[case] expected: Stage,
) {
    assert_eq!(draining_for(drained), expected);
}
