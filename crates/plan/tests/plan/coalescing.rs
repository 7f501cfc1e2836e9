//! Certificates of one workload that are renewed together make one rollout.

use api::RolloutStrategy;
use jiff::SignedDuration;
use plan::{
    publication::{Held, Publication, PublicationLog},
    rollout::{Action, Mounted, Observed, Plan, plan},
};
use rstest::rstest;

use crate::support::{Case, Sts, fingerprint, hours, minutes, now};

const fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// A certificate that was published so long ago.
fn published(name: &str, ago: SignedDuration) -> Mounted {
    let before = Publication {
        held: Held::Leaf(fingerprint(9)),
        from: now() - hours(100),
    };
    Mounted {
        certificate: name.to_owned(),
        secret: name.to_owned(),
        current: fingerprint(1),
        log: PublicationLog::starting_with(before).with(Publication {
            held: Held::Leaf(fingerprint(1)),
            from: now() - ago,
        }),
        strategy: RolloutStrategy::RollingRestart,
        assurance: plan::rollout::Assurance::default(),
        predecessors: Vec::new(),
    }
}

/// Two pods that have mounted both Secrets for fifty hours.
fn decide(certificates: Vec<Mounted>, pending: &[&str]) -> Plan {
    let sts = Sts::of(2).pod(hours(50)).pod(hours(50)).with(|live| {
        live.mounts.insert("second".to_owned());
        for pod in &mut live.pods {
            let started = vec![Some(pod.created)];
            pod.started.insert("second".to_owned(), started);
        }
    });
    let observed = Observed {
        workload: sts.observed(),
        certificates,
        pending: pending.iter().map(ToString::to_string).collect(),
    };
    plan(&observed, now())
}

/// `second` is on every pod; `tls` was renewed that long ago.
fn renewed_beside_another(ago: SignedDuration) -> Vec<Mounted> {
    vec![published("tls", ago), published("second", hours(80))]
}

#[rstest]
#[case::at_once(seconds(0), false)]
#[case::a_moment_later(seconds(4), false)]
#[case::after_the_wait(seconds(5), true)]
#[case::by_a_clock_a_little_behind(seconds(-3), false)]
#[case::by_a_clock_far_behind(minutes(-2), true)]
fn a_rollout_waits_a_moment_for_other_certificates_of_the_workload(
    #[case] ago: SignedDuration,
    #[case] starts: bool,
) {
    let plan = decide(renewed_beside_another(ago), &[]);
    assert_eq!(plan.action.is_some(), starts);
    let looks_again = plan
        .next_check
        .is_some_and(|next| next <= now() + seconds(8));
    assert!(starts || looks_again);
}

#[rstest]
#[case::while_it_may_come(seconds(110), false)]
#[case::no_longer(seconds(120), true)]
fn a_rollout_waits_for_a_certificate_that_is_about_to_be_published(
    #[case] ago: SignedDuration,
    #[case] starts: bool,
) {
    let plan = decide(renewed_beside_another(ago), &["second"]);
    assert_eq!(plan.action.is_some(), starts);
}

#[test]
fn a_rollout_does_not_wait_for_itself_nor_alone() {
    let alone = decide(vec![published("tls", seconds(1))], &["tls"]);
    assert!(alone.action.is_some());
}

#[test]
fn nothing_is_waited_for_once_all_are_published() {
    let both = vec![
        published("tls", seconds(1)),
        published("second", seconds(1)),
    ];
    assert!(decide(both, &[]).action.is_some());
}

#[test]
fn a_certificate_whose_renewal_is_asked_for_is_pending_until_it_is_published() {
    let case = Case::converged();
    assert!(!case.0.is_pending(now()));
    let asked = case.with(|it| it.resource.renew = Some("a".to_owned()));
    assert!(asked.0.is_pending(now()));
    let suspended = asked.with(|it| it.resource.wanted.suspend = true);
    assert!(!suspended.0.is_pending(now()));
}

/// One that asks for a rolling restart, and one that asks for evictions; both are due.
#[rstest]
#[case(RolloutStrategy::PodByPod)]
#[case(RolloutStrategy::Reload)]
fn who_asks_for_less_than_a_rolling_restart_gives_way_to_one(#[case] gentler: RolloutStrategy) {
    let mut gentle = published("second", minutes(5));
    gentle.strategy = gentler;
    let both = vec![published("tls", minutes(5)), gentle.clone()];
    let sts = || {
        let sts = Sts::of(2).pod(hours(50)).pod(hours(50));
        sts.with(|live| {
            live.mounts.insert("second".to_owned());
            live.rolled_by = Some("tls".to_owned());
            for pod in &mut live.pods {
                let started = vec![Some(pod.created)];
                pod.started.insert("second".to_owned(), started);
            }
        })
    };
    let observed = Observed {
        workload: sts().observed(),
        certificates: both,
        pending: Vec::new(),
    };
    let Some(Action::StampTemplate { fingerprints, .. }) = plan(&observed, now()).action else {
        panic!("{observed:?}");
    };
    let stamped: Vec<_> = fingerprints.into_keys().collect();
    assert_eq!(stamped, ["second", "tls"]);

    let told = Case::converged()
        .with(|it| it.resource.wanted.strategy = gentler)
        .with_workload(sts())
        .message("RolledOut");
    assert!(
        told.contains("CoturnCertificate tls of the same workload"),
        "{told}"
    );
}
