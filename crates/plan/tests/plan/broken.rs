//! Pods that break with a certificate, and others that only seem to.

use api::{OnFailure, Trigger};
use jiff::SignedDuration;
use plan::{
    certificate::Action,
    rollout::{Pod, Workload},
    store::By,
};
use rstest::rstest;

use crate::support::{Case, Sts, current, hours, minutes, now};

/// A certificate that was published a quarter of an hour ago: one pod has it, the other has not.
pub fn midway(canary: impl FnOnce(&mut Pod)) -> Case {
    let sts = Sts::of(2)
        .stamped(current().leaf.fingerprint)
        .pod_with(hours(50), |pod| pod.revision = Some("0".to_owned()))
        .pod_with(minutes(14), |pod| {
            pod.fingerprints
                .insert("tls".to_owned(), current().leaf.fingerprint.to_string());
            canary(pod);
        });
    Case::converged()
        .with_store(|stored| stored.state.log = crate::support::log_since(now() - minutes(15)))
        .with_published(|published| published.written = now() - minutes(15))
        .with_workload(sts)
}

pub fn crashing(pod: &mut Pod) {
    pod.restarts = 3;
    pod.backs_off = Some(pod.created);
    pod.ready_since = None;
    pod.started.insert("tls".to_owned(), vec![None]);
}

pub fn never_ready(pod: &mut Pod) {
    pod.ready_since = None;
}

pub fn taken_back(case: &Case) -> Option<By> {
    match case.action() {
        Some(Action::RollBack { by, .. }) => Some(by),
        _ => None,
    }
}

/// It was killed now and then for another reason, and comes back each time.
#[test]
fn who_ends_now_and_then_and_does_not_back_off_breaks_with_nothing() {
    let killed = |pod: &mut Pod| {
        crashing(pod);
        pod.backs_off = None;
    };
    assert_eq!(taken_back(&midway(killed)), None);
}

/// A pod that took the certificate up where it was, and ends again and again since.
fn ended_in_place(began: SignedDuration) -> Case {
    midway(|_| {}).with(|observed| {
        let Some(Workload::Present(live)) = &mut observed.workload else {
            panic!("no workload");
        };
        crashing(&mut live.pods[0]);
        live.pods[0].backs_off = Some(now() - began);
    })
}

#[test]
fn who_took_it_up_in_place_and_ends_again_and_again_breaks_with_it_too() {
    let by = taken_back(&ended_in_place(minutes(2)));
    assert!(matches!(by, Some(By::Failure { .. })), "{by:?}");
    assert_eq!(taken_back(&ended_in_place(minutes(20))), None, "before it");
}

#[rstest]
#[case::by_its_name("coturn-1", None)]
#[case::another("coturn-0", Some(()))]
#[case::one_of_those_whose_successors_have_other_names("coturn-x7f2k", None)]
fn who_was_not_ready_before_is_no_witness(#[case] ailing: &str, #[case] witness: Option<()>) {
    let case = midway(never_ready).with(|observed| {
        let Some(Workload::Present(live)) = &mut observed.workload else {
            panic!("no workload");
        };
        if !ailing.ends_with(|it: char| it.is_ascii_digit()) {
            live.pods[1].name = "coturn-bc9tw".to_owned();
        }
    });
    let case = case.with_store(|stored| stored.state.ailing = vec![ailing.to_owned()]);
    assert_eq!(taken_back(&case).map(drop), witness);
}

#[test]
fn who_is_not_ready_when_a_certificate_is_issued_is_remembered() {
    let case = midway(never_ready);
    let state = case.0.stored().unwrap().state.clone();
    let state = case.0.with_the_workload(state, Trigger::Renewing);
    assert_eq!(state.ailing, ["coturn-1"]);
}

#[rstest]
#[case::crashes(crashing, "ended time and again")]
#[case::never_ready(never_ready, "did not become Ready")]
fn a_certificate_with_which_a_pod_breaks_is_taken_back(
    #[case] broken: fn(&mut Pod),
    #[case] told: &str,
) {
    let by = taken_back(&midway(broken));
    let Some(By::Failure { what, attempts, .. }) = by else {
        panic!("{by:?}");
    };
    assert!(
        what.contains(told) && what.starts_with("coturn-1 "),
        "{what}"
    );
    assert_eq!(attempts, 1);
    assert_eq!(taken_back(&midway(|_| {})), None);
}

#[rstest]
#[case::hold(|case: Case| case.with(|it| it.resource.wanted.on_failure = OnFailure::Hold))]
#[case::suspended(|case: Case| case.with(|it| it.resource.wanted.suspend = true))]
#[case::nothing_before(|case: Case| case.with_store(|it| it.previous = None))]
#[case::expired_before(|case: Case| case.with_store(|it| it.previous.as_mut().unwrap().leaf.not_after = now()))]
#[case::the_pod_is_older(|case: Case| case.with_store(|it| it.state.log = crate::support::log_since(now() - minutes(1))))]
fn nothing_is_taken_back(#[case] change: fn(Case) -> Case) {
    assert_eq!(taken_back(&change(midway(crashing))), None);
}

#[test]
fn a_failure_that_is_not_taken_back_is_told_with_what_to_do() {
    let held = midway(crashing).with(|it| it.resource.wanted.on_failure = OnFailure::Hold);
    assert_eq!(held.condition("RolledOut"), "False RolloutFailed");
    let told = held.message("RolledOut");
    assert!(
        told.contains("coturn-1") && told.contains("rollback-to"),
        "{told}"
    );
}

#[test]
fn a_pod_that_breaks_once_all_were_on_the_certificate_has_other_reasons() {
    let case = midway(crashing).with(|observed| {
        let rollout = api::RolloutStatus {
            fingerprint: current().leaf.fingerprint.to_string(),
            started_at: None,
            completed_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now())),
            current: 2,
            total: 2,
            not_current: Vec::new(),
        };
        observed.resource.status.rollout = Some(rollout);
    });
    assert_eq!(taken_back(&case), None);
}
