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

#[test]
fn what_is_taken_back_again_is_counted_and_told_while_the_next_is_on_trial() {
    let again = |canary: fn(&mut Pod)| {
        midway(canary).with_store(|stored| {
            let previous = stored.previous.as_ref().unwrap().leaf.fingerprint;
            stored.state.rolled_back = Some(plan::store::RolledBack {
                from: crate::support::fingerprint(77),
                to: previous,
                at: now() - hours(1),
                published: None,
                generation: 1,
                by: By::Failure {
                    what: "coturn-0 broke".to_owned(),
                    trigger: Trigger::Renewing,
                    attempts: 1,
                },
            });
        })
    };
    assert_eq!(again(|_| {}).status().failed_attempts, Some(1));
    let Some(By::Failure { attempts, .. }) = taken_back(&again(crashing)) else {
        panic!("nothing is taken back");
    };
    assert_eq!(attempts, 2);
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

/// Who ran for so long that it was made in the second of the publication, by a template with this certificate.
fn of_the_same_second(leaf: Option<api::Fingerprint>) -> Case {
    midway(|pod| {
        pod.created = now() - minutes(15);
        pod.started
            .insert("tls".to_owned(), vec![Some(pod.created)]);
        pod.fingerprints.remove("tls");
        let leaf = leaf.map(|leaf| leaf.to_string());
        pod.fingerprints
            .extend(leaf.map(|leaf| ("tls".to_owned(), leaf)));
        never_ready(pod);
    })
}

/// A surge makes the first pod at once.
#[test]
fn of_a_pod_that_is_made_in_the_second_of_the_publication_its_template_tells() {
    let made_for_it = of_the_same_second(Some(current().leaf.fingerprint));
    assert!(taken_back(&made_for_it).is_some());
    assert_eq!(taken_back(&of_the_same_second(None)), None);
}

/// Published days ago: a budget, a partition or a pause kept the first pod waiting.
fn late(first: SignedDuration, second: SignedDuration) -> Case {
    let published = now() - hours(100);
    let sts = Sts::of(2)
        .stamped(current().leaf.fingerprint)
        .pod_with(first, |_| {})
        .pod_with(second, never_ready);
    Case::converged()
        .with_store(|stored| stored.state.log = crate::support::log_since(published))
        .with_published(|written| written.written = published)
        .with_workload(sts)
}

#[rstest]
#[case::the_first(hours(200), minutes(20), true)]
#[case::while_another_is_on_it(hours(1), minutes(20), false)]
fn a_certificate_is_on_trial_for_a_day_and_as_long_as_nobody_is_on_it(
    #[case] first: SignedDuration,
    #[case] second: SignedDuration,
    #[case] counts: bool,
) {
    assert_eq!(taken_back(&late(first, second)).is_some(), counts);
}

/// Of three pods one broke with what was taken back, and another is not Ready for other reasons.
#[rstest]
#[case::nothing_was_taken_back(None, Trigger::Renewing, &["coturn-0", "coturn-1"])]
#[case::one_was_taken_back(Some(()), Trigger::Renewing, &["coturn-0"])]
#[case::somebody_asks(Some(()), Trigger::Requested, &["coturn-0"])]
#[case::what_has_expired(Some(()), Trigger::Expired, &["coturn-0", "coturn-1"])]
fn who_broke_with_the_one_that_was_taken_back_is_a_witness_of_the_next(
    #[case] was_taken_back: Option<()>,
    #[case] trigger: Trigger,
    #[case] ailing: &[&str],
) {
    let sts = Sts::of(3)
        .pod_with(hours(50), never_ready)
        .pod_with(minutes(40), never_ready)
        .pod(hours(50));
    let case = match was_taken_back {
        Some(()) => crate::taken_back::rolled_back(minutes(30), 1),
        None => Case::converged(),
    };
    let case = case.with_workload(sts).with_store(|stored| {
        stored.state.ailing = ["coturn-0", "coturn-2"].map(str::to_owned).into();
    });
    let state = case.0.stored().unwrap().state.clone();
    assert_eq!(case.0.with_the_workload(state, trigger).ailing, ailing);
}

/// It serves something else although it started with the certificate, and is about to be replaced for that.
fn noted(case: Case) -> Case {
    let case = case.with(|observed| {
        let endpoint = api::Endpoint {
            protocol: api::Protocol::Dtls,
            port: 9191,
            address: None,
        };
        observed.resource.wanted.verifying.endpoints = vec![endpoint.clone()];
        let Some(Workload::Present(live)) = &mut observed.workload else {
            panic!("no workload");
        };
        let pod = &mut live.pods[0];
        pod.created = now() - minutes(14);
        pod.started
            .insert("tls".to_owned(), vec![Some(now() - minutes(14))]);
        let proof = plan::rollout::Proof {
            shown: plan::rollout::Shown::Leaf(crate::support::previous().leaf.fingerprint),
            at: now(),
            since: now() - minutes(10),
        };
        let key = (pod.incarnation.clone(), endpoint);
        observed.proofs.by_pod.insert(key, proof);
    });
    let Some(Workload::Present(live)) = &case.0.workload else {
        panic!("no workload");
    };
    let distrusted = plan::rollout::Distrusted {
        pod: live.pods[0].name.clone(),
        uid: live.pods[0].version.uid.clone(),
    };
    case.with_store(|stored| stored.state.distrusted = vec![distrusted])
}

#[test]
fn a_pod_that_is_about_to_be_replaced_hides_nobody_who_crashes() {
    assert_eq!(taken_back(&noted(midway(|_| {}))), None);
    let by = taken_back(&noted(midway(crashing)));
    assert!(matches!(by, Some(By::Failure { .. })), "{by:?}");
}
