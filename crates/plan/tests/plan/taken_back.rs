//! Certificates that are taken back, as pods broke with them or as somebody asks for it.

use api::{Fingerprint, HistoryEvent, OnFailure, RolloutStrategy, Signer, Trigger};
use jiff::SignedDuration;
use plan::{
    certificate::Action,
    rollout::{Pod, Workload},
    store::{Asked, Before, By, Issuance, RolledBack, StoreState},
};
use rstest::rstest;

use crate::support::{
    Case, Cluster, Sts, current, fingerprint, foreign, hours, minutes, now, previous, root,
};

/// A certificate that was published a quarter of an hour ago: one pod has it, the other has not.
fn midway(canary: impl FnOnce(&mut Pod)) -> Case {
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

fn crashing(pod: &mut Pod) {
    pod.restarts = 3;
    pod.backs_off = Some(pod.created);
    pod.ready_since = None;
    pod.started.insert("tls".to_owned(), vec![None]);
}

fn never_ready(pod: &mut Pod) {
    pod.ready_since = None;
}

fn taken_back(case: &Case) -> Option<By> {
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

/// Everything that is due is done, until nobody has anything to do.
fn settled(case: Case) -> Cluster {
    let mut cluster = Cluster::of(case);
    assert!(cluster.rests_within(100), "{cluster:?}");
    cluster
}

#[rstest]
#[case::by_the_template(RolloutStrategy::RollingRestart)]
#[case::one_by_one(RolloutStrategy::PodByPod)]
fn what_is_taken_back_is_published_again_and_only_pods_that_had_it_are_replaced(
    #[case] strategy: RolloutStrategy,
) {
    let case = midway(crashing).with(|observed| {
        observed.resource.wanted.strategy = strategy;
        if strategy == RolloutStrategy::PodByPod
            && let Some(Workload::Present(live)) = &mut observed.workload
        {
            // Nothing in the template tells of certificates.
            live.template.clear();
            for pod in &mut live.pods {
                pod.revision.clone_from(&live.update_revision);
                pod.fingerprints.clear();
            }
        }
    });
    let untouched = {
        let mut before = Cluster::of(case.clone());
        before.pods()[0].version.uid.clone()
    };
    let mut cluster = settled(case);
    assert_eq!(cluster.wrote_last(), Some(previous().leaf.fingerprint));
    let pods = cluster.pods();
    assert_eq!(pods[0].version.uid, untouched);
    assert_eq!(pods[1].restarts, 0, "its successor");
    let served = cluster.serves.get("coturn-1");
    assert_eq!(served, Some(&Some(previous().leaf.fingerprint)));
    assert_eq!(cluster.issued, [], "another is issued only later");
    match strategy {
        RolloutStrategy::RollingRestart => assert_eq!(cluster.restored, 1),
        _ => assert_eq!(cluster.restarted, ["coturn-1"]),
    }
    assert_eq!(cluster.stamped, []);
}

/// The pair before is in service again since then, as pods broke with its successor so many times.
fn rolled_back(ago: SignedDuration, attempts: u32) -> Case {
    Case::converged()
        .with_store(|stored| {
            let rejected = std::mem::replace(&mut stored.current, previous());
            stored.state.rolled_back = Some(RolledBack {
                from: rejected.leaf.fingerprint,
                to: previous().leaf.fingerprint,
                at: now() - ago,
                generation: 1,
                by: By::Failure {
                    what: "coturn-1 broke".to_owned(),
                    trigger: Trigger::Renewing,
                    attempts,
                },
            });
            stored.previous = Some(rejected);
            let held = plan::publication::Held::Leaf(previous().leaf.fingerprint);
            let from = now() - ago;
            stored.state.log = stored
                .state
                .log
                .with(plan::publication::Publication { held, from });
        })
        .with(|observed| {
            observed.published =
                crate::support::present(crate::support::published(Some(previous()), now() - ago));
        })
}

/// The specification is again as it was for the certificate before.
#[test]
fn what_nothing_asks_for_any_more_is_not_tried_again() {
    let case = rolled_back(hours(2), 1)
        .with_store(|stored| {
            let rolled_back = stored.state.rolled_back.as_mut().unwrap();
            rolled_back.by = By::Failure {
                what: "coturn-1 broke".to_owned(),
                trigger: Trigger::SpecChanged,
                attempts: 1,
            };
        })
        .with(|it| it.resource.wanted.renew_before = hours(24));
    assert_eq!(case.issues(), None);
    let other = case.with(|it| {
        let names = &mut it.resource.wanted.content.dns_names;
        names.insert("other.example.com".to_owned());
    });
    assert_eq!(other.issues(), Some(Trigger::SpecChanged));
}

#[test]
fn nobody_is_told_to_put_back_what_was_taken_back() {
    let sts = Sts::of(2).pod_with(minutes(14), crashing).pod(hours(50));
    let case = rolled_back(minutes(15), 1).with_workload(sts).reported();
    assert_eq!(case.condition("RolledOut"), "False RolloutFailed");
    let told = case.message("RolledOut");
    assert!(!told.contains(api::names::ROLLBACK_TO), "{told}");
}

/// A pod that is made in the very second could be of the template that carried the same before.
#[test]
fn what_was_put_back_is_rolled_out_once_nobody_can_take_its_pods_for_older_ones() {
    let rejected = current().leaf.fingerprint;
    let sts = Sts::of(1).stamped(rejected).pod_with(minutes(14), |pod| {
        let leaf = rejected.to_string();
        pod.fingerprints.insert("tls".to_owned(), leaf);
    });
    let case = rolled_back(SignedDuration::from_secs(1), 1).with_workload(sts);
    let decided = |after| {
        let observed = plan::rollout::Observed {
            workload: case.0.workload.clone().unwrap(),
            certificates: case.0.mounted().into_iter().collect(),
            pending: Vec::new(),
        };
        plan::rollout::plan(&observed, now() + SignedDuration::from_secs(after))
    };
    let soon = decided(0);
    assert_eq!(soon.action, None);
    assert!(soon.next_check.unwrap() <= now() + SignedDuration::from_secs(4));
    let stamped = decided(4).action;
    assert!(
        matches!(stamped, Some(plan::rollout::Action::StampTemplate { .. })),
        "{stamped:?}"
    );
}

#[rstest]
#[case::the_first(59, 1, false)]
#[case::the_first_is_over(60, 1, true)]
#[case::the_second(119, 2, false)]
#[case::the_second_is_over(120, 2, true)]
#[case::never_longer_than_a_day(24 * 60, 40, true)]
#[case::a_day(24 * 60 - 1, 40, false)]
fn another_certificate_is_issued_after_an_hour_and_then_ever_more_rarely(
    #[case] ago: i64,
    #[case] attempts: u32,
    #[case] is_due: bool,
) {
    let case = rolled_back(minutes(ago), attempts);
    assert_eq!(case.issues(), is_due.then_some(Trigger::Renewing));
    if !is_due {
        let case = case.reported();
        assert_eq!(case.condition("Issued"), "False RolledBack");
        assert!(case.message("Issued").contains("coturn-1 broke"));
    }
}

#[test]
fn who_asks_for_another_need_not_wait_and_what_has_expired_cannot() {
    let asked = rolled_back(minutes(5), 1).with(|it| it.resource.renew = Some("now".to_owned()));
    assert_eq!(asked.issues(), Some(Trigger::Requested));
    let expired = rolled_back(minutes(5), 1).with_store(|it| it.current.leaf.not_after = now());
    assert_eq!(expired.issues(), Some(Trigger::Expired));
}

#[test]
fn a_certificate_that_was_taken_back_is_never_put_back_for_the_one_that_replaced_it() {
    let broken = Sts::of(1).pod_with(minutes(20), crashing);
    let case = rolled_back(minutes(30), 1).with_workload(broken);
    assert_eq!(taken_back(&case), None);
}

#[rstest]
#[case::before_it_was_taken_out(70, false)]
#[case::since_it_was_put_back(20, true)]
fn that_all_pods_were_on_a_certificate_counts_only_since_it_was_put_back(
    #[case] ago: i64,
    #[case] counts: bool,
) {
    let sts = Sts::of(1).pod(hours(50));
    let case = rolled_back(minutes(30), 1).with_workload(sts).with(|it| {
        let rollout = api::RolloutStatus {
            fingerprint: previous().leaf.fingerprint.to_string(),
            started_at: None,
            completed_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                now() - minutes(ago),
            )),
            current: 1,
            total: 1,
            not_current: Vec::new(),
        };
        it.resource.status.rollout = Some(rollout);
    });
    let assurance = case.0.mounted().unwrap().assurance;
    assert_eq!(assurance.completed.is_some(), counts);
}

/// Somebody overwrote the Secret, and that cannot be put right at once.
#[test]
fn that_every_pod_was_on_it_is_not_forgotten_while_the_secret_holds_something_else() {
    let told = Case::converged()
        .with_workload(crate::support::done())
        .reported();
    let completed = |case: &Case| case.status().rollout?.completed_at;
    assert!(completed(&told).is_some());
    let overwritten = told
        .with_published(|published| published.pair = Some(foreign()))
        .with(|it| it.resource.wanted.suspend = true);
    assert_eq!(
        overwritten.condition("Published"),
        "False AwaitingPublication"
    );
    assert!(completed(&overwritten).is_some());
    let gone = overwritten.with(|it| it.resource.wanted.workload = None);
    assert_eq!(completed(&gone), None);
}

#[rstest]
#[case::as_pods_broke(None, "False RollingOut")]
#[case::as_somebody_asked(Some("before"), "True Ready")]
fn a_pod_with_what_was_taken_back_works_unless_pods_broke_with_that(
    #[case] asked: Option<&str>,
    #[case] ready: &str,
) {
    let sts = Sts::of(2).pod(hours(50)).pod(hours(5));
    let case = rolled_back(minutes(1), 1)
        .with_store(|stored| {
            let rolled_back = stored.state.rolled_back.as_mut().unwrap();
            if let Some(value) = asked {
                rolled_back.by = By::Hand {
                    value: value.to_owned(),
                };
            }
        })
        .with_workload(sts)
        .with(|it| it.resource.wanted.strategy = RolloutStrategy::PodByPod);
    assert_eq!(case.condition("Ready"), ready);
}

fn asking_for(leaf: &impl ToString) -> Case {
    let value = leaf.to_string();
    Case::converged().with(|it| it.resource.rollback_to = Some(value))
}

#[rstest]
#[case::as_the_status_has_it(previous().leaf.fingerprint.to_string())]
#[case::with_its_algorithm(format!("sha256:{}", previous().leaf.fingerprint))]
#[case::as_openssl_has_it(previous().leaf.fingerprint.to_sdp().trim_start_matches("sha-256 ").to_owned())]
fn who_asks_for_the_certificate_before_gets_it_once(#[case] value: String) {
    let asked = asking_for(&value);
    assert_eq!(
        taken_back(&asked),
        Some(By::Hand {
            value: value.clone()
        })
    );
    let mut cluster = settled(asked);
    assert_eq!(cluster.wrote_last(), Some(previous().leaf.fingerprint));
    assert_eq!(cluster.issued, []);
    assert!(!cluster.step());
}

#[rstest]
#[case::unknown(fingerprint(77))]
#[case::expired(previous().leaf.fingerprint)]
fn what_cannot_be_put_back_is_refused_with_the_reason(#[case] leaf: Fingerprint) {
    let asked = asking_for(&leaf).with_store(|stored| {
        stored.previous.as_mut().unwrap().leaf.not_after = now() - minutes(1);
    });
    assert_eq!(taken_back(&asked), None);
    let asked = asked.reported();
    assert_eq!(asked.condition("Issued"), "False RollbackRefused");
    assert_eq!(asked.condition("Ready"), "True Ready");
}

/// The certificate before chains to another root than the one in service.
#[test]
fn what_partners_may_not_trust_is_not_put_back() {
    let asked = asking_for(&previous().leaf.fingerprint).with_store(|stored| {
        stored.state.before = Some(Before {
            root: Some(root(2)),
            ordinals: None,
        });
    });
    assert_eq!(taken_back(&asked), None);
    let told = asked.reported().message("Issued");
    assert!(told.contains("chains to root"), "{told}");
}

#[test]
fn what_no_ca_vouches_for_is_not_put_back_in_place_of_what_one_does() {
    let asked = asking_for(&previous().leaf.fingerprint).with_store(|stored| {
        stored.previous.as_mut().unwrap().leaf.signer = Signer::Itself;
    });
    assert_eq!(taken_back(&asked), None);
    assert_eq!(asked.condition("Issued"), "False RollbackRefused");
}

#[test]
fn what_was_asked_for_before_a_store_lost_its_record_is_not_done_again() {
    let value = previous().leaf.fingerprint.to_string();
    let asked = asking_for(&value).with_store(|stored| {
        let asked = Asked {
            renew: None,
            rollback_to: Some(&value),
        };
        let log = stored.state.log.clone();
        stored.state = StoreState {
            log,
            ..StoreState::unknown(Some(root(1)), asked)
        };
    });
    assert_eq!(taken_back(&asked), None);
}

#[test]
fn what_was_put_back_by_hand_stays_until_the_specification_changes() {
    let pinned = |generation| {
        rolled_back(minutes(90), 1)
            .with_store(|stored| {
                let rolled_back = stored.state.rolled_back.as_mut().unwrap();
                rolled_back.by = By::Hand {
                    value: "before".to_owned(),
                };
            })
            .with(|observed| {
                observed.resource.generation = generation;
                observed.resource.wanted.content.subject.organizations = vec!["Other".to_owned()];
            })
    };
    assert_eq!(pinned(1).issues(), None);
    assert_eq!(pinned(2).issues(), Some(Trigger::SpecChanged));
}

#[test]
fn an_immutable_secret_keeps_what_it_holds() {
    let case = midway(crashing).with_published(|published| published.immutable = true);
    assert_eq!(taken_back(&case), None);
}

#[test]
fn a_pod_that_came_with_a_growth_and_breaks_takes_no_names_back() {
    let grown = midway(crashing).with_store(|stored| {
        stored.state.history[0].trigger = Some(Trigger::ReplicasGrew);
    });
    assert_eq!(taken_back(&grown), None);
}

#[test]
fn a_pod_of_a_template_that_was_taken_back_is_kubernetes_to_replace_however_long_that_takes() {
    // OrderedReady: Kubernetes waits for the pod that never becomes Ready.
    let sts = Sts::of(2)
        .with(|live| live.changed = now() - minutes(25))
        .pod(hours(50))
        .pod_with(minutes(40), |pod| {
            pod.revision = Some("of the other template".to_owned());
            pod.fingerprints
                .insert("tls".to_owned(), current().leaf.fingerprint.to_string());
            never_ready(pod);
        });
    let case = rolled_back(minutes(30), 1).with_workload(sts);
    let observed = plan::rollout::Observed {
        workload: case.0.workload.clone().unwrap(),
        certificates: case.0.mounted().into_iter().collect(),
        pending: Vec::new(),
    };
    assert_eq!(plan::rollout::plan(&observed, now()).action, None);
}

#[test]
fn what_was_asked_for_before_a_certificate_was_issued_is_past() {
    let value = current().leaf.fingerprint.to_string();
    let asked = asking_for(&value).with(|it| it.resource.renew = Some("now".to_owned()));
    let mut cluster = settled(asked);
    assert_eq!(cluster.issued, [Trigger::Requested]);
    assert!(!cluster.step(), "what was in service is not put back");
}

#[test]
fn a_store_that_is_put_back_to_before_a_certificate_was_taken_back_is_noticed() {
    let rejected = current().leaf.serial;
    let case = rolled_back(minutes(30), 1).with_store(|stored| {
        stored.state.history.insert(
            0,
            Issuance {
                time: now() - minutes(30),
                what: HistoryEvent::RolledBack,
                trigger: None,
                serial: previous().leaf.serial,
            },
        );
    });
    let told = case.reported().0.resource.status;
    let put_back = Case::converged().with(|it| it.resource.status = told);
    assert_eq!(put_back.0.stored().unwrap().current.leaf.serial, rejected);
    assert_eq!(put_back.0.lost(), Some(previous().leaf.serial));
}
