//! A published Secret that somebody made immutable.

use api::{Reason, Trigger};
use plan::{
    Precondition,
    certificate::{Action, PublishCause, Published},
    publication::{Held, Publication},
};

use crate::support::{Case, fingerprint, now};

fn immutable() -> Case {
    Case::converged().with_published(|it| it.immutable = true)
}

#[test]
fn the_certificate_in_an_immutable_secret_stays_in_service_and_the_condition_says_what_to_do() {
    let case = immutable().with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(case.issues(), None);
    assert_eq!(case.condition("Issued"), "False SecretImmutable");
    assert_eq!(case.condition("Published"), "True Published");
    assert_eq!(case.condition("Ready"), "True Ready");
    assert!(
        case.message("Issued")
            .contains("Secret wire/tls is immutable")
    );
    assert!(case.message("Issued").contains("delete it"));
}

#[test]
fn an_immutable_secret_is_told_of_before_a_renewal_is_due() {
    assert_eq!(immutable().condition("Issued"), "False SecretImmutable");
}

#[test]
fn no_first_certificate_is_issued_for_an_immutable_secret_that_holds_none() {
    let case = Case::fresh().with(|it| {
        it.published = crate::support::present(crate::support::published(None, now()));
    });
    assert_eq!(case.issues(), Some(Trigger::Corrupt));
    let case = case.with_published(|it| it.immutable = true);
    assert_eq!(case.condition("Issued"), "False SecretImmutable");
}

#[test]
fn an_immutable_secret_with_an_earlier_certificate_is_not_written() {
    let case = immutable().with_store(|it| {
        let mut newer = it.current.clone();
        newer.leaf.fingerprint = fingerprint(2);
        newer.digest.pair = [2; 32];
        it.previous = Some(std::mem::replace(&mut it.current, newer));
    });
    assert_eq!(case.condition("Published"), "False SecretImmutable");
    assert_eq!(case.condition("Ready"), "False SecretImmutable");
    assert_eq!(case.condition("Stalled"), "True SecretImmutable");
}

#[test]
fn an_immutable_secret_with_somebody_elses_content_is_recorded_and_not_written() {
    let case = immutable()
        .with_published(|it| it.pair = None)
        .with_store(|it| {
            let held = Publication {
                held: Held::Foreign,
                from: now(),
            };
            it.state.log = it.state.log.with(held);
        });
    assert_eq!(case.condition("Published"), "False SecretImmutable");
}

#[test]
fn labels_of_an_immutable_secret_are_put_back() {
    let case = immutable().with_published(|it| it.labels.clear());
    let Some(Action::Publish { cause, .. }) = case.action() else {
        panic!("{:?}", case.action())
    };
    assert_eq!(cause, PublishCause::Metadata);
}

#[test]
fn once_it_is_deleted_the_secret_is_made_anew_with_the_certificate_in_service() {
    let case = immutable()
        .reported()
        .with(|it| it.published = Published::Absent);
    let Some(Action::Publish { secret, cause, .. }) = case.action() else {
        panic!("{:?}", case.action())
    };
    assert_eq!(
        (secret, cause),
        (Precondition::Absent, PublishCause::Deleted)
    );
    let made = Case::converged().with(|it| it.resource.status = case.0.resource.status.clone());
    assert_eq!(made.condition("Issued"), "True Issued");
    assert!(!Reason::SecretImmutable.heals_by_itself());
}
