//! From nothing to a certificate that is published, recorded and reported: one write a plan.

use api::{Reason, Trigger};
use plan::{
    Precondition,
    certificate::{Action, Authority, Obstacle, PublishCause, Published, Step, Store},
    publication::{Beginning, Held, Publication},
};

use crate::support::{
    Case, Cluster, at, authority, foreign, hours, now, present, published, refusal, root,
};

fn kind(action: Option<&Action>) -> &'static str {
    match action {
        Some(Action::Issue { .. }) => "Issue",
        Some(Action::Recover { .. }) => "Recover",
        Some(Action::Adopt { .. }) => "Adopt",
        Some(Action::RollBack { .. }) => "RollBack",
        Some(Action::Distrust { .. }) => "Distrust",
        Some(Action::DropPrevious { .. }) => "DropPrevious",
        Some(Action::NoteRollback { .. }) => "NoteRollback",
        Some(Action::Record { .. }) => "Record",
        Some(Action::Publish { .. }) => "Publish",
        Some(Action::WriteStatus(_)) => "WriteStatus",
        None => "nothing",
    }
}

#[test]
fn a_first_certificate_is_issued_published_recorded_and_reported_each_in_a_write_of_its_own() {
    let mut cluster = Cluster::of(Case::fresh());
    let mut seen = Vec::new();
    for _ in 0..5 {
        let before = cluster.truth.clone();
        let action = plan::certificate::plan(&before, cluster.clock).action;
        if let Some(action) = &action {
            cluster.take(&before, action).unwrap();
        }
        seen.push(kind(action.as_ref()));
    }
    assert_eq!(
        seen,
        ["Issue", "Publish", "Record", "WriteStatus", "nothing"]
    );
}

#[test]
fn a_first_certificate_is_written_only_where_there_is_no_store() {
    let action = Case::fresh().action();
    let issue = Action::Issue {
        beginning: Beginning::First,
        trigger: Trigger::DoesNotExist,
        store: Precondition::Absent,
    };
    assert_eq!(action, Some(issue));
}

#[test]
fn a_first_certificate_after_somebody_elses_secret_is_not_the_first_that_pods_read() {
    let mut strange = published(Some(foreign()), now() - hours(1));
    strange.owner = None;
    let case = Case::fresh()
        .with(|it| it.published = present(strange))
        .reported()
        .with(|it| it.published = Published::Absent);
    let Some(Action::Issue { beginning, .. }) = case.action() else {
        panic!("{:?}", case.action())
    };
    assert_eq!(beginning, Beginning::Reissued);
}

#[test]
fn a_certificate_in_service_is_replaced_only_at_the_revision_that_was_read() {
    let case = Case::converged().with(|it| it.resource.renew = Some("a".to_owned()));
    let issue = Action::Issue {
        beginning: Beginning::Reissued,
        trigger: Trigger::Requested,
        store: at("store"),
    };
    assert_eq!(case.action(), Some(issue));
}

#[test]
fn a_pair_is_published_only_where_there_is_no_secret_or_at_the_revision_that_was_read() {
    let case = Case::converged().with(|it| it.published = Published::Absent);
    let Some(Action::Publish { secret, cause, .. }) = case.action() else {
        panic!("{:?}", case.action())
    };
    assert_eq!(
        (secret, cause),
        (Precondition::Absent, PublishCause::Deleted)
    );
}

#[test]
fn a_converged_certificate_needs_nothing() {
    assert_eq!(Case::converged().action(), None);
}

#[test]
fn without_a_usable_authority_nothing_is_issued_and_the_condition_names_the_remedy() {
    let case = Case::fresh()
        .with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityExpired)));
    assert_eq!(case.condition("Issued"), "False AuthorityExpired");
    assert_eq!(case.condition("Ready"), "False AuthorityExpired");
    assert_eq!(case.message("Ready"), "put a renewed CA there");
}

#[test]
fn an_unusable_authority_leaves_a_working_certificate_ready() {
    let case = Case::converged()
        .with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityMissing)));
    assert_eq!(case.condition("Issued"), "False AuthorityMissing");
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn a_due_renewal_without_an_authority_waits_and_leaves_the_working_certificate_ready() {
    let case = Case::converged()
        .with(|it| it.resource.renew = Some("a".to_owned()))
        .with(|it| it.authority = Authority::Unusable(refusal(Reason::AuthorityMissing)));
    assert_eq!(case.condition("Issued"), "False AuthorityMissing");
    assert_eq!(case.condition("Ready"), "True Ready");
}

fn with_root(case: Case, number: u32) -> Case {
    case.with(|it| it.authority = Authority::Usable(authority(number)))
}

#[test]
fn a_leaf_in_service_is_not_replaced_by_one_of_another_root() {
    let case = with_root(Case::converged(), 2).with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(
        case.condition("Issued"),
        "False AwaitingPartnerConfirmation"
    );
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn another_root_is_told_of_before_a_renewal_is_due() {
    let case = with_root(Case::converged(), 2);
    assert_eq!(
        case.condition("Issued"),
        "False AwaitingPartnerConfirmation"
    );
}

#[test]
fn a_root_renewed_with_its_key_may_sign() {
    let case = Case::converged()
        .with(|it| {
            let mut renewed = authority(2);
            renewed.root_anchor = root(1).anchor;
            it.authority = Authority::Usable(renewed);
        })
        .with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(case.issues(), Some(Trigger::Requested));
}

#[test]
fn an_expired_leaf_may_be_replaced_by_one_of_another_root() {
    let case = with_root(Case::converged(), 2)
        .with_store(|it| it.current.leaf.not_after = now() - hours(1));
    assert_eq!(case.issues(), Some(Trigger::Expired));
}

#[test]
fn a_write_that_failed_in_this_pass_is_told_of_and_not_repeated() {
    let failed = Obstacle {
        step: Step::Issue,
        refusal: refusal(Reason::Refused),
    };
    let case = Case::fresh().with(|it| it.failed = Some(failed));
    assert_eq!(case.condition("Issued"), "False Refused");
}

/// A label of the published Secret that somebody changes back at once.
fn with_a_label_that_does_not_stay(case: Case) -> Case {
    let failed = Obstacle {
        step: Step::Publish,
        refusal: refusal(Reason::Refused),
    };
    case.with_published(|it| it.labels.clear())
        .with(|it| it.failed = Some(failed))
}

#[test]
fn a_label_that_does_not_stay_is_told_of_and_holds_back_no_renewal() {
    let case = with_a_label_that_does_not_stay(Case::converged());
    assert_eq!(case.condition("Published"), "False Refused");
    let requested = case.with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(requested.issues(), Some(Trigger::Requested));
}

#[test]
fn a_certificate_that_cannot_be_published_is_not_replaced_by_another() {
    let case = with_a_label_that_does_not_stay(Case::converged())
        .with_published(|it| it.pair = None)
        .with_store(|it| {
            let held = Publication {
                held: Held::Foreign,
                from: now(),
            };
            it.state.log = it.state.log.with(held);
        })
        .with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(case.issues(), None);
}

#[test]
fn a_store_that_is_somebody_elses_is_not_written() {
    let case = Case::fresh().with(|it| it.store = Store::NotAStore);
    assert_eq!(case.condition("Issued"), "False StoreNotOwned");
}

#[test]
fn a_store_that_cannot_be_read_is_not_replaced_and_leaves_it_unknown_what_is_issued() {
    let case = Case::fresh().with(|it| it.store = Store::Unreadable(refusal(Reason::Forbidden)));
    assert_eq!(case.condition("Issued"), "Unknown Forbidden");
    assert_eq!(case.condition("Ready"), "Unknown Forbidden");
}
