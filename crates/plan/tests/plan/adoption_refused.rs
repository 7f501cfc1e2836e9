//! Secrets of others that are not taken over: whose they are, and what stands in the way.

use api::SecretAdoptionPolicy;
use plan::certificate::PublishedSecret;
use rstest::rstest;

use crate::{
    adoption::{by_a_chart, found, theirs, with},
    support::{hours, now},
};

#[test]
fn without_being_told_to_nothing_is_taken_over() {
    let case = found(by_a_chart(Some(theirs())))
        .with(|it| it.resource.wanted.adoption = SecretAdoptionPolicy::Never);
    assert_eq!(case.condition("Published"), "False SecretNotOwned");
    assert!(
        case.message("Published")
            .contains("secretAdoptionPolicy to Adopt")
    );
    assert_eq!(case.reported().action(), None);
}

fn changed(change: impl FnOnce(&mut PublishedSecret)) -> PublishedSecret {
    let mut secret = by_a_chart(Some(theirs()));
    change(&mut secret);
    secret
}

#[rstest]
#[case::without_a_pair(by_a_chart(None), "holds no certificate of a server")]
#[case::of_a_ca(
    by_a_chart(Some(with(|it| it.leaf.coverage = None))),
    "holds no certificate of a server"
)]
#[case::of_cert_manager(
    changed(|it| { it.annotations.insert("cert-manager.io/certificate-name".to_owned(), "x".to_owned()); }),
    "belongs to the Certificate x of cert-manager"
)]
#[case::of_a_controller(
    changed(|it| it.controller = Some("ExternalSecret x".to_owned())),
    "is controlled by ExternalSecret x"
)]
fn a_secret_that_cannot_be_taken_over_is_left_alone(
    #[case] secret: PublishedSecret,
    #[case] why: &str,
) {
    let case = found(secret);
    assert_eq!(case.condition("Published"), "False SecretNotOwned");
    assert!(
        case.message("Published").contains(why),
        "{}",
        case.message("Published")
    );
    assert_eq!(case.reported().action(), None);
}

#[test]
fn without_an_authority_nothing_is_taken_over_and_nothing_is_touched() {
    let case = found(by_a_chart(Some(theirs()))).with(|it| {
        let missing = crate::support::refusal(api::Reason::AuthorityMissing);
        it.authority = plan::certificate::Authority::Unusable(missing);
    });
    assert_eq!(case.condition("Issued"), "False AuthorityMissing");
    assert_eq!(case.reported().action(), None);
}

#[test]
fn of_two_that_would_take_a_secret_over_the_older_one_does() {
    let rival = plan::certificate::Rival {
        name: "older".to_owned(),
        created: now() - hours(1000),
        incumbent: false,
    };
    let case = found(by_a_chart(Some(theirs()))).with(|it| it.rivals = vec![rival]);
    assert_eq!(case.condition("Published"), "False SecretClaimed");
}
