//! Certificates that are taken back, as pods broke with them.

use api::{HistoryEvent, RolloutStrategy, Trigger};
use jiff::SignedDuration;
use plan::{
    certificate::{Action, Pair, PublishCause},
    publication::Held,
    rollout::{Shown, SingleRestarts, Workload},
    store::{By, Issuance, RolledBack},
};
use rstest::rstest;

use crate::{
    broken::{crashing, midway, never_ready, taken_back},
    support::{Case, Cluster, Sts, current, foreign, hours, minutes, now, previous},
};

/// Everything that is due is done, until nobody has anything to do.
pub fn settled(case: Case) -> Cluster {
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
pub fn rolled_back(ago: SignedDuration, attempts: u32) -> Case {
    Case::converged()
        .with_store(|stored| {
            let rejected = std::mem::replace(&mut stored.current, previous());
            stored.state.rolled_back = Some(RolledBack {
                from: rejected.leaf.fingerprint,
                to: previous().leaf.fingerprint,
                at: now() - ago,
                published: stored
                    .state
                    .log
                    .since(Held::Leaf(rejected.leaf.fingerprint)),
                generation: 1,
                by: By::Failure {
                    what: "coturn-1 broke".to_owned(),
                    trigger: Trigger::Renewing,
                    attempts,
                },
            });
            stored.previous = Some(rejected);
            let held = Held::Leaf(previous().leaf.fingerprint);
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
fn who_had_nothing_taken_back_is_told_of_no_attempts() {
    let status = Case::converged().status();
    assert_eq!(
        (status.failed_attempts, status.next_attempt_time),
        (None, None)
    );
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
    let later = |after| {
        let observed = plan::rollout::Observed {
            workload: case.0.workload.clone().unwrap(),
            certificates: case.0.mounted().into_iter().collect(),
            pending: Vec::new(),
        };
        plan::rollout::plan(&observed, now() + SignedDuration::from_secs(after))
    };
    let soon = later(0);
    assert_eq!(soon.action, None);
    assert!(soon.next_check.unwrap() <= now() + SignedDuration::from_secs(4));
    let stamped = later(4).action;
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
        let status = case.status();
        assert_eq!(status.failed_attempts, Some(attempts));
        assert_eq!(status.next_attempt_time.unwrap().0, now() + minutes(1));
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

fn decided(case: &Case) -> Option<plan::rollout::Action> {
    let observed = plan::rollout::Observed {
        workload: case.0.workload.clone().unwrap(),
        certificates: case.0.mounted().into_iter().collect(),
        pending: Vec::new(),
    };
    plan::rollout::plan(&observed, now()).action
}

/// Its template is what it was before the rollout, and one pod of that rollout never became Ready.
fn wedged() -> Sts {
    let rejected = current().leaf.fingerprint;
    Sts::of(2)
        .with(|live| live.changed = now() - minutes(25))
        .pod(hours(50))
        .pod_with(minutes(40), move |pod| {
            pod.revision = Some("of the other template".to_owned());
            pod.fingerprints
                .insert("tls".to_owned(), rejected.to_string());
            never_ready(pod);
        })
}

/// With `OrderedReady` Kubernetes waits for the pod that never becomes Ready; it replaces the others' itself.
#[test]
fn a_pod_that_kubernetes_never_replaces_is_evicted_once_what_it_has_was_taken_back() {
    let case = |sts: Sts| rolled_back(minutes(30), 1).with_workload(sts);
    let evicted = decided(&case(wedged()));
    let Some(plan::rollout::Action::EvictPod { pod, .. }) = evicted else {
        panic!("{evicted:?}");
    };
    assert_eq!(pod, "coturn-1");
    assert_eq!(case(wedged()).condition("RolledOut"), "False RollingOut");
    let left_alone = [
        wedged().with(|live| live.ordered = false),
        wedged().with(|live| live.pods[0].ready_since = None),
        wedged().with(|live| live.pods[1].ready_since = Some(now())),
        // Of another change of the user's.
        wedged().with(|live| live.pods[1].fingerprints.clear()),
        wedged().with(|live| live.observed = false),
        // It may come up by itself with what was put back.
        wedged().with(|live| live.pods[1].created = now() - SignedDuration::from_secs(119)),
    ];
    for sts in left_alone {
        let decided = decided(&case(sts.clone()));
        assert_eq!(decided, None, "{:?}", sts.0);
    }
}

/// The workload's controller is away: which template is the newest it has not told yet.
#[test]
fn no_rollout_is_begun_before_it_is_known_which_pods_are_of_the_template_that_was_put_back() {
    let sts = wedged().with(|live| {
        live.observed = false;
        live.update_revision.clone_from(&live.pods[1].revision);
    });
    let case = rolled_back(minutes(30), 1).with_workload(sts);
    assert_eq!(decided(&case), None);
}

/// Two pods, one of which started again in place so long ago.
fn restarted_in_place(ago: SignedDuration) -> Sts {
    Sts::of(2).pod(hours(50)).pod_with(hours(50), move |pod| {
        pod.started
            .insert("tls".to_owned(), vec![Some(now() - ago)]);
    })
}

/// Whether the template carries the certificate does not matter: no other pod is to be replaced.
#[rstest]
#[case::stamped(Some(()), SingleRestarts::NotAllowed)]
#[case::never_stamped(None, SingleRestarts::NotAllowed)]
#[case::whoever_may_delete_it(None, SingleRestarts::Allowed)]
fn a_pod_that_took_up_in_place_what_was_taken_back_is_evicted(
    #[case] stamped: Option<()>,
    #[case] single_restarts: SingleRestarts,
) {
    let mut sts = restarted_in_place(minutes(40)).with(|it| it.single_restarts = single_restarts);
    if stamped.is_some() {
        sts = sts.stamped(previous().leaf.fingerprint);
    }
    let case = rolled_back(minutes(30), 1).with_workload(sts);
    let evicted = decided(&case);
    let Some(plan::rollout::Action::EvictPod { pod, .. }) = evicted else {
        panic!("{evicted:?}");
    };
    assert_eq!(pod, "coturn-1");
}

/// That is `restartPods`' matter, months after a certificate was taken back.
#[test]
fn a_pod_that_took_up_what_somebody_else_wrote_is_not_evicted_for_what_was_taken_back() {
    let back = previous().leaf.fingerprint;
    let sts = restarted_in_place(minutes(14)).stamped(back);
    let case = rolled_back(minutes(30), 1)
        .with_workload(sts)
        .with_store(|stored| {
            let log = &mut stored.state.log;
            for (held, ago) in [(Held::Foreign, 24), (Held::Leaf(back), 8)] {
                let from = now() - minutes(ago);
                *log = log.with(plan::publication::Publication { held, from });
            }
        });
    assert_eq!(case.0.mounted().map(|it| it.is_published()), Some(true));
    assert_eq!(decided(&case), None);
}

/// What was put back breaks as well, and who serves what was taken back serves it well.
#[rstest]
#[case::the_last_that_serves(&[None, Some(current())])]
#[case::beside_another(&[None, Some(current()), Some(previous())])]
fn nobody_is_replaced_where_a_pod_breaks_with_what_was_put_back(#[case] shown: &[Option<Pair>]) {
    let mut sts = restarted_in_place(minutes(40)).with(|live| {
        let pod = &mut live.pods[0];
        pod.created = now() - minutes(25);
        pod.started
            .insert("tls".to_owned(), vec![Some(pod.created)]);
    });
    if shown.len() > 2 {
        sts = sts.pod(hours(50)).with(|live| live.replicas = 3);
    }
    let case = rolled_back(minutes(30), 1).with_workload(sts);
    let shown: Vec<_> = shown
        .iter()
        .map(|pair| match pair {
            Some(pair) => Shown::Leaf(pair.leaf.fingerprint),
            None => Shown::Nothing("no certificate".to_owned()),
        })
        .collect();
    let case = crate::proofs::showing(case, &shown, minutes(5));
    assert_eq!(case.condition("RolledOut"), "False RolloutFailed");
    assert_eq!(decided(&case), None);
}

/// By hand, there and back and there again.
#[test]
fn what_is_put_back_a_second_time_was_changed_by_nobody_else() {
    let [one, other] = [previous().leaf.fingerprint, current().leaf.fingerprint];
    let times = [(one, 90), (other, 60), (one, 30)];
    let mut log = crate::support::log_since(now() - hours(50));
    for (leaf, ago) in times {
        log = log.with(plan::publication::Publication {
            held: Held::Leaf(leaf),
            from: now() - minutes(ago),
        });
    }
    let case = Case::converged()
        .with_store(|stored| {
            stored.state.rolled_back = Some(RolledBack {
                from: one,
                to: other,
                at: now(),
                published: log.since(Held::Leaf(one)),
                generation: 1,
                by: By::Hand {
                    value: other.to_string(),
                },
            });
            stored.previous = Some(previous());
            stored.state.log = log;
        })
        .with(|observed| {
            let held = crate::support::published(Some(previous()), now() - minutes(30));
            observed.published = crate::support::present(held);
        });
    let action = case.action();
    let Some(Action::Publish { cause, .. }) = action else {
        panic!("{action:?}");
    };
    assert_eq!(cause, PublishCause::Superseded);
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
