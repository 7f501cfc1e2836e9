//! A certificate that works is not taken out of service, whoever put it there, if what would come in
//! its place does not work.

use api::{Reason, SecretAdoptionPolicy, Trigger, names};
use jiff::SignedDuration;
use plan::{
    certificate::{Action, Authority, Pair, PublishCause, PublishedSecret},
    publication::{Held, Publication},
};

use crate::support::{
    Case, Cluster, Sts, current, foreign, hours, minutes, now, present, previous, published,
    refusal,
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
}

#[test]
fn a_clock_that_is_off_tells_neither_that_the_one_has_expired_nor_that_the_other_is_valid() {
    let ahead = |clock| without_a_ca(expired_beside(foreign())).with(|it| it.clock_ahead = clock);
    // By the API server's clock the certificate in service is valid still.
    assert!(overwrites(&ahead(Some(SignedDuration::from_hours(5)))));
    // It has expired by both.
    let by_both = ahead(Some(SignedDuration::from_mins(20)));
    assert_eq!(by_both.reported().action(), None);
}

#[test]
fn the_certificate_before_works_as_well_where_somebody_put_it_back() {
    let put_back = without_a_ca(expired_beside(previous())).with_store(|it| {
        it.state.log = it.state.log.with(Publication {
            held: Held::Leaf(previous().leaf.fingerprint),
            from: now() - minutes(30),
        });
    });
    assert_eq!(put_back.reported().action(), None);
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

/// The resource was told, and asks for it to be taken over since.
fn asking_for_it(pair: Pair) -> Case {
    let told = Case::converged()
        .with_workload(Sts::of(2).pod(minutes(20)).pod(minutes(20)))
        .with(|it| it.published = present(remade_by_a_chart(pair)))
        .with_store(|it| {
            it.state.log = it.state.log.with(Publication {
                held: Held::Foreign,
                from: now() - minutes(30),
            });
        })
        .reported();
    assert_eq!(told.condition("Published"), "False SecretNotOwned");
    told.with(|it| it.resource.wanted.adoption = SecretAdoptionPolicy::Adopt)
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
fn pods_of_the_certificate_before_are_brought_onto_what_was_taken_over() {
    let older = Sts::of(2).pod(hours(5)).pod(minutes(20));
    let mut cluster = Cluster::of(asking_for_it(foreign()).with_workload(older));
    assert!(cluster.rests_within(60));
    assert_eq!(cluster.stamped, [foreign().leaf.fingerprint]);
    assert!(cluster.issued.is_empty());
}

#[test]
fn it_is_taken_over_once_there_is_a_ca_to_judge_it_by() {
    let waiting = without_a_ca(asking_for_it(foreign())).reported();
    assert_eq!(waiting.action(), None);
    assert_eq!(waiting.condition("Issued"), "False AuthorityMissing");
    assert_eq!(waiting.condition("Published"), "False SecretNotOwned");
    let told = waiting.message("Published");
    assert!(told.contains("until it is taken over"), "{told}");
    let ca = Authority::Usable(crate::support::authority(1));
    let there = waiting.with(|it| it.authority = ca);
    assert!(matches!(there.action(), Some(Action::Adopt { .. })));
}

#[test]
fn nothing_is_taken_over_by_a_clock_that_is_off() {
    let off = SignedDuration::from_hours(-240);
    let case = asking_for_it(foreign()).with(|it| it.clock_ahead = Some(off));
    assert_eq!(case.condition("Issued"), "False ClockSkewed");
    assert_eq!(case.reported().action(), None);
}

#[test]
fn who_never_asked_for_it_has_the_certificate_in_service_put_back() {
    let long_ago = asking_for_it(foreign()).with(|it| {
        it.resource.status = Case::converged().0.resource.status;
    });
    let mut cluster = Cluster::of(long_ago);
    assert!(cluster.rests_within(40));
    assert_eq!(cluster.truth.stored().unwrap().current, current());
    assert!(cluster.issued.is_empty());
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

#[test]
fn a_secret_without_a_key_that_was_made_since_is_dated_by_its_making() {
    let made = now() - minutes(30);
    let remade = Case::converged().with_published(|it| {
        (it.pair, it.lacks_a_key) = (None, true);
        (it.created, it.written) = (made, made);
    });
    let Some(Action::Record { publication, .. }) = remade.action() else {
        panic!("{:?}", remade.action())
    };
    assert_eq!((publication.held, publication.from), (Held::Foreign, made));
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
