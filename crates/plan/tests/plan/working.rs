//! A certificate that works is not taken out of service, whoever put it there, if what would come in
//! its place does not work.

use api::{Reason, SecretAdoptionPolicy, Trigger, names};
use jiff::SignedDuration;
use plan::{
    certificate::{Action, Authority, Pair, PublishCause, PublishedSecret},
    publication::{Held, Publication},
};

use crate::support::{
    Case, Cluster, Sts, current, foreign, hours, minutes, now, present, published, refusal,
};

/// The certificate in service has expired, and somebody has put another one into the Secret.
fn expired_beside(theirs: Pair) -> Case {
    let case = Case::converged().with_store(|it| {
        it.current.leaf.not_after = now() - hours(1);
        it.state.log = it.state.log.with(Publication {
            held: Held::Foreign,
            from: now() - minutes(30),
        });
    });
    case.with_published(|it| {
        it.written = now() - minutes(30);
        it.pair = Some(theirs);
    })
}

fn without_a_ca(case: Case) -> Case {
    case.with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityMissing)))
}

fn overwrites(case: &Case) -> bool {
    matches!(
        case.action(),
        Some(Action::Publish {
            cause: PublishCause::Overwritten,
            ..
        })
    )
}

#[test]
fn an_expired_certificate_is_not_written_over_a_valid_one_that_somebody_put_there() {
    let stays = without_a_ca(expired_beside(foreign())).reported();
    assert_eq!(stays.action(), None);
    assert_eq!(stays.condition("Issued"), "False AuthorityMissing");
    assert_eq!(stays.condition("Published"), "False AwaitingPublication");
    let told = stays.message("Published");
    assert!(told.contains("somebody else put there; it stays"), "{told}");
    assert_eq!(stays.condition("Ready"), "False Expired");
}

#[test]
fn the_next_certificate_takes_its_place() {
    let issued = expired_beside(foreign());
    assert_eq!(issued.issues(), Some(Trigger::Expired));
    let mut cluster = Cluster::of(issued);
    assert!(cluster.rests_within(20));
    assert_eq!(cluster.issued, [Trigger::Expired]);
    assert_eq!(Case(cluster.truth).condition("Published"), "True Published");
}

#[test]
fn what_does_not_work_either_is_put_right() {
    let mut expired = foreign();
    expired.leaf.not_after = now() - hours(2);
    assert!(overwrites(&without_a_ca(expired_beside(expired))));
    let mut a_ca = foreign();
    a_ca.leaf.coverage = None;
    assert!(overwrites(&without_a_ca(expired_beside(a_ca))));
    let by_a_wrong_clock = without_a_ca(expired_beside(foreign()))
        .with(|it| it.clock_ahead = Some(SignedDuration::from_hours(5)));
    assert!(overwrites(&by_a_wrong_clock));
}

/// Issued and published; then the Secret was deleted, and a chart has made its own.
fn remade_by_a_chart(pair: Pair) -> PublishedSecret {
    let mut secret = published(Some(pair), now() - minutes(30));
    secret.owner = None;
    secret.annotations = [("meta.helm.sh/release-name".to_owned(), "coturn".to_owned())].into();
    secret.labels = [(names::MANAGED_BY_LABEL.to_owned(), "Helm".to_owned())].into();
    "remade".clone_into(&mut secret.version.uid);
    secret
}

fn asking_for_it(pair: Pair) -> Case {
    Case::converged()
        .with(|it| {
            it.resource.wanted.adoption = SecretAdoptionPolicy::Adopt;
            it.published = present(remade_by_a_chart(pair));
        })
        .with_workload(Sts::of(2).pod(minutes(20)).pod(minutes(20)))
}

#[test]
fn who_asks_for_a_secret_to_be_taken_over_gets_the_certificate_that_it_holds() {
    let mut cluster = Cluster::of(asking_for_it(foreign()));
    assert!(cluster.rests_within(40));
    let stored = cluster.truth.stored().unwrap();
    assert_eq!(stored.current, foreign());
    assert_eq!(stored.previous, Some(current()));
    assert!(cluster.issued.is_empty() && cluster.stamped.is_empty());
}

#[test]
fn one_that_has_expired_is_not_taken_over_for_one_that_works() {
    let mut expired = foreign();
    expired.leaf.not_after = now() - hours(2);
    let mut cluster = Cluster::of(asking_for_it(expired));
    assert!(cluster.rests_within(40));
    assert_eq!(cluster.truth.stored().unwrap().current, current());
}

#[test]
fn a_key_that_somebody_took_out_of_the_secret_restarts_nothing() {
    // Nothing tells when: the Secret's newest entry is that of its publication.
    let pods = Sts::of(2).pod(hours(5)).pod(hours(5));
    let case = Case::converged().with_workload(pods).with_published(|it| {
        it.pair = None;
        it.lacks_a_key = true;
    });
    let mut cluster = Cluster::of(case);
    assert!(cluster.rests_within(40));
    assert!(cluster.stamped.is_empty(), "{:?}", cluster.stamped);
    assert!(cluster.issued.is_empty());
}

/// A rollout under way; the operator's clock is ahead by less than what keeps it from signing.
#[test]
fn a_clock_that_is_a_little_ahead_does_not_put_off_the_next_look() {
    let ahead = SignedDuration::from_secs(90);
    let draining = Sts::of(2)
        .stamped(crate::support::fingerprint(1))
        .pod(minutes(50))
        .pod_with(hours(50), crate::support::terminating(now() + hours(1)));
    let case = Case::converged()
        .with_workload(draining)
        .with(|it| it.clock_ahead = Some(ahead));
    let own = now() + ahead;
    let next = plan::certificate::plan(&case.0, own).next_check;
    assert_eq!(next, own + SignedDuration::from_secs(30));
}
