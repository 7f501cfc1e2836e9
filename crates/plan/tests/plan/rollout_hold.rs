//! A rollout under way holds back the next certificate, unless the one in service is unusable.

use api::{Reason, Trigger};
use jiff::SignedDuration;
use plan::{
    certificate::Observed,
    publication::{Held, Publication, PublicationLog},
    rollout::Workload,
};
use rstest::rstest;

use crate::support::{Case, Sts, draining, fingerprint, hours, minutes, now, refusal, version};

fn changed(observed: &mut Observed) {
    observed.resource.wanted.content.common_name = None;
}

fn requested(observed: &mut Observed) {
    observed.resource.renew = Some("a".to_owned());
}

fn due(observed: &mut Observed) {
    observed.resource.wanted.renew_before = hours(8759);
    observed.resource.wanted.duration = hours(20_000);
}

/// Three thousand hours are left, a third of the lifetime is longer than that.
fn old(case: Case) -> Case {
    case.with_store(|it| {
        it.current.leaf.not_before = now() - hours(7000);
        it.current.leaf.not_after = now() + hours(3000);
    })
}

#[rstest]
#[case::spec_changed(changed, Trigger::SpecChanged)]
#[case::requested(requested, Trigger::Requested)]
#[case::renewing(due, Trigger::Renewing)]
fn what_can_wait_waits_for_the_rollout_under_way(
    #[case] change: fn(&mut Observed),
    #[case] trigger: Trigger,
) {
    let rested = old(Case::converged().with(change));
    assert_eq!(rested.issues(), Some(trigger));
    let case = rested.with_workload(draining());
    assert_eq!(case.condition("Issued"), "False RolloutInProgress");
    assert!(case.message("Issued").contains(trigger.as_str()));
}

#[test]
fn a_request_for_another_than_one_of_the_future_does_not_wait_for_a_rollout() {
    let case = Case::converged()
        .with(requested)
        .with_store(|it| it.current.leaf.not_before = now() + hours(1))
        .with_workload(draining());
    assert_eq!(case.issues(), Some(Trigger::Requested));
}

#[test]
fn an_expired_certificate_does_not_wait_for_a_rollout() {
    let case = Case::converged()
        .with_workload(draining())
        .with_store(|it| it.current.leaf.not_after = now() - SignedDuration::from_secs(1));
    assert_eq!(case.issues(), Some(Trigger::Expired));
}

#[test]
fn a_rollout_that_is_stuck_does_not_hold_back_a_certificate() {
    let stuck = Sts::of(2)
        .stamped(fingerprint(1))
        .pod(minutes(50))
        .with(|live| {
            live.changed = now() - hours(5);
        });
    let case = Case::converged().with(requested).with_workload(stuck);
    assert_eq!(case.issues(), Some(Trigger::Requested));
}

/// A rollout is due since that long ago, and was not started.
fn not_started(since: SignedDuration) -> Case {
    Case::converged()
        .with(requested)
        .with_store(|it| {
            it.state.log = PublicationLog::starting_with(Publication {
                held: Held::Leaf(fingerprint(1)),
                from: now() - since,
            });
        })
        .with_workload(Sts::of(2).pod(hours(50)).pod(hours(50)))
}

#[test]
fn a_rollout_that_is_due_but_not_started_holds_back_a_certificate_as_well() {
    let case = not_started(minutes(9));
    assert_eq!(case.condition("Issued"), "False RolloutInProgress");
}

#[test]
fn a_rollout_that_does_not_start_within_the_budget_holds_back_nothing() {
    assert_eq!(not_started(minutes(10)).issues(), Some(Trigger::Requested));
}

#[test]
fn a_rollout_that_is_refused_holds_back_nothing() {
    let case = not_started(minutes(1)).with(|it| {
        if let Some(Workload::Present(live)) = &mut it.workload {
            live.refused = Some(refusal(Reason::Forbidden));
        }
    });
    assert_eq!(case.issues(), Some(Trigger::Requested));
}

#[test]
fn a_suspended_resource_starts_no_rollout() {
    let untouched = Sts::of(2).pod(hours(50)).pod(hours(50));
    let case = Case::converged()
        .with(|it| it.resource.wanted.suspend = true)
        .with_workload(untouched);
    let observed = plan::rollout::Observed {
        workload: case.0.workload.clone().unwrap(),
        certificates: case.0.mounted().into_iter().collect(),
        pending: Vec::new(),
    };
    assert_eq!(plan::rollout::plan(&observed, now()).action, None);
    assert_eq!(case.condition("RolledOut"), "False RestartNeeded");
}

#[test]
fn a_certificate_that_is_not_published_has_nothing_to_roll_out() {
    let case = Case::converged().with_published(|it| {
        it.pair = None;
        it.version = version("published", 2);
    });
    assert_eq!(case.0.mounted(), None);
}
