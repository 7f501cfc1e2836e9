//! What handshakes show stands above what start times tell.

use api::{Endpoint, Fingerprint, Protocol, RolloutStrategy};
use jiff::{SignedDuration, Timestamp};
use plan::{
    certificate::Action,
    rollout::{Distrusted, Probe, Proof, Proofs, Shown, Workload},
};
use rstest::rstest;

use crate::support::{Case, Sts, current, fingerprint, hours, minutes, now, published_at};

/// The certificate in service.
const CURRENT: u32 = 1;
/// One that nobody knows.
const OTHER: u32 = 666;

fn endpoint() -> Endpoint {
    Endpoint {
        protocol: Protocol::Dtls,
        port: 9191,
        address: None,
    }
}

fn leaf(number: u32) -> Shown {
    Shown::Leaf(fingerprint(number))
}

fn nothing() -> Shown {
    Shown::Nothing("handshake_failure".to_owned())
}

fn closed() -> Shown {
    Shown::Closed("nothing listens there".to_owned())
}

fn silence() -> Shown {
    Shown::Silence("nothing answered".to_owned())
}

/// Each pod of the workload showed this, for so long and until a moment ago.
pub fn showing(case: Case, shown: &[Shown], lasts: SignedDuration) -> Case {
    case.with(|observed| {
        observed.resource.wanted.verifying.endpoints = vec![endpoint()];
        let Some(Workload::Present(live)) = &observed.workload else {
            panic!("no workload");
        };
        let proofs = live.pods.iter().zip(shown).map(|(pod, shown)| {
            let proof = Proof {
                shown: shown.clone(),
                at: now(),
                since: now() - lasts,
            };
            ((pod.incarnation.clone(), endpoint()), proof)
        });
        observed.proofs = Proofs {
            by_pod: proofs.collect(),
            ..Proofs::default()
        };
    })
}

/// Two pods that started with the certificate in service; they are dialled.
fn started() -> Case {
    let sts = Sts::of(2).pod(minutes(50)).pod(minutes(50));
    Case::converged().with_workload(sts)
}

/// Two pods that started before it was published.
fn outdated() -> Case {
    let sts = Sts::of(2).pod(hours(50)).pod(hours(50));
    Case::converged().with_workload(sts)
}

fn on_their_way() -> SignedDuration {
    minutes(2)
}

#[rstest]
#[case::served(leaf(CURRENT), "True Verified", "True RolledOut", "True Ready")]
#[case::another(
    leaf(OTHER),
    "False ServesAnother",
    "False RestartNeeded",
    "False RestartNeeded"
)]
#[case::none(
    nothing(),
    "False ServesNothing",
    "False RestartNeeded",
    "False RestartNeeded"
)]
#[case::nobody_answers(silence(), "Unknown Unreachable", "True RolledOut", "True Ready")]
fn what_is_shown_decides_whatever_the_start_tells(
    #[case] shown: Shown,
    #[case] verified: &str,
    #[case] rolled_out: &str,
    #[case] ready: &str,
) {
    let case = completed(started());
    let case = showing(case, &[leaf(CURRENT), shown], on_their_way());
    // What is due first is noted, where a pod may be replaced for it.
    assert_eq!(case.condition("Verified"), verified);
    assert_eq!(case.condition("RolledOut"), rolled_out);
    assert_eq!(case.condition("Ready"), ready);
}

/// The status tells that every pod was on the certificate.
fn completed(case: Case) -> Case {
    let case = case.reported();
    let told = case.0.resource.status.rollout.as_ref().unwrap();
    assert!(told.completed_at.is_some(), "{told:?}");
    case
}

#[test]
fn a_port_that_is_closed_where_another_pod_answers_is_a_server_without_its_files() {
    let case = completed(started());
    let case = showing(case, &[leaf(CURRENT), closed()], on_their_way());
    assert_eq!(case.condition("Verified"), "False ServesNothing");
}

/// Somebody began to reject what is sent to the pods, and one of them was dialled since.
#[test]
fn what_another_pod_showed_before_tells_nothing_of_a_port_that_seems_closed_since() {
    let case = showing(
        completed(started()),
        &[leaf(CURRENT), closed()],
        on_their_way(),
    );
    let case = case.with(|observed| {
        let first = observed.proofs.by_pod.values_mut().next().unwrap();
        first.at = now() - hours(2);
    });
    assert_eq!(case.condition("Verified"), "Unknown Unreachable");
    let dialled: Vec<_> = probes(&case, now()).into_iter().map(|it| it.pod).collect();
    assert_eq!(dialled, ["coturn-0"], "to tell whose fault it is");
}

#[rstest]
#[case::closed(closed(), Some(hours(1)), "Unknown Unreachable", "True Ready")]
#[case::another_service(nothing(), None, "Unknown Unreachable", "True Ready")]
#[case::no_files(
    nothing(),
    Some(hours(1)),
    "False ServesNothing",
    "False RestartNeeded"
)]
fn what_no_pod_shows_is_wrong_with_the_endpoint_unless_somebody_answers_where_one_was_shown(
    #[case] shown: Shown,
    #[case] showed_one_before: Option<SignedDuration>,
    #[case] verified: &str,
    #[case] ready: &str,
) {
    let case = completed(started());
    let case = showing(case, &[shown.clone(), shown], on_their_way()).with(|observed| {
        let answered = showed_one_before.map(|before| (endpoint(), now() - before));
        observed.proofs.answered.extend(answered);
    });
    assert_eq!(case.condition("Verified"), verified);
    assert_eq!(case.condition("Ready"), ready);
}

#[test]
fn the_only_pod_that_serves_nothing_while_a_certificate_is_rolled_out_is_one_that_broke() {
    let sts = Sts::of(1).pod(minutes(50));
    let case = Case::converged()
        .with_workload(sts)
        .with_store(|stored| stored.state.log = crate::support::log_since(now() - minutes(55)));
    let case = showing(case, &[closed()], on_their_way()).with(|observed| {
        observed
            .proofs
            .answered
            .insert(endpoint(), now() - hours(1));
    });
    assert!(matches!(case.action(), Some(Action::RollBack { .. })));
}

#[test]
fn one_handshake_that_shows_something_else_proves_nothing_yet() {
    let case = completed(started());
    let at_once = showing(case, &[leaf(CURRENT), leaf(OTHER)], SignedDuration::ZERO);
    assert_eq!(at_once.condition("RolledOut"), "True RolledOut");
    assert_eq!(at_once.condition("Ready"), "True Ready");
}

#[test]
fn a_pod_that_shows_the_certificate_needs_no_restart_although_it_started_before() {
    let served = showing(outdated(), &[leaf(CURRENT), leaf(CURRENT)], on_their_way());
    assert_eq!(served.condition("RolledOut"), "True RolledOut");
    assert_eq!(rollout(&served), None);
    assert!(rollout(&outdated()).is_some());
}

/// What the workload's controller does.
fn rollout(case: &Case) -> Option<plan::rollout::Action> {
    let observed = plan::rollout::Observed {
        workload: case.0.workload.clone().unwrap(),
        certificates: case.0.mounted().into_iter().collect(),
        pending: Vec::new(),
    };
    plan::rollout::plan(&observed, now()).action
}

#[test]
fn an_operator_that_has_just_started_restarts_nothing_that_was_on_the_certificate_before_it_was_dialled()
 {
    let was_proven = showing(outdated(), &[leaf(CURRENT), leaf(CURRENT)], on_their_way());
    let told = completed(was_proven);
    let forgotten = told.with(|observed| observed.proofs = Proofs::default());
    assert_eq!(rollout(&forgotten), None);
    assert_eq!(forgotten.condition("Ready"), "True Ready");
    assert_eq!(forgotten.condition("Verified"), "True Verified");
    assert_eq!(forgotten.action(), None, "and nothing is written");
}

#[test]
fn what_an_outdated_pod_shows_is_told_once_all_pods_were_on_the_certificate() {
    let shows_another =
        |case| showing(case, &[leaf(CURRENT), leaf(OTHER)], on_their_way()).condition("Verified");
    assert_eq!(shows_another(outdated()), "Unknown AwaitingProof");
    let was_proven = showing(outdated(), &[leaf(CURRENT), leaf(CURRENT)], on_their_way());
    assert_eq!(shows_another(completed(was_proven)), "False ServesAnother");
}

#[rstest]
#[case::another(leaf(OTHER))]
#[case::none(nothing())]
fn who_may_have_read_the_certificate_before_and_does_not_serve_this_one_gets_the_rollout(
    #[case] shown: Shown,
) {
    let doubtful = SignedDuration::from_secs(50);
    let sts = Sts::of(1).pod_with(hours(50), |pod| {
        let started = vec![Some(published_at() + doubtful)];
        pod.started.insert("tls".to_owned(), started);
    });
    let case = showing(
        Case::converged().with_workload(sts),
        &[shown],
        on_their_way(),
    );
    let due = rollout(&case);
    assert!(
        matches!(due, Some(plan::rollout::Action::StampTemplate { .. })),
        "{due:?}"
    );
    let taken_back = matches!(case.action(), Some(Action::RollBack { .. }));
    assert!(!taken_back, "it is not known to have started with it");
}

#[test]
fn a_process_that_started_since_all_were_on_the_certificate_is_not_taken_for_one_that_was() {
    let was_proven = showing(outdated(), &[leaf(CURRENT), leaf(CURRENT)], on_their_way());
    let restarted = completed(was_proven)
        .with_store(|stored| {
            let log = |held, from| plan::publication::Publication { held, from };
            let foreign = log(plan::publication::Held::Foreign, now() + minutes(5));
            let current = plan::publication::Held::Leaf(current().leaf.fingerprint);
            let back = log(current, now() + minutes(20));
            stored.state.log = stored.state.log.with(foreign).with(back);
        })
        .with_published(|published| published.written = now() + minutes(20))
        .with(|observed| {
            let Some(Workload::Present(live)) = &mut observed.workload else {
                panic!("no workload");
            };
            "started again".clone_into(&mut live.pods[0].incarnation);
            let started = vec![Some(now() + minutes(10))];
            live.pods[0].started.insert("tls".to_owned(), started);
        });
    assert_eq!(rollout(&restarted), None, "a handshake comes first");
    assert_eq!(restarted.condition("RolledOut"), "False RollingOut");
}

#[test]
fn what_was_shown_before_something_else_lay_in_the_secret_counts_no_more() {
    let case = completed(started());
    let shown = [leaf(CURRENT), leaf(CURRENT)];
    let case = showing(case, &shown, on_their_way()).with_store(|stored| {
        let foreign = plan::publication::Publication {
            held: plan::publication::Held::Foreign,
            from: now() + minutes(1),
        };
        let back = plan::publication::Publication {
            held: plan::publication::Held::Leaf(current().leaf.fingerprint),
            from: now() + minutes(2),
        };
        stored.state.log = stored.state.log.with(foreign).with(back);
    });
    let later = plan::certificate::plan(&case.0, now() + minutes(3));
    let dialled: Vec<_> = later.wanted_probes.iter().map(|it| &it.pod).collect();
    assert_eq!(dialled, ["coturn-0", "coturn-1"]);
}

#[test]
fn what_was_shown_while_something_else_lay_in_the_secret_counts_no_more() {
    let case = completed(started());
    let shown = [leaf(CURRENT), leaf(CURRENT)];
    let case = showing(case, &shown, on_their_way()).with_store(|stored| {
        let log = |held, from| plan::publication::Publication { held, from };
        let foreign = log(plan::publication::Held::Foreign, now() - minutes(1));
        let current = plan::publication::Held::Leaf(current().leaf.fingerprint);
        let back = log(current, now() + minutes(1));
        stored.state.log = stored.state.log.with(foreign).with(back);
    });
    let dialled = probes(&case, now() + minutes(2));
    assert_eq!(dialled.len(), 2, "they may have taken it up after that");
}

fn probes(case: &Case, at: Timestamp) -> Vec<Probe> {
    plan::certificate::plan(&case.0, at).wanted_probes
}

#[test]
fn pods_are_dialled_at_once_and_after_the_interval_and_not_all_in_one_second() {
    let case = completed(started());
    let undialled = showing(case.clone(), &[], on_their_way());
    let first = probes(&undialled, now());
    assert_eq!(first.len(), 2);
    assert_eq!(first[0].address.to_string(), "127.0.0.1:9191");

    let dialled = showing(case, &[leaf(CURRENT), leaf(CURRENT)], on_their_way());
    assert_eq!(probes(&dialled, now() + hours(21)), []);
    let all = probes(&dialled, now() + hours(24));
    assert_eq!(all.len(), 2);
    let plan = plan::certificate::plan(&dialled.0, now() + hours(21));
    let due = plan.next_check.min(now() + hours(24));
    assert!(due > now() + hours(21));
}

#[test]
fn what_is_not_shown_yet_is_asked_for_ever_less_often() {
    let case = completed(started());
    let wait_after = |lasts| {
        let case = showing(case.clone(), &[silence(), silence()], lasts);
        let plan = plan::certificate::plan(&case.0, now());
        assert_eq!(plan.wanted_probes, []);
        plan.next_check.duration_since(now())
    };
    assert_eq!(
        wait_after(SignedDuration::ZERO),
        SignedDuration::from_secs(1)
    );
    assert_eq!(wait_after(minutes(4)), minutes(1));
    assert_eq!(wait_after(hours(9)), minutes(5));
}

#[test]
fn a_pod_that_is_not_ready_or_ends_is_not_dialled() {
    let sts = Sts::of(2)
        .pod_with(minutes(50), |pod| pod.ready_since = None)
        .pod_with(minutes(50), crate::support::terminating(now() + hours(1)));
    let case = Case::converged().with_workload(sts);
    assert_eq!(probes(&showing(case, &[], on_their_way()), now()), []);
}

#[test]
fn an_address_that_is_given_is_dialled_for_one_pod_and_tells_nothing_of_several() {
    let given = |pods: i32| {
        let sts = (0..pods).fold(Sts::of(pods), |sts, _| sts.pod(minutes(50)));
        let case = completed(Case::converged().with_workload(sts));
        case.with(|observed| {
            observed.resource.wanted.verifying.endpoints = vec![Endpoint {
                address: Some([192, 0, 2, 7].into()),
                ..endpoint()
            }];
        })
    };
    let probes = probes(&given(1), now());
    assert_eq!(probes[0].address.to_string(), "192.0.2.7:9191");
    let several = given(2);
    assert_eq!(several.plan().wanted_probes, []);
    assert_eq!(several.condition("Verified"), "Unknown Unreachable");
    assert!(several.message("Verified").contains("192.0.2.7"));
}

/// Two pods that started with it, one of which shows another; single pods may be deleted.
fn misled() -> Case {
    let case = completed(started());
    let case = showing(case, &[leaf(CURRENT), leaf(OTHER)], on_their_way());
    case.with(|observed| {
        observed.resource.wanted.strategy = RolloutStrategy::PodByPod;
    })
}

#[test]
fn a_pod_that_serves_another_is_noted_replaced_once_and_not_again() {
    let case = misled();
    let Some(Action::Distrust { pod, uid, .. }) = case.action() else {
        panic!("{:?}", case.action());
    };
    assert_eq!(pod, "coturn-1");
    assert_eq!(rollout(&case), None, "it is noted first");

    let note = |noted: &str| {
        let noted = Distrusted {
            pod: pod.clone(),
            uid: noted.to_owned(),
        };
        misled().with_store(|stored| stored.state.distrusted.push(noted))
    };
    let evicted = rollout(&note(&uid));
    let Some(plan::rollout::Action::EvictPod { pod: evicted, .. }) = evicted else {
        panic!("{evicted:?}");
    };
    assert_eq!(evicted, pod);

    // Its successor has the same name and another uid.
    let again = note("of its predecessor");
    assert_eq!(rollout(&again), None);
    assert_eq!(again.condition("RolledOut"), "False RestartNeeded");
    assert!(!matches!(again.action(), Some(Action::Distrust { .. })));
}

#[test]
fn the_time_of_a_proof_says_nothing_of_a_certificate_that_came_later() {
    // What is shown is of before the publication.
    let before: Fingerprint = crate::support::previous().leaf.fingerprint;
    let case = showing(
        started(),
        &[Shown::Leaf(before), Shown::Leaf(before)],
        SignedDuration::ZERO,
    );
    let case = case.with(|observed| {
        for proof in observed.proofs.by_pod.values_mut() {
            (proof.at, proof.since) = (published_at() - minutes(2), published_at() - hours(2));
        }
    });
    assert_eq!(case.condition("RolledOut"), "True RolledOut");
    assert_eq!(case.plan().wanted_probes.len(), 2);
}
