//! Store and published Secret, each in every state: what is written where.

use api::Reason;
use plan::{
    Precondition,
    certificate::{Action, Authority, Pair, PublishCause, Published, PublishedSecret, Store},
    publication::{Held, Publication},
};
use rstest::rstest;

use crate::support::{
    Case, at, current, fingerprint, foreign, hours, now, present, previous, published,
    published_at, refusal, version,
};

/// What a plan writes, in a word.
fn word(action: Option<&Action>) -> String {
    match action {
        Some(Action::Issue { trigger, .. }) => format!("Issue {trigger}"),
        Some(Action::Recover { .. }) => "Recover".to_owned(),
        Some(Action::Adopt { .. }) => "Adopt".to_owned(),
        Some(Action::RollBack { .. }) => "RollBack".to_owned(),
        Some(Action::Distrust { .. }) => "Distrust".to_owned(),
        Some(Action::DropPrevious { .. }) => "DropPrevious".to_owned(),
        Some(Action::NoteRollback { .. }) => "NoteRollback".to_owned(),
        Some(Action::Record { publication, .. }) => match publication.held {
            Held::Foreign => "Record foreign".to_owned(),
            Held::Leaf(leaf) if leaf == current().leaf.fingerprint => "Record current".to_owned(),
            Held::Leaf(_) => "Record previous".to_owned(),
        },
        Some(Action::Publish { cause, .. }) => format!("Publish {cause:?}"),
        Some(Action::WriteStatus(_)) => "WriteStatus".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// The published Secret, with what somebody made of its pair.
fn holding(pair: Option<Pair>) -> Published {
    present(PublishedSecret {
        pair,
        ..published(Some(current()), published_at())
    })
}

fn corrupt() -> Store {
    Store::Corrupt(version("store", 1))
}

#[rstest]
#[case(Store::Absent, Published::Absent, "Issue Corrupt")]
#[case(Store::Absent, holding(None), "Issue Corrupt")]
#[case(Store::Absent, holding(Some(current())), "Recover")]
#[case(Store::Absent, holding(Some(foreign())), "Issue Corrupt")]
#[case(corrupt(), Published::Absent, "Issue Corrupt")]
#[case(corrupt(), holding(None), "Issue Corrupt")]
#[case(corrupt(), holding(Some(current())), "Recover")]
#[case(corrupt(), holding(Some(previous())), "Issue Corrupt")]
#[case(Case::converged().0.store, Published::Absent, "Publish Deleted")]
#[case(Case::converged().0.store, holding(None), "Record foreign")]
#[case(Case::converged().0.store, holding(Some(current())), "nothing")]
#[case(Case::converged().0.store, holding(Some(previous())), "Record previous")]
#[case(Case::converged().0.store, holding(Some(foreign())), "Record foreign")]
fn store_and_published_secret_decide_the_write(
    #[case] store: Store,
    #[case] published: Published,
    #[case] expected: &str,
) {
    let case = Case::converged().with(|it| (it.store, it.published) = (store, published));
    assert_eq!(word(case.action().as_ref()), expected);
}

#[test]
fn a_recovery_names_the_revisions_of_both_secrets() {
    let case = Case::converged().with(|it| it.store = corrupt());
    let recover = Action::Recover {
        published: version("published", 1),
        store: at("store"),
    };
    assert_eq!(case.action(), Some(recover));
}

#[test]
fn a_recovery_needs_no_authority() {
    let case = Case::converged().with(|it| {
        it.store = Store::Absent;
        it.authority = Authority::Unusable(refusal(Reason::AuthorityMissing));
    });
    assert_eq!(word(case.action().as_ref()), "Recover");
}

fn recording(case: Case, held: Held) -> Case {
    case.with_store(|it| {
        let from = now() - hours(1);
        it.state.log = it.state.log.with(Publication { held, from });
    })
}

#[test]
fn an_overwritten_secret_is_recorded_before_it_is_restored() {
    let overwritten = Case::converged().with_published(|it| {
        it.pair = Some(foreign());
        it.written = now() - hours(1);
    });
    assert_eq!(word(overwritten.action().as_ref()), "Record foreign");
    let recorded = recording(overwritten, Held::Foreign);
    assert_eq!(word(recorded.action().as_ref()), "Publish Overwritten");
    let restored = recorded.with_published(|it| it.pair = Some(current()));
    assert_eq!(word(restored.action().as_ref()), "Record current");
}

#[test]
fn a_publication_is_recorded_with_the_api_servers_time() {
    let written = now() - hours(3);
    let case = Case::converged().with_published(|it| (it.pair, it.written) = (None, written));
    let Some(Action::Record { publication, .. }) = case.action() else {
        panic!("{:?}", case.action())
    };
    assert_eq!(
        (publication.held, publication.from),
        (Held::Foreign, written)
    );
}

#[test]
fn a_publication_whose_time_was_hidden_is_not_dated_before_the_one_recorded_last() {
    let created = published_at() - hours(1);
    let case = Case::converged().with_published(|it| (it.pair, it.written) = (None, created));
    let Some(Action::Record { publication, .. }) = case.action() else {
        panic!("{:?}", case.action())
    };
    assert_eq!(publication.from, now());
}

#[test]
fn an_earlier_pair_of_ours_that_comes_back_is_taken_for_an_overwriting() {
    let case = Case::converged().with_published(|it| it.pair = Some(previous()));
    let recorded = recording(case, Held::Leaf(fingerprint(9)));
    assert_eq!(word(recorded.action().as_ref()), "Publish Overwritten");
}

#[test]
fn the_key_of_another_pair_beside_the_right_certificate_is_foreign() {
    let case = Case::converged().with_published(|it| {
        let mut mixed = current();
        mixed.digest.pair = foreign().digest.pair;
        it.pair = Some(mixed);
    });
    assert_eq!(word(case.action().as_ref()), "Record foreign");
}

#[test]
fn a_secret_made_anew_under_its_name_is_recorded_as_ours() {
    let case = Case::converged().with_published(|it| it.version = version("another", 7));
    let Some(Action::Record { secret, .. }) = case.action() else {
        panic!("{:?}", case.action())
    };
    assert_eq!(secret.uid.as_deref(), Some("another"));
}

#[rstest]
#[case::owner(|it: &mut PublishedSecret| it.owner = None)]
#[case::managed_by(|it: &mut PublishedSecret| it.labels.clear())]
#[case::template_keys(|it: &mut PublishedSecret| it.template_keys.labels.push("a".to_owned()))]
fn what_others_took_from_the_secret_beside_its_pair_is_put_back(
    #[case] change: fn(&mut PublishedSecret),
) {
    let case = Case::converged().with_published(change);
    assert_eq!(word(case.action().as_ref()), "Publish Metadata");
}

#[test]
fn roots_that_others_changed_are_put_back() {
    let case = Case::converged().with_published(|it| {
        it.pair.as_mut().unwrap().digest.roots = [1; 32];
        it.labels.clear();
    });
    assert_eq!(word(case.action().as_ref()), "Publish Roots");
}

#[test]
fn what_others_add_to_the_secret_is_left_there() {
    let case = Case::converged().with_published(|it| {
        it.labels.insert("theirs".to_owned(), "a".to_owned());
        it.annotations.insert("theirs".to_owned(), "b".to_owned());
    });
    assert_eq!(case.action(), None);
}

#[test]
fn a_changed_template_is_written() {
    let case = Case::converged().with(|it| {
        let labels = &mut it.resource.wanted.secret_template.labels;
        labels.insert("a".to_owned(), "b".to_owned());
    });
    assert_eq!(word(case.action().as_ref()), "Publish Metadata");
}

#[test]
fn a_pair_is_published_from_exactly_the_revision_of_the_store_that_was_read() {
    let case = Case::converged().with(|it| it.published = Published::Absent);
    let publish = Action::Publish {
        store: version("store", 1),
        secret: Precondition::Absent,
        cause: PublishCause::Deleted,
    };
    assert_eq!(case.action(), Some(publish));
}

#[test]
fn what_is_stored_is_published_before_the_next_certificate_is_issued() {
    let case = Case::converged()
        .with(|it| it.published = Published::Absent)
        .with(|it| it.resource.renew = Some("a".to_owned()));
    assert_eq!(word(case.action().as_ref()), "Publish Deleted");
}
