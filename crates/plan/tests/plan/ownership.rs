//! What is not ours is not touched, and of several claims one wins for good.

use api::Reason;
use jiff::SignedDuration;
use plan::{
    certificate::{Action, Observed, PublishCause, Published, Rival, Store, is_incumbent},
    publication::Held,
};
use rstest::rstest;

use crate::support::{Case, foreign, hours, now, present, published, refusal};

/// A Secret that somebody else made, before anything was written.
fn found(owner: Option<&str>) -> Case {
    let mut secret = published(Some(foreign()), now() - hours(1));
    secret.owner = owner.map(str::to_owned);
    Case::fresh().with(|it| it.published = present(secret))
}

/// Another resource, by its age against ours.
fn rival(name: &str, older_by: SignedDuration) -> Rival {
    Rival {
        name: name.to_owned(),
        created: now() - hours(11) - older_by,
        incumbent: false,
    }
}

const SAME: SignedDuration = SignedDuration::ZERO;

#[test]
fn nothing_but_the_status_is_written_for_a_secret_of_somebody_else() {
    let case = found(None);
    assert_eq!(case.condition("Published"), "False SecretNotOwned");
    assert_eq!(case.condition("Ready"), "False SecretNotOwned");
    assert_eq!(case.reported().action(), None);
}

#[test]
fn a_secret_of_somebody_else_in_the_place_of_ours_is_recorded_and_not_touched() {
    let replaced = Case::converged().with_published(|it| {
        it.version.uid = "another".to_owned();
        it.owner = None;
        it.pair = Some(foreign());
    });
    let Some(Action::Record {
        publication,
        secret,
        ..
    }) = replaced.action()
    else {
        panic!("{:?}", replaced.action())
    };
    assert_eq!(publication.held, Held::Foreign);
    assert_eq!(secret.uid.as_deref(), Some("published"));

    let recorded = replaced
        .with_store(|it| it.state = it.state.with_publication(publication, &secret))
        .reported();
    assert_eq!(recorded.condition("Published"), "False SecretNotOwned");
    assert_eq!(recorded.action(), None);
}

#[test]
fn a_secret_whose_annotation_was_stripped_is_ours_by_its_recorded_uid() {
    let case = Case::converged().with_published(|it| it.owner = None);
    let Some(Action::Publish { cause, .. }) = case.action() else {
        panic!("{:?}", case.action())
    };
    assert_eq!(cause, PublishCause::Metadata);
}

#[test]
fn a_secret_whose_annotation_and_pair_were_replaced_is_ours_by_its_recorded_uid() {
    let case = Case::converged().with_published(|it| {
        it.owner = None;
        it.pair = None;
    });
    assert!(matches!(case.action(), Some(Action::Record { .. })));
}

#[rstest]
#[case::of_an_older(rival("other", hours(1)), false)]
#[case::of_a_younger(rival("other", -hours(1)), true)]
#[case::of_one_second_by_name(rival("aaa", SAME), false)]
#[case::of_one_second_by_the_later_name(rival("zzz", SAME), true)]
fn the_first_claim_is_of_the_oldest_then_of_the_first_name(
    #[case] other: Rival,
    #[case] ours: bool,
) {
    let case = Case::fresh().with(|it| it.rivals = vec![other]);
    assert_eq!(case.issues().is_some(), ours);
}

#[test]
fn the_loser_of_a_claim_writes_nothing_and_says_whose_it_is() {
    let case = Case::fresh().with(|it| it.rivals = vec![rival("older", hours(1))]);
    assert_eq!(case.condition("Ready"), "False SecretClaimed");
    assert!(case.message("Ready").contains("CoturnCertificate older"));
}

#[test]
fn the_incumbent_keeps_the_secret_from_an_older_claim() {
    let case = Case::converged().with(|it| it.rivals = vec![rival("older", hours(1))]);
    assert_eq!(case.reported().action(), None);
}

#[test]
fn an_older_claim_does_not_win_the_secret_of_an_incumbent_that_was_deleted() {
    let mut incumbent = rival("younger", -hours(1));
    incumbent.incumbent = true;
    let older = Case::fresh().with(|it| it.rivals = vec![incumbent]);
    assert_eq!(older.condition("Published"), "False SecretClaimed");

    let deleted = Case::converged().with(|it| {
        it.published = Published::Absent;
        it.rivals = vec![rival("older", hours(1))];
    });
    assert!(matches!(deleted.action(), Some(Action::Publish { .. })));
}

#[test]
fn who_lost_a_secret_to_a_stranger_is_still_its_incumbent_and_who_lost_a_claim_is_not() {
    let had_it = |case: Case| {
        case.with(|it| it.resource.status = Case::converged().0.resource.status)
            .reported()
            .0
            .resource
            .status
    };
    assert!(is_incumbent(&Case::converged().0.resource.status));
    assert!(is_incumbent(&had_it(found(None))));
    let claimed = found(Some("younger")).with(|it| it.rivals = vec![rival("younger", -hours(1))]);
    assert!(!is_incumbent(&had_it(claimed)));
}

#[test]
fn a_copy_of_the_pair_in_service_without_annotations_is_no_foreign_content() {
    let case = Case::converged().with_published(|it| {
        it.version.uid = "restored".to_owned();
        it.owner = None;
        it.annotations.clear();
    });
    assert_eq!(case.condition("Published"), "False SecretNotOwned");
    assert_eq!(case.reported().action(), None);
}

#[test]
fn an_older_claim_does_not_take_the_secret_from_its_incumbent() {
    let case = found(Some("younger")).with(|it| it.rivals = vec![rival("younger", -hours(1))]);
    assert_eq!(case.condition("Published"), "False SecretClaimed");
}

#[test]
fn a_secret_whose_owner_is_gone_is_free() {
    assert!(matches!(
        found(Some("gone")).action(),
        Some(Action::Recover { .. })
    ));
}

#[test]
fn of_those_that_claim_a_freed_secret_the_oldest_wins() {
    let case = found(Some("gone")).with(|it| it.rivals = vec![rival("older", hours(1))]);
    assert_eq!(case.condition("Published"), "False SecretClaimed");
}

#[test]
fn a_secret_that_cannot_be_read_is_not_written_and_leaves_it_unknown_what_is_published() {
    let unreadable = Published::Unreadable(refusal(Reason::Forbidden));
    let case = Case::converged().with(|it| it.published = unreadable);
    assert_eq!(case.condition("Published"), "Unknown Forbidden");
    assert_eq!(case.condition("Ready"), "Unknown Forbidden");
}

#[test]
fn a_store_that_cannot_be_read_leaves_named_what_it_held() {
    let before = Case::converged().status();
    let unreadable = Store::Unreadable(refusal(Reason::Forbidden));
    let case = Case::converged().with(|it| it.store = unreadable);
    assert_eq!(case.condition("Published"), "Unknown Forbidden");
    assert_eq!(case.condition("Ready"), "Unknown Forbidden");
    assert_eq!(case.condition("Stalled"), "True Forbidden");
    assert_eq!(case.status().certificate, before.certificate);
    assert_eq!(case.status().history, before.history);
}

#[test]
fn a_suspended_resource_writes_only_its_status() {
    let suspended = |it: &mut Observed| it.resource.wanted.suspend = true;
    let case = Case::converged()
        .with(suspended)
        .with_published(|it| it.pair = None);
    assert_eq!(case.reported().action(), None);
}

#[test]
fn a_suspended_resource_that_was_never_issued_says_why() {
    let case = Case::fresh().with(|it| it.resource.wanted.suspend = true);
    assert_eq!(case.condition("Ready"), "False Suspended");
    assert_eq!(case.condition("Reconciling"), "False Suspended");
    assert_eq!(case.condition("Stalled"), "False Suspended");
}

#[test]
fn a_suspended_resource_whose_spec_changed_is_not_reconciling() {
    let case = Case::converged().with(|it| {
        it.resource.wanted.suspend = true;
        it.resource.wanted.content.common_name = None;
        it.resource.generation = 2;
    });
    assert_eq!(case.condition("Ready"), "False Suspended");
    assert_eq!(case.condition("Reconciling"), "False Suspended");
}

#[test]
fn a_suspended_resource_with_a_working_certificate_is_ready() {
    let case = Case::converged().with(|it| it.resource.wanted.suspend = true);
    assert_eq!(case.condition("Ready"), "True Ready");
}
