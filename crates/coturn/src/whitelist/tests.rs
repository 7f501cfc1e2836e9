use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn list(values: &[&str]) -> Whitelist {
    values.iter().map(|value| Entry::parse(value)).collect()
}

/// A peer of `Partner CA` with these names.
fn peer(dns_names: &[&str]) -> PeerNames {
    PeerNames {
        dns_names: dns_names.iter().map(ToString::to_string).collect(),
        common_name: Some("common.example.com".to_owned()),
        has_san: true,
        issuers: vec!["Partner Sub CA".to_owned(), "Partner CA".to_owned()],
    }
}

#[test]
fn an_empty_list_lets_in_whoever_is_trusted() {
    assert_eq!(list(&[]).judge(&peer(&["any"])), Verdict::AnyTrusted);
}

#[test]
fn the_first_comma_of_a_value_divides_and_nothing_is_trimmed() {
    let entry = Entry::parse("coturn.example.com,CA, with a comma");
    assert_eq!(entry.host, "coturn.example.com");
    assert_eq!(entry.issuer.as_deref(), Some("CA, with a comma"));
    assert_eq!(Entry::parse("a.example.com,").issuer, None);
    assert_eq!(Entry::parse("a, CA").issuer.as_deref(), Some(" CA"));
    assert_eq!(entry.to_string(), "coturn.example.com,CA, with a comma");
}

#[test]
fn a_listed_name_is_let_in_whoever_issued_it_unless_an_issuer_is_asked_for() {
    let of = |values: &[&str]| list(values).judge(&peer(&["coturn.example.com"]));
    assert!(of(&["coturn.example.com"]).is_accepted());
    assert!(of(&["coturn.example.com,Partner CA"]).is_accepted());
    assert!(of(&["coturn.example.com,Partner Sub CA"]).is_accepted());
    assert!(!of(&["coturn.example.com,partner ca"]).is_accepted());
    assert!(!of(&["other.example.com"]).is_accepted());
}

#[test]
fn the_first_match_decides_even_where_a_later_one_would_do() {
    let entries = list(&["coturn.example.com,Old CA", "coturn.example.com,Partner CA"]);
    let verdict = entries.judge(&peer(&["coturn.example.com"]));
    let Verdict::Refused(refusal) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        refusal.to_string(),
        "its name coturn.example.com is on the whitelist with another issuer \
         (coturn.example.com,Old CA) than its chain has: Partner Sub CA, Partner CA"
    );

    let entries = list(&["b.example.com,Old CA", "a.example.com,Partner CA"]);
    assert!(
        !entries
            .judge(&peer(&["b.example.com", "a.example.com"]))
            .is_accepted()
    );
    assert!(
        entries
            .judge(&peer(&["a.example.com", "b.example.com"]))
            .is_accepted()
    );
}

#[test]
fn the_common_name_counts_only_where_there_are_no_other_names() {
    let entries = list(&["common.example.com"]);
    assert!(!entries.judge(&peer(&["coturn.example.com"])).is_accepted());
    let refused = entries.judge(&peer(&[]));
    assert_eq!(
        refused,
        Verdict::Refused(Refusal::NotListed { names: vec![] }),
        "a subjectAltName without DNS names hides the common name too"
    );
    let without = PeerNames {
        has_san: false,
        ..peer(&["coturn.example.com"])
    };
    assert!(entries.judge(&without).is_accepted());
}

#[test]
fn what_follows_a_zero_byte_is_not_seen() {
    let entries = list(&["coturn.example.com,Partner CA"]);
    let mut peer = peer(&["coturn.example.com\0.evil.example"]);
    peer.issuers = vec!["Partner CA\0 not".to_owned()];
    assert!(entries.judge(&peer).is_accepted());
}

#[rstest]
#[case::case_counts_for_nothing("Coturn.Example.com", "coturn.EXAMPLE.com", true)]
#[case::a_dot_at_the_end_of_the_host("coturn.example.com.", "coturn.example.com", true)]
#[case::a_dot_at_the_end_of_the_name("coturn.example.com", "coturn.example.com.", true)]
#[case::a_single_label("coturn", "coturn", true)]
#[case::an_address("192.0.2.1", "192.0.2.1", true)]
#[case::another_name("coturn.example.com", "coturn.example.net", false)]
#[case::a_parent("coturn.example.com", "example.com", false)]
#[case::an_empty_host("", "coturn.example.com", false)]
#[case::an_empty_name("coturn.example.com", "", false)]
#[case::a_whole_label("coturn.example.com", "*.example.com", true)]
#[case::the_end_of_a_label("coturn-0.example.com", "coturn-*.example.com", true)]
#[case::the_start_of_a_label("eu-coturn.example.com", "*-coturn.example.com", true)]
#[case::the_middle_of_a_label("eu-1-coturn.example.com", "eu-*-coturn.example.com", true)]
#[case::no_character("coturn.example.com", "coturn*.example.com", false)]
#[case::an_overlap("aba.example.com", "ab*ba.example.com", false)]
#[case::two_labels("a.coturn.example.com", "*.example.com", false)]
#[case::two_stars("coturn.example.com", "c*u*n.example.com", false)]
#[case::a_star_in_another_label("coturn.example.com", "coturn.*.com", false)]
#[case::one_dot("example.com", "*.com", false)]
#[case::an_address_for_a_star("192.0.2.1", "*.0.2.1", false)]
#[case::punycode("xn--mxarccr1ahws.example.com", "xn--*.example.com", false)]
#[case::a_wildcard_in_the_list("*.example.com", "coturn.example.com", false)]
#[case::a_wildcard_for_a_wildcard("*.example.com", "*.example.com", false)]
fn a_name_stands_for_a_host_as_the_fork_has_it(
    #[case] host: &str,
    #[case] name: &str,
    #[case] is_met: bool,
) {
    assert_eq!(hostname::matches(host, name), is_met);
}

proptest! {
    #[test]
    fn whatever_a_certificate_holds_is_judged(
        host in "\\PC{0,20}", names in prop::collection::vec("[a-z*.\u{e9}\0]{0,12}", 0..4)
    ) {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let _ = list(&[&host, "*.a.b,CA"]).judge(&peer(&names));
    }

    #[test]
    fn a_name_without_a_star_stands_for_itself(name in "[a-z0-9-]{1,12}(\\.[a-z0-9-]{1,12}){0,3}") {
        prop_assert!(hostname::matches(&name, &name));
    }
}
