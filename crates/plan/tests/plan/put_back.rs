//! The certificate before, put back into service as somebody asks for it.

use api::{Fingerprint, Signer, Trigger};
use plan::store::{Asked, Before, By, StoreState};
use rstest::rstest;

use crate::{
    broken::taken_back,
    support::{Case, current, fingerprint, minutes, now, previous, root},
    taken_back::{rolled_back, settled},
};

fn asking_for(leaf: &impl ToString) -> Case {
    let value = leaf.to_string();
    Case::converged().with(|it| it.resource.rollback_to = Some(value))
}

#[rstest]
#[case::as_the_status_has_it(previous().leaf.fingerprint.to_string())]
#[case::with_its_algorithm(format!("sha256:{}", previous().leaf.fingerprint))]
#[case::as_openssl_has_it(previous().leaf.fingerprint.to_sdp().trim_start_matches("sha-256 ").to_owned())]
fn who_asks_for_the_certificate_before_gets_it_once(#[case] value: String) {
    let asked = asking_for(&value);
    assert_eq!(
        taken_back(&asked),
        Some(By::Hand {
            value: value.clone()
        })
    );
    let mut cluster = settled(asked);
    assert_eq!(cluster.wrote_last(), Some(previous().leaf.fingerprint));
    assert_eq!(cluster.issued, []);
    assert!(!cluster.step());
}

#[rstest]
#[case::unknown(fingerprint(77))]
#[case::expired(previous().leaf.fingerprint)]
fn what_cannot_be_put_back_is_refused_with_the_reason(#[case] leaf: Fingerprint) {
    let asked = asking_for(&leaf).with_store(|stored| {
        stored.previous.as_mut().unwrap().leaf.not_after = now() - minutes(1);
    });
    assert_eq!(taken_back(&asked), None);
    let asked = asked.reported();
    assert_eq!(asked.condition("Issued"), "False RollbackRefused");
    assert_eq!(asked.condition("Ready"), "True Ready");
}

/// The certificate before chains to another root than the one in service.
#[test]
fn what_partners_may_not_trust_is_not_put_back() {
    let asked = asking_for(&previous().leaf.fingerprint).with_store(|stored| {
        stored.state.before = Some(Before {
            root: Some(root(2)),
            ordinals: None,
        });
    });
    assert_eq!(taken_back(&asked), None);
    let told = asked.reported().message("Issued");
    assert!(told.contains("chains to root"), "{told}");
}

#[test]
fn what_no_ca_vouches_for_is_not_put_back_in_place_of_what_one_does() {
    let asked = asking_for(&previous().leaf.fingerprint).with_store(|stored| {
        stored.previous.as_mut().unwrap().leaf.signer = Signer::Itself;
    });
    assert_eq!(taken_back(&asked), None);
    assert_eq!(asked.condition("Issued"), "False RollbackRefused");
}

#[test]
fn what_was_asked_for_before_a_store_lost_its_record_is_not_done_again() {
    let value = previous().leaf.fingerprint.to_string();
    let asked = asking_for(&value).with_store(|stored| {
        let asked = Asked {
            renew: None,
            rollback_to: Some(&value),
        };
        let log = stored.state.log.clone();
        stored.state = StoreState {
            log,
            ..StoreState::unknown(Some(root(1)), asked)
        };
    });
    assert_eq!(taken_back(&asked), None);
}

#[test]
fn what_was_put_back_by_hand_stays_until_the_specification_changes() {
    let pinned = |generation| {
        rolled_back(minutes(90), 1)
            .with_store(|stored| {
                let rolled_back = stored.state.rolled_back.as_mut().unwrap();
                rolled_back.by = By::Hand {
                    value: "before".to_owned(),
                };
            })
            .with(|observed| {
                observed.resource.generation = generation;
                observed.resource.wanted.content.subject.organizations = vec!["Other".to_owned()];
            })
    };
    assert_eq!(pinned(1).issues(), None);
    assert_eq!(pinned(2).issues(), Some(Trigger::SpecChanged));
}

#[test]
fn what_was_asked_for_before_a_certificate_was_issued_is_past() {
    let value = current().leaf.fingerprint.to_string();
    let asked = asking_for(&value).with(|it| it.resource.renew = Some("now".to_owned()));
    let mut cluster = settled(asked);
    assert_eq!(cluster.issued, [Trigger::Requested]);
    assert!(!cluster.step(), "what was in service is not put back");
}
