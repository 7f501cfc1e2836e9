//! Somebody who keeps undoing the operator's writes: it gives way, says so, and tries again.

use jiff::{SignedDuration, Timestamp};
use plan::{
    Contest,
    certificate::{Action, PublishCause},
    contest::{ContestedStamp, LastWritten, Write},
    publication::{Held, Publication},
    rollout,
};

use crate::support::{Case, Sts, fingerprint, foreign, hours, minutes, now};

/// Overwritten and recorded, by a field manager.
fn overwritten() -> Case {
    let publication = Publication {
        held: Held::Foreign,
        from: now() - minutes(1),
    };
    Case::converged()
        .with_published(|it| {
            it.pair = Some(foreign());
        })
        .with_store(|it| it.state.log = it.state.log.with(publication))
}

fn contested(case: Case) -> Case {
    case.with(|it| {
        it.contest = Some(Contest {
            by: Some("argocd-controller".to_owned()),
            until: now() + minutes(9),
        });
    })
}

#[test]
fn nothing_is_written_against_somebody_who_keeps_undoing_it() {
    let case = contested(overwritten()).reported();
    assert_eq!(case.action(), None);
    assert_eq!(case.condition("Contested"), "True Contested");
    assert_eq!(case.condition("Ready"), "False Contested");
    assert_eq!(case.condition("Stalled"), "True Contested");
    assert!(
        case.message("Contested")
            .starts_with("argocd-controller (field manager)")
    );
    assert_eq!(case.plan().next_check, now() + minutes(9));
}

#[test]
fn somebody_who_is_not_known_is_called_no_field_manager() {
    let case = contested(overwritten()).with(|it| it.contest.as_mut().unwrap().by = None);
    let told = case.message("Contested");
    let begins = "somebody keeps overwriting or deleting Secret wire/tls:";
    assert!(told.starts_with(begins), "{told}");
    assert!(!told.contains("field manager"), "{told}");
}

/// Overwritten by somebody in a second of these, and last written by the operator in another.
fn written(helm: i64, operator: Option<i64>) -> Case {
    overwritten().with_published(|it| {
        it.last_writer = Some(Write {
            by: "helm".to_owned(),
            at: second(helm),
        });
        it.operator_wrote = operator.map(second);
    })
}

fn second(second: i64) -> Timestamp {
    now() + SignedDuration::from_secs(second)
}

#[test]
fn who_wrote_since_the_operator_did_is_named() {
    for operator in [Some(9), Some(10), None] {
        let by = written(10, operator).0.undone_by(&LastWritten::default());
        assert_eq!(by.as_deref(), Some("helm"));
    }
}

#[test]
fn who_wrote_before_the_operator_did_is_not_named() {
    assert_eq!(
        written(10, Some(11)).0.undone_by(&LastWritten::default()),
        None
    );
}

#[test]
fn who_wrote_before_what_was_put_right_last_is_not_named_though_no_trace_of_that_is_left() {
    let case = written(10, None);
    assert_eq!(case.0.undone_by(&wrote(11)), None);
    let by = case.0.undone_by(&wrote(10));
    assert_eq!(by.as_deref(), Some("helm"));
}

/// The reply to the operator's last write told of this second, and of nobody else.
fn wrote(at: i64) -> LastWritten {
    LastWritten {
        at: Some(second(at)),
        beside: None,
    }
}

#[test]
fn what_the_operator_wrote_in_an_owners_name_is_not_the_owners() {
    let case = written(10, Some(9));
    let own = |at: i64| LastWritten {
        at: Some(second(9)),
        beside: Some(Write {
            by: "helm".to_owned(),
            at: second(at),
        }),
    };
    assert_eq!(case.0.undone_by(&own(10)), None);
    let by = case.0.undone_by(&own(8));
    assert_eq!(by.as_deref(), Some("helm"), "it has written since");
}

#[test]
fn nobody_is_named_for_a_deletion() {
    let gone = Case::converged().with(|it| it.published = plan::certificate::Published::Absent);
    assert_eq!(gone.0.undone_by(&LastWritten::default()), None);
}

#[test]
fn it_is_tried_again_after_a_while() {
    let case = overwritten().with(|it| {
        it.contest = Some(Contest {
            by: None,
            until: now(),
        });
    });
    assert!(matches!(
        case.action(),
        Some(Action::Publish {
            cause: PublishCause::Overwritten,
            ..
        })
    ));
}

#[test]
fn a_condition_that_does_not_hold_is_not_there() {
    let told = contested(overwritten()).reported();
    let over = told
        .with(|it| it.contest = None)
        .with_published(|it| it.pair = Some(crate::support::current()))
        .with_store(|it| {
            it.state.log = it.state.log.with(Publication {
                held: Held::Leaf(fingerprint(1)),
                from: now(),
            });
        });
    let conditions = over.status().conditions;
    assert!(conditions.iter().all(|it| it.type_ != "Contested"));
    assert_eq!(over.condition("Ready"), "True Ready");
}

#[test]
fn while_only_labels_are_fought_over_the_certificate_is_renewed_all_the_same() {
    let mut case = contested(Case::converged().with_published(|it| it.labels.clear()));
    assert_eq!(case.condition("Ready"), "True Ready");
    assert_eq!(case.condition("Contested"), "True Contested");
    let leaf = |it: &mut plan::certificate::Pair| it.leaf.not_after = now() + hours(1);
    case = case
        .with_store(|it| leaf(&mut it.current))
        .with_published(|it| leaf(it.pair.as_mut().unwrap()));
    assert_eq!(case.issues(), Some(api::Trigger::Renewing));
}

#[test]
fn a_new_certificate_is_published_whoever_fights() {
    let renewed = contested(Case::converged()).with_store(|it| {
        it.previous = Some(it.current.clone());
        it.current = crate::support::pair(2, now(), now() + hours(8000));
    });
    assert!(matches!(
        renewed.action(),
        Some(Action::Publish {
            cause: PublishCause::Superseded,
            ..
        })
    ));
}

#[test]
fn a_secret_that_somebody_deletes_again_and_again_is_given_up_for_a_while() {
    let gone = |case: Case| case.with(|it| it.published = plan::certificate::Published::Absent);
    let Some(Action::Publish { cause, .. }) = gone(Case::converged()).action() else {
        panic!("{:?}", gone(Case::converged()).action())
    };
    assert_eq!(cause, PublishCause::Deleted);
    let case = contested(gone(Case::converged()));
    assert_eq!(case.condition("Published"), "False Contested");
    assert_eq!(case.reported().action(), None);
}

/// A pod that started before the certificate in service, and a template without its fingerprint.
fn rollout_due(contest: Option<ContestedStamp>) -> Case {
    let workload = Sts::of(1)
        .pod(hours(50))
        .with(|live| live.contest = contest);
    Case::converged().with_workload(workload)
}

fn stamps(case: &Case) -> bool {
    let observed = rollout::Observed {
        workload: case.0.workload.clone().unwrap(),
        certificates: case.0.mounted().into_iter().collect(),
        pending: Vec::new(),
    };
    rollout::plan(&observed, now()).action.is_some()
}

/// Somebody who is given way to until then.
fn until(until: Timestamp) -> ContestedStamp {
    let by = Some("argocd-controller".to_owned());
    ContestedStamp {
        contest: Contest { by, until },
        fingerprints: [("tls".to_owned(), fingerprint(1))].into(),
    }
}

#[test]
fn a_newer_certificate_is_rolled_out_whoever_undid_the_stamp_of_the_one_before() {
    let mut before = until(now() + minutes(900));
    before.fingerprints = [("tls".to_owned(), fingerprint(9))].into();
    let newer = rollout_due(Some(before));
    assert!(stamps(&newer));
    assert!(!is_told(&newer));
}

#[test]
fn a_template_without_pods_that_somebody_keeps_putting_back_is_stamped_only_now_and_then() {
    let without_pods = |contest| {
        let workload = Sts::of(0).with(|live| live.contest = contest);
        Case::converged().with_workload(workload)
    };
    assert!(stamps(&without_pods(None)));
    assert!(stamps(&without_pods(Some(until(now())))));
    let contested = without_pods(Some(until(now() + minutes(9))));
    assert!(!stamps(&contested));
    assert_eq!(contested.condition("Contested"), "True Contested");
    assert_eq!(contested.condition("RolledOut"), "True RolledOut");
    assert_eq!(contested.plan().next_check, now() + minutes(9));
}

#[test]
fn a_rollout_that_somebody_keeps_undoing_is_started_only_now_and_then() {
    assert!(stamps(&rollout_due(None)));
    assert!(stamps(&rollout_due(Some(until(now())))));
    let contested = rollout_due(Some(until(now() + minutes(9))));
    assert!(!stamps(&contested));
    assert_eq!(contested.condition("RolledOut"), "False Contested");
    let told = contested.message("RolledOut");
    assert!(
        told.starts_with("argocd-controller (field manager)"),
        "{told}"
    );
    assert_eq!(contested.condition("Ready"), "False Contested");
    assert_eq!(contested.condition("Contested"), "True Contested");
    assert_eq!(contested.message("Contested"), told);
    assert_eq!(contested.plan().next_check, now() + minutes(9));
}

fn is_told(case: &Case) -> bool {
    let conditions = case.status().conditions;
    conditions.iter().any(|it| it.type_ == "Contested")
}

#[test]
fn a_rollout_that_was_put_right_and_stands_is_not_told_to_be_undone() {
    let stands = Sts::of(1)
        .stamped(fingerprint(1))
        .pod(minutes(50))
        .with(|live| live.contest = Some(until(now() + minutes(9))));
    assert!(!is_told(&Case::converged().with_workload(stands)));
}

#[test]
fn a_rollout_of_a_workload_that_does_not_mount_the_secret_is_not_told_of() {
    let elsewhere = Sts::of(1)
        .pod(hours(50))
        .with(|live| live.contest = Some(until(now() + minutes(9))))
        .with(|live| live.mounts.clear());
    assert!(!is_told(&Case::converged().with_workload(elsewhere)));
}

#[test]
fn until_when_a_rollout_is_held_back_is_judged_by_the_api_servers_clock() {
    let ahead = |minutes_ahead| {
        rollout_due(Some(until(now()))).with(|it| it.clock_ahead = Some(minutes(minutes_ahead)))
    };
    assert!(!is_told(&ahead(0)));
    assert!(!is_told(&ahead(-1)));
    let contested = ahead(1);
    assert!(is_told(&contested));
    assert_eq!(contested.plan().next_check, now() + minutes(1));
}

#[test]
fn who_undoes_both_is_told_of_both() {
    let rollout = rollout_due(Some(until(now() + minutes(9))));
    let both = contested(rollout).with_published(|it| it.labels.clear());
    let told = both.message("Contested");
    assert!(told.contains("Secret wire/tls"), "{told}");
    assert!(told.contains("of the pod template"), "{told}");
}
