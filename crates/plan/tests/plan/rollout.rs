//! When a workload's template is stamped: once a certificate, and only if a pod needs it.

use std::collections::BTreeMap;

use api::{Fingerprint, RolloutStrategy};
use jiff::SignedDuration;
use plan::{
    publication::{Held, Publication, PublicationLog},
    rollout::{
        Action, Effect, Mounted, Observed, Plan, Replacement, Stage, Workload, assess, plan,
    },
};
use rstest::rstest;

use crate::support::{
    Sts, fingerprint, hours, minutes, now, refusal, terminating, version, waiting,
};

/// In service since an hour ago; its predecessor since a hundred hours ago.
pub fn mounted(secret: &str) -> Mounted {
    let before = Publication {
        held: Held::Leaf(fingerprint(9)),
        from: now() - hours(100),
    };
    Mounted {
        certificate: secret.to_owned(),
        secret: secret.to_owned(),
        current: fingerprint(1),
        log: PublicationLog::starting_with(before).with(Publication {
            held: Held::Leaf(fingerprint(1)),
            from: now() - hours(1),
        }),
        strategy: RolloutStrategy::RollingRestart,
        assurance: plan::rollout::Assurance::default(),
        predecessors: Vec::new(),
    }
}

fn decide(sts: Sts, certificates: Vec<Mounted>) -> Plan {
    let observed = Observed {
        workload: sts.observed(),
        certificates,
        pending: Vec::new(),
    };
    plan(&observed, now())
}

/// The fingerprints that the template gets, and what follows from it.
fn stamp(sts: Sts, certificates: Vec<Mounted>) -> Option<(BTreeMap<String, Fingerprint>, Effect)> {
    decide(sts, certificates).action.map(|action| match action {
        Action::StampTemplate {
            fingerprints,
            effect,
            ..
        } => (fingerprints, effect),
        Action::RestartPod { pod, .. } => panic!("{pod} is restarted alone"),
        Action::EvictPod { .. } | Action::TouchPod { .. } | Action::RestoreTemplate { .. } => {
            panic!("no certificate asks for that")
        }
    })
}

pub fn stage(sts: Sts) -> Stage {
    assess(&sts.observed(), &mounted("tls"), now()).stage
}

pub fn is_stamped(sts: Sts) -> bool {
    stamp(sts, vec![mounted("tls")]).is_some()
}

/// Two pods that started before the certificate was published.
pub fn outdated() -> Sts {
    Sts::of(2).pod(hours(50)).pod(hours(50))
}

/// Two pods that started after it.
pub fn started_since() -> Sts {
    Sts::of(2).pod(minutes(50)).pod(minutes(50))
}

#[test]
fn pods_that_started_before_the_publication_are_replaced() {
    let tls = BTreeMap::from([("tls".to_owned(), fingerprint(1))]);
    assert_eq!(
        stamp(outdated(), vec![mounted("tls")]),
        Some((tls, Effect::Rollout))
    );
}

#[rstest]
#[case::soon_after_the_publication(minutes(9), Stage::UnderWay)]
#[case::long_after_it(minutes(10), Stage::Stuck)]
fn a_rollout_that_is_due_counts_as_under_way_for_its_budget_only(
    #[case] published: SignedDuration,
    #[case] expected: Stage,
) {
    let due = Mounted {
        log: PublicationLog::starting_with(Publication {
            held: Held::Leaf(fingerprint(1)),
            from: now() - published,
        }),
        ..mounted("tls")
    };
    let progress = assess(&outdated().observed(), &due, now());
    assert_eq!(progress.stage, expected);
}

#[test]
fn a_rollout_that_was_refused_is_tried_again() {
    let refused = outdated().with(|live| live.refused = Some(refusal(api::Reason::Forbidden)));
    assert!(is_stamped(refused));
}

#[test]
fn a_template_is_stamped_at_the_revision_that_was_read() {
    let Some(Action::StampTemplate { workload, .. }) =
        decide(outdated(), vec![mounted("tls")]).action
    else {
        panic!("not stamped")
    };
    assert_eq!(workload, version("coturn", 1));
}

#[test]
fn nothing_is_restarted_if_every_pod_started_after_the_publication() {
    assert!(!is_stamped(started_since()));
    assert_eq!(stage(started_since()), Stage::Done);
}

#[test]
fn nothing_is_restarted_while_pods_wait_for_their_first_certificate() {
    assert!(!is_stamped(Sts::of(2).pod_with(hours(50), waiting)));
}

#[test]
fn one_pod_that_is_not_current_is_enough() {
    assert!(is_stamped(Sts::of(2).pod(minutes(50)).pod(hours(50))));
}

/// Its container restarted while the kubelet may still have shown the certificate before.
fn doubtful() -> Sts {
    Sts::of(1).pod(hours(50)).with(|live| {
        let restarted = now() - hours(1) + minutes(1);
        live.pods[0]
            .started
            .insert("tls".to_owned(), vec![Some(restarted)]);
    })
}

#[test]
fn a_pod_that_may_have_read_the_certificate_before_gets_the_rollout_that_is_due() {
    assert!(is_stamped(doubtful()));
    assert!(!is_stamped(doubtful().stamped(fingerprint(1))));
    assert_eq!(stage(doubtful().stamped(fingerprint(1))), Stage::Unknown);
}

#[test]
fn a_pod_that_may_have_read_something_foreign_is_left_alone_and_told_of() {
    let restored = Mounted {
        log: [
            (Held::Leaf(fingerprint(1)), hours(100)),
            (Held::Foreign, hours(1)),
            (Held::Leaf(fingerprint(1)), minutes(59)),
        ]
        .into_iter()
        .fold(PublicationLog::default(), |log, (held, age)| {
            log.with(Publication {
                held,
                from: now() - age,
            })
        }),
        ..mounted("tls")
    };
    let decided = decide(doubtful(), vec![restored.clone()]);
    assert_eq!(decided.action, None);
    assert_eq!(
        assess(&doubtful().observed(), &restored, now()).stage,
        Stage::Unknown
    );
}

#[test]
fn a_template_that_carries_the_fingerprint_is_not_stamped_again() {
    assert!(!is_stamped(outdated().stamped(fingerprint(1))));
    assert_eq!(
        stage(outdated().stamped(fingerprint(1))),
        Stage::RestartNeeded
    );
}

#[test]
fn a_template_with_the_fingerprint_of_the_certificate_before_is_stamped() {
    assert!(is_stamped(outdated().stamped(fingerprint(9))));
}

#[test]
fn a_missing_annotation_alone_is_no_reason() {
    let replaced = |pod: &mut plan::rollout::Pod| {
        pod.fingerprints
            .insert("tls".to_owned(), fingerprint(1).to_string());
    };
    assert!(!is_stamped(Sts::of(1).pod_with(minutes(50), replaced)));
}

#[test]
fn a_secret_that_is_not_mounted_restarts_nothing() {
    let elsewhere = outdated().with(|live| live.mounts = ["other".to_owned()].into());
    assert!(!is_stamped(elsewhere.clone()));
    assert_eq!(stage(elsewhere), Stage::NotMounted);
}

#[test]
fn a_workload_that_does_not_exist_is_not_written() {
    let observed = Observed {
        workload: Workload::Missing,
        certificates: vec![mounted("tls")],
        pending: Vec::new(),
    };
    assert_eq!(plan(&observed, now()).action, None);
}

#[test]
fn strategy_none_restarts_nothing() {
    let mut none = mounted("tls");
    none.strategy = RolloutStrategy::None;
    assert_eq!(stamp(outdated(), vec![none.clone()]), None);
    assert_eq!(stamp(Sts::of(0), vec![none.clone()]), None);
    let stage = assess(&outdated().observed(), &none, now()).stage;
    assert_eq!(stage, Stage::RestartNeeded);
}

#[test]
fn update_strategy_on_delete_restarts_nothing() {
    let on_delete = outdated().with(|live| live.replacement = Replacement::OnDelete);
    assert!(!is_stamped(on_delete.clone()));
    assert_eq!(stage(on_delete), Stage::OnDelete);
}

#[test]
fn a_certificate_that_is_not_known_to_be_published_restarts_nothing() {
    let mut unpublished = mounted("tls");
    unpublished.current = fingerprint(2);
    assert_eq!(stamp(outdated(), vec![unpublished]), None);
}

#[test]
fn a_workload_without_pods_is_stamped_at_once() {
    let tls = BTreeMap::from([("tls".to_owned(), fingerprint(1))]);
    assert_eq!(
        stamp(Sts::of(0), vec![mounted("tls")]),
        Some((tls, Effect::NoPods))
    );
}

#[test]
fn a_workload_whose_last_pod_still_ends_is_not_stamped() {
    let ending = Sts::of(0).pod_with(hours(50), terminating(now() + hours(12)));
    assert!(!is_stamped(ending));
}

#[test]
fn a_workload_whose_first_pod_is_still_to_come_is_not_stamped() {
    assert!(!is_stamped(Sts::of(3)));
}

fn with_two_secrets(sts: Sts) -> Sts {
    sts.with(|live| {
        live.mounts.insert("second".to_owned());
        for pod in &mut live.pods {
            pod.started
                .insert("second".to_owned(), vec![Some(pod.created)]);
        }
    })
}

#[test]
fn two_certificates_of_one_workload_are_one_rollout() {
    let both = vec![mounted("tls"), mounted("second")];
    let (fingerprints, _) = stamp(with_two_secrets(outdated()), both).unwrap();
    assert_eq!(
        fingerprints.into_keys().collect::<Vec<_>>(),
        ["second", "tls"]
    );
}

#[test]
fn what_the_template_carries_already_is_not_stamped_beside_another() {
    let both = vec![mounted("tls"), mounted("second")];
    let sts = with_two_secrets(outdated()).stamped(fingerprint(1));
    let (fingerprints, _) = stamp(sts, both).unwrap();
    assert_eq!(fingerprints.into_keys().collect::<Vec<_>>(), ["second"]);
}

#[test]
fn a_missing_annotation_is_no_reason_while_pods_lack_another_certificate_that_was_stamped() {
    let both = vec![mounted("tls"), mounted("second")];
    let sts = with_two_secrets(outdated())
        .stamped(fingerprint(1))
        .with(|live| {
            for pod in &mut live.pods {
                pod.started
                    .insert("second".to_owned(), vec![Some(now() - minutes(50))]);
            }
        });
    assert_eq!(stamp(sts, both), None);
}

/// A rollout of the certificate before, two pods of it replaced; the last change that long ago.
fn half_way(since: SignedDuration) -> Sts {
    Sts::of(2).pod(hours(50)).pod(hours(50)).with(|live| {
        live.update_revision = Some("2".to_owned());
        live.changed = now() - since;
    })
}

#[test]
fn a_rollout_under_way_is_not_stacked_on() {
    assert!(!is_stamped(half_way(minutes(9))));
    assert_eq!(stage(half_way(minutes(9))), Stage::UnderWay);
}

#[test]
fn a_rollout_without_progress_for_its_budget_is_stuck_and_may_be_superseded() {
    assert_eq!(stage(half_way(minutes(61))), Stage::Stuck);
    assert!(is_stamped(half_way(minutes(61))));
}

#[test]
fn a_rollout_is_not_stuck_within_the_budget_of_the_publication() {
    let just_published = Mounted {
        log: PublicationLog::starting_with(Publication {
            held: Held::Leaf(fingerprint(1)),
            from: now() - minutes(9),
        }),
        ..mounted("tls")
    };
    let progress = assess(&half_way(hours(5)).observed(), &just_published, now());
    assert_eq!(progress.stage, Stage::UnderWay);
}

#[rstest]
#[case::within_its_grace(now() + SignedDuration::from_secs(43_200), Stage::UnderWay)]
#[case::in_the_budget_after_it(now() - minutes(9), Stage::UnderWay)]
#[case::long_after_it(now() - minutes(10), Stage::Stuck)]
fn a_pod_may_take_its_whole_grace_period_to_end(
    #[case] grace_ends: jiff::Timestamp,
    #[case] expected: Stage,
) {
    let draining = Sts::of(2)
        .stamped(fingerprint(1))
        .with(|live| live.changed = now() - hours(12))
        .pod(hours(11))
        .pod_with(hours(50), terminating(grace_ends));
    assert_eq!(stage(draining), expected);
}

#[test]
fn a_pod_created_or_ready_within_the_budget_is_progress() {
    let created = half_way(hours(1)).pod_with(minutes(9), waiting);
    assert_eq!(stage(created), Stage::UnderWay);
    let ready = half_way(hours(1)).with(|live| live.pods[0].ready_since = Some(now() - minutes(9)));
    assert_eq!(stage(ready), Stage::UnderWay);
}

#[test]
fn a_container_that_crashes_again_and_again_is_no_progress() {
    let crashing = half_way(hours(1)).with(|live| {
        live.pods[0].ready_since = None;
        live.pods[0]
            .started
            .insert("tls".to_owned(), vec![Some(now() - minutes(1))]);
    });
    assert_eq!(stage(crashing), Stage::Stuck);
}

#[test]
fn a_change_that_the_workloads_controller_did_not_see_yet_is_under_way() {
    let unseen = started_since().with(|live| {
        live.observed = false;
        live.changed = now();
    });
    assert_eq!(stage(unseen), Stage::UnderWay);
}

#[test]
fn pods_below_the_partition_are_not_waited_for() {
    let partitioned = Sts::of(2)
        .stamped(fingerprint(1))
        .pod(hours(50))
        .pod(minutes(50))
        .with(|live| {
            live.partition = 1;
            live.pods[0].revision = Some("0".to_owned());
        });
    assert_eq!(stage(partitioned), Stage::RestartNeeded);
}

#[test]
fn a_rollout_under_way_is_looked_at_again_soon_and_one_that_ended_is_not() {
    let soon = decide(half_way(minutes(1)), vec![mounted("tls")]).next_check;
    assert_eq!(soon, Some(now() + SignedDuration::from_secs(30)));
    assert_eq!(
        decide(started_since(), vec![mounted("tls")]).next_check,
        None
    );
}

#[test]
fn pods_are_counted_and_those_that_are_not_current_are_named() {
    let mixed = Sts::of(2).pod(minutes(50)).pod(hours(50));
    let progress = assess(&mixed.observed(), &mounted("tls"), now());
    assert_eq!((progress.current, progress.total), (1, 2));
    assert_eq!(progress.not_current[0].0, "coturn-1");
}
