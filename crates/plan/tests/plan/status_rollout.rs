//! What the status says while pods are replaced, cannot be, or cannot be judged.

use api::Reason;
use jiff::SignedDuration;
use plan::{
    certificate::{Published, Stored, broken_off_status},
    publication::{Beginning, Held, Publication, PublicationLog},
};
use rstest::rstest;

use crate::support::{
    Case, Sts, done, draining, fingerprint, hours, log_since, minutes, now, previous, published_at,
    refusal, waiting,
};

/// A pod that started before the certificate in service was published: ten hours ago.
fn with_pods(sts: Sts) -> Case {
    with_pods_since(sts, minutes(1))
}

/// The same, stamped that long ago.
fn with_pods_since(sts: Sts, since: SignedDuration) -> Case {
    Case::converged()
        .with_workload(done())
        .reported()
        .with_workload(sts.stamped(fingerprint(1)).with(|live| {
            live.update_revision = Some("2".to_owned());
            live.changed = now() - since;
        }))
}

fn started_with_foreign(pod: &mut plan::rollout::Pod) {
    pod.created = now() - hours(2);
    pod.started
        .insert("tls".to_owned(), vec![Some(now() - hours(2))]);
}

fn overwritten_meanwhile(case: Case) -> Case {
    case.with_store(|it| {
        for (held, age) in [
            (Held::Foreign, hours(3)),
            (Held::Leaf(fingerprint(1)), hours(1)),
        ] {
            let from = now() - age;
            it.state.log = it.state.log.with(Publication { held, from });
        }
    })
}

#[test]
fn the_only_pod_of_a_workload_may_be_between_two_certificates() {
    assert_eq!(with_pods(Sts::of(1)).condition("Ready"), "True Ready");
    let starting = Sts::of(1).pod_with(minutes(1), waiting);
    assert_eq!(with_pods(starting).condition("Ready"), "True Ready");
}

#[test]
fn the_only_pod_between_an_expired_certificate_and_the_next_is_not_ready() {
    let starting = Sts::of(1).pod_with(minutes(1), waiting);
    for pods in [Sts::of(1), starting] {
        let case = with_pods(pods).with_store(|it| {
            it.previous.as_mut().unwrap().leaf.not_after = now() - minutes(20);
        });
        assert_eq!(case.condition("Ready"), "False RollingOut");
    }
}

#[test]
fn a_rollout_during_which_no_pod_runs_is_not_ready() {
    let none = Sts::of(2).pod_with(minutes(1), waiting);
    assert_eq!(with_pods(none).condition("Ready"), "False RollingOut");
    let one = Sts::of(2).pod(hours(50)).pod_with(minutes(1), waiting);
    assert_eq!(with_pods(one).condition("Ready"), "True Ready");
}

#[test]
fn a_pod_that_comes_back_beside_current_ones_needs_no_predecessor() {
    let drained = Sts::of(3)
        .pod(minutes(50))
        .pod(minutes(50))
        .pod_with(minutes(1), waiting);
    for forget in [
        |it: &mut Stored| it.previous = None,
        |it: &mut Stored| it.previous.as_mut().unwrap().leaf.not_after = now() - minutes(20),
    ] {
        let case = with_pods(drained.clone()).with_store(forget);
        assert_eq!(case.condition("RolledOut"), "False RollingOut");
        assert_eq!(case.condition("Ready"), "True Ready");
    }
}

#[test]
fn a_rollout_away_from_something_foreign_is_not_ready() {
    let foreign = Sts::of(2)
        .pod(minutes(50))
        .pod_with(hours(2), started_with_foreign);
    let case = overwritten_meanwhile(with_pods(foreign));
    assert_eq!(case.condition("RolledOut"), "False RollingOut");
    assert_eq!(case.condition("Ready"), "False RollingOut");
}

#[rstest]
#[case::within_the_budget(minutes(9), "False RollingOut", "True Ready")]
#[case::after_it(minutes(11), "False RolloutFailed", "False RolloutFailed")]
fn a_pod_that_never_becomes_ready_holds_a_rollout_up_and_is_told_of_after_the_budget(
    #[case] since: SignedDuration,
    #[case] rolled_out: &str,
    #[case] ready: &str,
) {
    let held_up = Sts::of(2).pod(hours(50)).pod_with(since, |pod| {
        pod.revision = Some("2".to_owned());
        pod.ready_since = None;
    });
    let case = with_pods_since(held_up, since)
        .with(|observed| observed.resource.wanted.on_failure = api::OnFailure::Hold);
    assert_eq!(case.condition("RolledOut"), rolled_out);
    assert_eq!(case.condition("Ready"), ready);
    let message = case.message("RolledOut");
    assert!(message.contains("1 of 2 pods are current; coturn-0"));
}

fn current_since(age: SignedDuration) -> Publication {
    Publication {
        held: Held::Leaf(fingerprint(1)),
        from: now() - age,
    }
}

fn before() -> Publication {
    Publication {
        held: Held::Leaf(previous().leaf.fingerprint),
        from: previous().leaf.not_before,
    }
}

fn log(publications: &[Publication]) -> PublicationLog {
    let empty = PublicationLog::empty(Beginning::First);
    publications.iter().fold(empty, |log, it| log.with(*it))
}

/// The pair before that in service was published thirty hours ago, twenty hours before its successor.
fn renewed_before_the_rollout_began(oldest: SignedDuration) -> Case {
    let pods = Sts::of(2).pod(oldest).pod(minutes(1));
    with_pods(pods).with_store(|it| {
        let older = Publication {
            held: Held::Leaf(fingerprint(5)),
            from: now() - hours(9000),
        };
        let between = Publication {
            held: Held::Leaf(previous().leaf.fingerprint),
            from: now() - hours(30),
        };
        it.state.log = log(&[older, between, current_since(hours(10))]);
    })
}

#[test]
fn a_pod_that_missed_a_rollout_is_not_taken_for_one_that_serves_the_predecessor() {
    let missed = renewed_before_the_rollout_began(hours(50));
    assert_eq!(missed.condition("RolledOut"), "False RollingOut");
    assert_eq!(missed.condition("Ready"), "False RollingOut");
    let took_part = renewed_before_the_rollout_began(hours(20));
    assert_eq!(took_part.condition("Ready"), "True Ready");
}

#[test]
fn a_pod_that_may_have_read_what_overwrote_the_predecessor_is_not_known_to_work() {
    let between = Sts::of(2).pod(minutes(1)).pod_with(hours(50), |pod| {
        pod.started
            .insert("tls".to_owned(), vec![Some(now() - hours(10))]);
    });
    let case = with_pods(between);
    assert_eq!(case.condition("Ready"), "True Ready");
    let overwritten = case.with_store(|it| {
        let clobbered = Publication {
            held: Held::Foreign,
            from: published_at() - minutes(1),
        };
        it.state.log = log(&[before(), clobbered, current_since(hours(10))]);
    });
    assert_eq!(overwritten.condition("RolledOut"), "False RollingOut");
    assert_eq!(overwritten.condition("Ready"), "False RollingOut");
}

/// A rollout is due, and the write that starts it failed.
fn refused(reason: Reason, published: SignedDuration) -> Case {
    let untouched = Sts::of(2).pod(hours(50)).pod(hours(50)).with(|live| {
        live.refused = Some(refusal(reason));
    });
    Case::converged()
        .with_workload(done())
        .reported()
        .with_workload(untouched)
        .with_store(|it| it.state.log = log_since(now() - published))
}

#[rstest]
#[case::of_the_user(Reason::Forbidden, minutes(1), "True Forbidden")]
#[case::of_the_user_for_long(Reason::Forbidden, hours(1), "True Forbidden")]
#[case::of_time_for_long(Reason::ApiUnavailable, hours(1), "False InProgress")]
fn a_rollout_that_is_refused_is_not_ready_although_the_generation_was_realised(
    #[case] reason: Reason,
    #[case] published: SignedDuration,
    #[case] stalled: &str,
) {
    let case = refused(reason, published);
    let expected = format!("False {reason}");
    assert_eq!(case.condition("RolledOut"), expected);
    assert_eq!(case.condition("Ready"), expected);
    assert_eq!(case.condition("Stalled"), stalled);
    assert_eq!(case.message("RolledOut"), "put a renewed CA there");
}

#[test]
fn a_write_that_is_tried_again_soon_does_not_block_a_rollout() {
    let case = refused(Reason::Conflict, minutes(9));
    assert_eq!(case.condition("RolledOut"), "False RollingOut");
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn a_refusal_does_not_matter_where_no_rollout_is_due() {
    let case = Case::converged()
        .with_workload(done().with(|live| live.refused = Some(refusal(Reason::Forbidden))));
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn a_pass_that_broke_off_leaves_unknown_what_is_the_case_and_realised_what_was() {
    let before = Case::converged().with_workload(done()).status();
    let status = broken_off_status(&before, 1, Reason::ApiUnavailable, "no end", now());
    let told = |kind: &str| {
        let condition = status
            .conditions
            .iter()
            .find(|it| it.type_ == kind)
            .unwrap();
        format!("{} {}", condition.status, condition.reason)
    };
    assert_eq!(told("Ready"), "Unknown ApiUnavailable");
    assert_eq!(told("Reconciling"), "False Realised");
    assert_eq!(told("Stalled"), "False InProgress");
    assert_eq!(status.certificate, before.certificate);

    let again = Case::converged()
        .with(|it| it.resource.status = status)
        .with_workload(draining());
    assert_eq!(again.condition("Ready"), "True Ready");
}

#[test]
fn a_published_secret_that_cannot_be_read_leaves_unknown_what_pods_serve() {
    let before = Case::converged().with_workload(done()).reported();
    let rollout = before.0.resource.status.rollout.clone();
    let unreadable = Published::Unreadable(refusal(Reason::ApiUnavailable));
    let case = before.with(|it| it.published = unreadable);
    assert_eq!(case.condition("RolledOut"), "Unknown ApiUnavailable");
    assert!(rollout.is_some());
    assert_eq!(case.status().rollout, rollout);
}
