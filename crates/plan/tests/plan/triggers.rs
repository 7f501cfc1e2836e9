//! What makes a certificate due, and what does not.

use api::{CommonName, Content, KeyKind, Trigger, Usage};
use jiff::{SignedDuration, Timestamp};
use plan::certificate::{Action, Authority, Published, Store, plan};
use rstest::rstest;

use crate::support::{Case, authority, hours, minutes, now, pair, present, published, version};

fn wanting(change: impl FnOnce(&mut Content)) -> Case {
    Case::converged().with(|it| change(&mut it.resource.wanted.content))
}

/// In service and published: a pair of these dates.
fn dated(not_before: Timestamp, not_after: Timestamp) -> Case {
    let dated = pair(1, not_before, not_after);
    Case::converged()
        .with_store(|it| it.current = dated.clone())
        .with_published(|it| it.pair = Some(dated.clone()))
}

#[rstest]
#[case::dns_names(|it: &mut Content| { it.dns_names.insert("b.example.com".to_owned()); })]
#[case::fewer_dns_names(|it: &mut Content| it.dns_names.clear())]
#[case::ip_addresses(|it: &mut Content| { it.ip_addresses.insert([10, 0, 0, 1].into()); })]
#[case::common_name(|it: &mut Content| it.common_name = None)]
#[case::subject(|it: &mut Content| it.subject.organizations.push("Example".to_owned()))]
#[case::usages(|it: &mut Content| { it.usages.remove(&Usage::ClientAuth); })]
#[case::key(|it: &mut Content| it.key = KeyKind::EcdsaP384)]
fn a_changed_content_is_a_changed_spec(#[case] change: fn(&mut Content)) {
    assert_eq!(wanting(change).issues(), Some(Trigger::SpecChanged));
}

/// In service: a certificate for `a` and `b` with the common name `a`. Asked for: `dns_names`, the
/// first of which would be the common name.
fn with_default_common_name(dns_names: &[&str]) -> Case {
    let content = |it: &mut Content, dns_names: &[&str]| {
        it.common_name = dns_names.first().map(ToString::to_string);
        it.dns_names = dns_names.iter().map(ToString::to_string).collect();
    };
    Case::converged()
        .with(|it| it.resource.wanted.common_name = CommonName::Default)
        .with(|it| content(&mut it.resource.wanted.content, dns_names))
        .with_store(|it| content(it.current.leaf.content.as_mut().unwrap(), &["a", "b"]))
}

#[rstest]
#[case::as_issued(&["a", "b"], None)]
#[case::reordered(&["b", "a"], None)]
#[case::without_the_common_name(&["b"], Some(Trigger::SpecChanged))]
#[case::with_another(&["c", "a", "b"], Some(Trigger::SpecChanged))]
fn only_the_set_of_dns_names_counts(#[case] dns_names: &[&str], #[case] expected: Option<Trigger>) {
    assert_eq!(with_default_common_name(dns_names).issues(), expected);
}

#[test]
fn a_certificate_for_reordered_names_is_ready() {
    let case = with_default_common_name(&["b", "a"]);
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn a_certificate_with_what_no_resource_can_ask_for_is_replaced() {
    let case = Case::converged().with_store(|it| it.current.leaf.content = None);
    assert_eq!(case.issues(), Some(Trigger::SpecChanged));
}

#[test]
fn another_duration_takes_effect_only_at_the_next_issuance() {
    let case = Case::converged().with(|it| it.resource.wanted.duration = hours(2000));
    assert_eq!(case.issues(), None);
}

#[rstest]
#[case::never_asked(None, None, None)]
#[case::asked(Some("a"), None, Some(Trigger::Requested))]
#[case::handled(Some("a"), Some("a"), None)]
#[case::asked_again(Some("b"), Some("a"), Some(Trigger::Requested))]
#[case::annotation_removed(None, Some("a"), None)]
fn a_request_is_answered_once(
    #[case] asked: Option<&str>,
    #[case] handled: Option<&str>,
    #[case] expected: Option<Trigger>,
) {
    let case = Case::converged()
        .with(|it| it.resource.renew = asked.map(str::to_owned))
        .with_store(|it| it.state.handled_renew = handled.map(str::to_owned));
    assert_eq!(case.issues(), expected);
}

#[rstest]
#[case::long_before(hours(800), None)]
#[case::within_renew_before(hours(719), Some(Trigger::Renewing))]
#[case::in_its_last_second(SignedDuration::from_secs(1), Some(Trigger::Renewing))]
#[case::at_its_end(SignedDuration::ZERO, Some(Trigger::Expired))]
#[case::after_its_end(-hours(1), Some(Trigger::Expired))]
fn a_certificate_is_renewed_in_time(
    #[case] left: SignedDuration,
    #[case] expected: Option<Trigger>,
) {
    let case = dated(now() + left - hours(8760), now() + left);
    assert_eq!(case.issues(), expected);
}

#[rstest]
#[case::a_tenth_of_the_duration(hours(876), Some(Trigger::Renewing))]
#[case::less_than_a_tenth(hours(876) - SignedDuration::from_secs(1), None)]
#[case::nothing(SignedDuration::ZERO, None)]
fn a_renewal_happens_only_for_a_gain(
    #[case] gain: SignedDuration,
    #[case] expected: Option<Trigger>,
) {
    let not_after = now() + hours(100);
    let case = dated(not_after - hours(8760), not_after).with(|it| {
        let mut clamping = authority(1);
        clamping.not_after = not_after + gain;
        it.authority = Authority::Usable(clamping);
    });
    assert_eq!(case.issues(), expected);
}

#[test]
fn a_renewal_without_gain_is_told_of_and_leaves_the_certificate_ready() {
    let not_after = now() + hours(100);
    let case = dated(not_after - hours(8760), not_after).with(|it| {
        let mut clamping = authority(1);
        clamping.not_after = not_after;
        it.authority = Authority::Usable(clamping);
    });
    assert_eq!(case.condition("Issued"), "False AuthorityExpiresFirst");
    assert_eq!(case.condition("Ready"), "True Ready");
}

#[test]
fn a_renewal_that_the_specification_makes_useless_does_not_blame_the_ca() {
    let case = dated(now() - hours(6000), now() + hours(2760))
        .with(|it| it.resource.wanted.renew_before = hours(8000))
        .with(|it| it.resource.wanted.duration = hours(2900));
    assert_eq!(case.condition("Issued"), "False RenewalTooEarly");
    assert!(case.message("Issued").contains("spec.duration 2900h"));
    assert_eq!(case.condition("Stalled"), "False Realised");
}

#[test]
fn a_renewal_that_comes_too_early_is_told_once_and_happens_on_the_second() {
    // A tenth of the duration is gained twenty minutes from now.
    let case = dated(now() - hours(6000), now() + hours(18) + minutes(20))
        .with(|it| it.resource.wanted.duration = hours(20))
        .with(|it| it.resource.wanted.renew_before = hours(19))
        .reported();
    assert_eq!(case.condition("Issued"), "False RenewalTooEarly");
    let later = plan(&case.0, now() + minutes(1));
    assert_eq!(later.action, None);
    let gainful = now() + minutes(20);
    assert_eq!(later.next_check, gainful);
    let Some(Action::Issue { trigger, .. }) = plan(&case.0, gainful).action else {
        panic!("{:?}", plan(&case.0, gainful))
    };
    assert_eq!(trigger, Trigger::Renewing);
}

#[test]
fn a_resource_whose_secrets_are_both_lost_had_a_certificate_before() {
    let case = Case::converged()
        .with(|it| it.store = Store::Absent)
        .with(|it| it.published = Published::Absent);
    assert_eq!(case.issues(), Some(Trigger::Corrupt));
}

#[test]
fn a_request_is_answered_even_without_gain() {
    let not_after = now() + hours(100);
    let case = dated(not_after - hours(8760), not_after)
        .with(|it| it.resource.renew = Some("a".to_owned()))
        .with(|it| {
            let mut clamping = authority(1);
            clamping.not_after = not_after;
            it.authority = Authority::Usable(clamping);
        });
    assert_eq!(case.issues(), Some(Trigger::Requested));
}

fn corrupt_store() -> Case {
    Case::converged().with(|it| it.store = Store::Corrupt(version("store", 1)))
}

#[test]
fn a_corrupt_store_without_a_published_secret_is_corrupt() {
    let case = corrupt_store().with(|it| it.published = Published::Absent);
    assert_eq!(case.issues(), Some(Trigger::Corrupt));
}

#[rstest]
#[case::store_absent(Store::Absent)]
#[case::store_corrupt(Store::Corrupt(version("store", 1)))]
fn without_a_store_an_unusable_published_secret_is_corrupt(#[case] store: Store) {
    let case = Case::converged()
        .with(|it| it.store = store)
        .with_published(|it| it.pair = None);
    assert_eq!(case.issues(), Some(Trigger::Corrupt));
}

#[test]
fn without_a_store_an_expired_published_certificate_is_expired() {
    let case = Case::fresh().with(|it| {
        let expired = pair(1, now() - hours(9000), now() - hours(1));
        it.published = present(published(Some(expired), now() - hours(9000)));
    });
    assert_eq!(case.issues(), Some(Trigger::Expired));
}
