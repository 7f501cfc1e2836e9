//! A Secret that somebody else made: taken over with what it holds, or left alone for a reason that is
//! told.

use api::{HistoryEvent, SecretAdoptionPolicy, Trigger, names};
use plan::{
    certificate::{Action, Observed, Pair, PublishCause, Published, PublishedSecret},
    contest::Restorations,
    rollout::Stage,
};
use rstest::rstest;

use crate::support::{
    Case, Cluster, Sts, coverage, current, hours, minutes, now, pair, present, published,
};

const HELM: &str = "meta.helm.sh/release-name";

/// A pair that somebody else made: as wanted, and more.
pub fn theirs() -> Pair {
    let mut theirs = pair(7, now() - hours(100), now() + hours(4000));
    theirs.leaf.content = None;
    theirs
}

/// What a chart makes.
pub fn by_a_chart(pair: Option<Pair>) -> PublishedSecret {
    let mut secret = published(pair, now() - hours(5));
    secret.owner = None;
    secret.annotations = [(HELM.to_owned(), "coturn".to_owned())].into();
    secret.labels = [(names::MANAGED_BY_LABEL.to_owned(), "Helm".to_owned())].into();
    "Opaque".clone_into(&mut secret.secret_type);
    secret.root = None;
    secret
}

fn asking() -> Case {
    Case::fresh().with(|it| it.resource.wanted.adoption = SecretAdoptionPolicy::Adopt)
}

/// The Secret of a chart, and a resource that is to take it over.
pub fn found(secret: PublishedSecret) -> Case {
    asking().with(|it| it.published = present(secret))
}

/// Taken over: what the operator finds of the root is the authority's.
fn taken_over(case: Case) -> Cluster {
    let mut cluster =
        Cluster::of(case.with_published(|it| it.root = Some(crate::support::root(1))));
    assert!(cluster.rests_within(40));
    cluster
}

/// Two pods that started once the chart's Secret was there.
fn pods() -> Sts {
    Sts::of(2).pod(hours(4)).pod(hours(4))
}

fn secret(observed: &Observed) -> &PublishedSecret {
    match &observed.published {
        Published::Present(secret) => secret,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_certificate_of_a_chart_stays_in_service_and_restarts_nothing() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))).with_workload(pods()));
    let stored = cluster.truth.stored().unwrap();
    assert_eq!(stored.current, theirs());
    assert_eq!(stored.state.history[0].what, HistoryEvent::Adopted);
    assert_eq!((cluster.issued.len(), cluster.stamped.len()), (0, 0));
    let case = Case(cluster.truth.clone());
    assert_eq!(case.condition("Ready"), "True Ready");
    assert_eq!(
        cluster.truth.progress(cluster.clock).unwrap().stage,
        Stage::Done
    );
    assert!(!cluster.step());
}

#[test]
fn what_its_maker_knows_a_secret_by_stays() {
    let cluster = taken_over(found(by_a_chart(Some(theirs()))));
    let secret = secret(&cluster.truth);
    assert_eq!(secret.secret_type, "Opaque");
    assert_eq!(secret.labels[names::MANAGED_BY_LABEL], "Helm");
    assert_eq!(secret.annotations[HELM], "coturn");
    assert_eq!(secret.owner.as_deref(), Some("coturn"));
    assert_eq!(secret.adopted_leaf(), Some(theirs().leaf.fingerprint));
}

#[test]
fn a_certificate_that_does_not_do_is_replaced_and_can_be_restored() {
    let mut short = theirs();
    short.leaf.coverage.as_mut().unwrap().dns_names.clear();
    let cluster = taken_over(found(by_a_chart(Some(short.clone()))));
    let stored = cluster.truth.stored().unwrap();
    assert_eq!(cluster.issued, [Trigger::SpecChanged]);
    assert_eq!(stored.previous.as_ref(), Some(&short));
}

pub fn with(change: impl FnOnce(&mut Pair)) -> Pair {
    let mut pair = theirs();
    change(&mut pair);
    pair
}

#[rstest]
#[case::more_names(with(|it| { it.leaf.coverage.as_mut().unwrap().dns_names.insert("x.example".to_owned()); }), None)]
#[case::a_missing_usage(with(|it| { it.leaf.coverage.as_mut().unwrap().usages.pop_last(); }), Some(Trigger::SpecChanged))]
#[case::a_weak_key(with(|it| it.leaf.coverage.as_mut().unwrap().key = None), Some(Trigger::SpecChanged))]
#[case::expired(with(|it| it.leaf.not_after = now() - hours(1)), Some(Trigger::Expired))]
fn a_certificate_that_was_taken_over_is_judged_by_what_it_is_good_for(
    #[case] pair: Pair,
    #[case] issued: Option<Trigger>,
) {
    let cluster = taken_over(found(by_a_chart(Some(pair))));
    assert_eq!(cluster.issued, issued.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_certificate_of_an_unknown_root_stays_until_somebody_says_that_the_partner_trusts_the_other() {
    let mut short = theirs();
    short.leaf.coverage.as_mut().unwrap().dns_names.clear();
    for pair in [theirs(), short] {
        let mut cluster = Cluster::of(found(by_a_chart(Some(pair.clone()))));
        assert!(cluster.rests_within(40));
        assert_eq!(cluster.truth.stored().unwrap().current, pair);
        assert!(cluster.issued.is_empty());
        let case = Case(cluster.truth.clone());
        assert_eq!(
            case.condition("Issued"),
            "False AwaitingPartnerConfirmation"
        );
        let told = case.message("Issued");
        assert!(
            told.contains(
                "have its chart make tls again with a certificate of the CA that is there"
            ),
            "{told}"
        );
        assert!(!told.contains("ca.crt"), "judged once only: {told}");
    }
}

#[test]
fn who_starts_over_as_told_has_the_charts_next_certificate_taken_over() {
    let mut cluster = Cluster::of(found(by_a_chart(Some(theirs()))).with_workload(pods()));
    assert!(cluster.rests_within(40));
    assert_eq!(
        Case(cluster.truth.clone()).condition("Issued"),
        "False AwaitingPartnerConfirmation"
    );

    cluster.truth.resource.wanted.suspend = true;
    cluster.truth.store = plan::certificate::Store::Absent;
    cluster.truth.published = Published::Absent;
    assert!(cluster.rests_within(40));
    let mut next = by_a_chart(Some(pair(8, now() - hours(1), now() + hours(8000))));
    next.root = Some(crate::support::root(1));
    "next".clone_into(&mut next.version.uid);
    (next.created, next.written) = (cluster.clock, cluster.clock);
    cluster.truth.published = present(next.clone());
    assert!(cluster.rests_within(40), "while it is suspended still");
    cluster.truth.resource.wanted.suspend = false;
    assert!(cluster.rests_within(60));

    let leaf = next.pair.as_ref().unwrap().leaf.fingerprint;
    assert_eq!(cluster.stamped, [leaf], "the pods serve it");
    let progress = cluster.truth.progress(cluster.clock).unwrap();
    assert_eq!(progress.stage, Stage::Done);
    assert_eq!(cluster.truth.stored().unwrap().current, next.pair.unwrap());
    assert!(cluster.issued.is_empty());
    assert_eq!(Case(cluster.truth).condition("Issued"), "True Issued");
}

#[test]
fn who_puts_the_charts_pair_back_after_a_renewal_undoes_what_the_operator_wrote() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))).with_workload(pods()));
    cluster.truth.resource.renew = Some("now".to_owned());
    assert!(cluster.rests_within(40));
    cluster.overwrite(Some(theirs()));
    // It is recorded first.
    cluster.step();
    let cause = cause(&Case(cluster.truth.clone()));
    assert_eq!(cause, PublishCause::Overwritten);
    assert!(cause.is_restoration());
}

#[test]
fn a_secret_that_its_maker_made_anew_with_another_pair_costs_no_certificate() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))).with_workload(pods()));
    let mut anew = by_a_chart(Some(pair(77, now(), now() + hours(5000))));
    anew.version.uid = "anew".to_owned();
    anew.written = cluster.clock;
    cluster.truth.published = present(anew);
    assert!(cluster.rests_within(40));
    assert_eq!(secret(&cluster.truth).pair.as_ref(), Some(&theirs()));
    assert!(cluster.issued.is_empty() && cluster.stamped.is_empty());
}

#[test]
fn a_certificate_that_was_taken_over_is_renewed_in_time_as_specified() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))).with_workload(pods()));
    cluster.clock += hours(3400);
    assert!(cluster.rests_within(40));
    assert_eq!(cluster.issued, [Trigger::Renewing]);
    assert_eq!(cluster.stamped.len(), 1);
    assert_eq!(secret(&cluster.truth).secret_type, "Opaque");
}

#[test]
fn what_its_maker_puts_back_is_put_right_without_a_certificate_or_a_restart() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))).with_workload(pods()));
    cluster.truth.resource.renew = Some("now".to_owned());
    assert!(cluster.rests_within(40));
    let renewed = cluster.truth.stored().unwrap().current.clone();
    for _ in 0..3 {
        cluster.clock += minutes(60);
        cluster.overwrite(Some(theirs()));
        assert!(cluster.rests_within(40));
        assert_eq!(secret(&cluster.truth).pair.as_ref(), Some(&renewed));
    }
    assert_eq!((cluster.issued.len(), cluster.stamped.len()), (1, 1));
}

#[test]
fn the_operator_waits_until_the_chart_has_made_the_secret() {
    let waiting = asking().reported();
    assert_eq!(waiting.action(), None);
    assert_eq!(waiting.condition("Ready"), "False AwaitingSecret");
    assert_eq!(waiting.condition("Reconciling"), "True InProgress");
    assert_eq!(waiting.condition("Stalled"), "False InProgress");
    let made = waiting.with(|it| it.published = present(by_a_chart(Some(theirs()))));
    assert!(matches!(made.action(), Some(Action::Adopt { .. })));
}

#[test]
fn pods_that_waited_for_the_secret_with_the_operator_are_known_to_have_read_it() {
    let mut secret = by_a_chart(Some(theirs()));
    (secret.created, secret.written) = (now() - minutes(9), now() - minutes(9));
    let waited = |pod: &mut plan::rollout::Pod| {
        pod.started = [("tls".to_owned(), vec![Some(now() - minutes(8))])].into();
    };
    let workload = Sts::of(1).pod_with(minutes(20), waited);
    let waiting = asking().with_workload(workload).reported();
    assert_eq!(waiting.condition("Published"), "False AwaitingSecret");
    let cluster = taken_over(waiting.with(|it| it.published = present(secret)));
    let progress = cluster.truth.progress(cluster.clock).unwrap();
    assert_eq!(progress.stage, Stage::Done);
}

#[test]
fn a_secret_that_is_put_back_without_what_tells_that_it_was_taken_over_counts_as_undone() {
    let cluster = taken_over(found(by_a_chart(Some(theirs()))));
    let put_back = Case(cluster.truth).with_published(|it| {
        let version = it.version.clone();
        *it = by_a_chart(Some(theirs()));
        it.version = version;
    });
    let cause = cause(&put_back);
    assert_eq!(cause, PublishCause::TakenOver);
    assert!(cause.is_restoration());

    let until = now() + minutes(9);
    let contested = put_back.with(|it| it.contest = Some(plan::Contest { by: None, until }));
    assert_eq!(contested.condition("Contested"), "True Contested");
    assert_eq!(contested.condition("Ready"), "True Ready");
    assert_eq!(contested.reported().action(), None);
}

/// Why the Secret is written, which is what is due.
fn cause(case: &Case) -> PublishCause {
    match case.action() {
        Some(Action::Publish { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_secret_that_is_found_is_taken_over_as_one_that_was_put_back_once() {
    let mut cluster = Cluster::of(found(by_a_chart(Some(theirs()))));
    cluster.truth.published = present({
        let mut secret = by_a_chart(Some(theirs()));
        secret.root = Some(crate::support::root(1));
        secret
    });
    cluster.step();
    let cause = cause(&Case(cluster.truth.clone()));
    assert_eq!(cause, PublishCause::TakenOver);
    let mut restorations = Restorations::default();
    restorations.restored(None, now());
    assert_eq!(restorations.contest(now()), None);
}

#[test]
fn a_secret_that_was_taken_over_and_is_deleted_is_made_anew_as_its_maker_made_it() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))));
    cluster.truth.published = Published::Absent;
    assert!(cluster.rests_within(40));
    let secret = secret(&cluster.truth);
    assert_eq!(secret.pair.as_ref(), Some(&theirs()));
    assert_eq!(
        (
            secret.secret_type.as_str(),
            secret.annotations[HELM].as_str()
        ),
        ("Opaque", "coturn")
    );
    assert!(cluster.issued.is_empty());
}

#[test]
fn a_secret_that_its_maker_made_anew_is_taken_over_again_with_the_pair_in_service() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))));
    cluster.truth.resource.renew = Some("now".to_owned());
    assert!(cluster.rests_within(40));
    let renewed = cluster.truth.stored().unwrap().current.clone();
    let mut anew = by_a_chart(Some(theirs()));
    anew.version.uid = "anew".to_owned();
    anew.written = cluster.clock;
    cluster.truth.published = present(anew);
    assert!(cluster.rests_within(40));
    assert_eq!(secret(&cluster.truth).pair.as_ref(), Some(&renewed));
    assert_eq!(
        secret(&cluster.truth).labels[names::MANAGED_BY_LABEL],
        "Helm"
    );
    assert_eq!(cluster.issued.len(), 1);
}

#[test]
fn a_lost_store_is_taken_up_again_with_whose_the_secret_is() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))));
    let before = cluster.truth.stored().unwrap().state.adoption.clone();
    cluster.truth.store = plan::certificate::Store::Absent;
    let Some(Action::Recover { .. }) = Case(cluster.truth.clone()).action() else {
        panic!("{:?}", Case(cluster.truth.clone()).action())
    };
    cluster.step();
    assert_eq!(cluster.truth.stored().unwrap().state.adoption, before);
}

#[test]
fn pods_of_the_second_in_which_the_secret_was_made_are_known_to_have_read_it() {
    let made = now() - hours(5);
    let cluster = taken_over(
        found(by_a_chart(Some(theirs())))
            .with_workload(Sts::of(1).pod_with(hours(5), |pod| assert_eq!(pod.created, made))),
    );
    assert_eq!(
        cluster.truth.progress(cluster.clock).unwrap().stage,
        Stage::Done
    );
}

#[test]
fn pods_older_than_what_the_secret_holds_are_not_known_and_not_restarted() {
    let mut secret = by_a_chart(Some(theirs()));
    secret.created = now() - hours(900);
    let cluster = taken_over(found(secret).with_workload(Sts::of(1).pod(hours(20))));
    assert_eq!(
        cluster.truth.progress(cluster.clock).unwrap().stage,
        Stage::Unknown
    );
    assert!(cluster.stamped.is_empty());
}

#[test]
fn a_resource_made_anew_takes_over_what_was_put_there_since() {
    let mut cluster = taken_over(found(by_a_chart(Some(theirs()))));
    // Gone, and back to the chart, which has a later certificate by now.
    let later = pair(8, now(), now() + hours(8000));
    cluster.overwrite(Some(later.clone()));
    cluster.truth.resource.status = api::CoturnCertificateStatus::default();
    cluster.truth.resource.version.uid = "anew".to_owned();
    assert!(cluster.rests_within(40));
    assert_eq!(cluster.truth.stored().unwrap().current, later);
    assert!(cluster.issued.is_empty());
}

#[test]
fn what_another_secret_of_ours_was_made_like_does_not_depend_on_the_policy() {
    // Made by the operator, before the policy was changed.
    let case = Case::converged()
        .with(|it| it.resource.wanted.adoption = SecretAdoptionPolicy::Adopt)
        .reported();
    assert_eq!(case.action(), None);
    let deleted = case.with(|it| it.published = Published::Absent);
    assert!(matches!(
        deleted.action(),
        Some(Action::Publish {
            cause: PublishCause::Deleted,
            ..
        })
    ));
    assert_eq!(deleted.0.stored().unwrap().current, current());
    assert_eq!(coverage(), current().leaf.coverage.unwrap());
}
