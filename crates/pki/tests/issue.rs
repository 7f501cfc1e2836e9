//! What is signed, what is refused, and until when.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::net::IpAddr;

use api::{KeyKind, Reason, Subject, Usage};
use jiff::{SignedDuration, Timestamp};
use pki::{
    Authority, IssueError, IssuedPair, LeafRequest, issue, lint,
    testing::{CaBuilder, NOW, TestCa, request},
};
use rstest::rstest;

fn authority(ca: &TestCa) -> Authority {
    Authority::load(&ca.secret().as_secret(), NOW).unwrap()
}

fn issue_from(ca: &TestCa, request: &LeafRequest) -> Result<IssuedPair, IssueError> {
    issue(&authority(ca), request, NOW)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn root() -> CaBuilder<'static> {
    CaBuilder::root("CN=Example Org CA")
}

#[test]
fn a_leaf_is_valid_from_five_minutes_ago_for_the_duration_asked_for() {
    let pair = issue_from(&TestCa::example(), &request(&["a.example"])).unwrap();
    assert_eq!(pair.leaf.not_before, at("2026-05-31T23:55:00Z"));
    assert_eq!(pair.leaf.not_after, at("2027-06-01T00:00:00Z"));
}

#[test]
fn a_leaf_neither_outlives_its_ca_nor_starts_before_it() {
    let ca = root()
        .valid("2026-05-31T23:59:00Z", "2026-06-02T00:00:00Z")
        .build();
    let pair = issue_from(&ca, &request(&["a.example"])).unwrap();
    assert_eq!(pair.leaf.not_before, at("2026-05-31T23:59:00Z"));
    assert_eq!(pair.leaf.not_after, at("2026-06-02T00:00:00Z"));
}

#[test]
fn an_intermediate_that_outlives_its_root_is_cut_to_the_root() {
    let root = root()
        .valid("2020-01-01T00:00:00Z", "2026-06-02T00:00:00Z")
        .build();
    let ca = CaBuilder::intermediate("CN=Issuing", &root).build();
    let pair = issue_from(&ca, &request(&["a.example"])).unwrap();
    assert_eq!(pair.leaf.not_after, at("2026-06-02T00:00:00Z"));
}

#[test]
fn an_authority_that_was_judged_earlier_does_not_sign_outside_its_validity() {
    let ca = root()
        .valid("2026-01-01T00:00:00Z", "2026-06-02T00:00:00Z")
        .build();
    let authority = authority(&ca);
    let late = issue(
        &authority,
        &request(&["a.example"]),
        at("2026-06-02T00:00:00Z"),
    )
    .unwrap_err();
    assert_eq!(late.reason(), Reason::AuthorityExpired);
    let early = issue(
        &authority,
        &request(&["a.example"]),
        at("2025-12-31T23:59:59Z"),
    )
    .unwrap_err();
    assert_eq!(early.reason(), Reason::AuthorityNotYetValid);
}

#[rstest]
#[case::another_domain(root().permitting_dns("example.com"), "a.example", Some("permitted: example.com"))]
#[case::a_domain_that_ends_alike(root().permitting_dns("example.com"), "badexample.com", Some("permitted"))]
#[case::the_domain_itself(root().permitting_dns("example.com"), "example.com", None)]
#[case::below_the_domain(root().permitting_dns("example.com"), "a.b.example.com", None)]
#[case::a_wildcard_below(root().permitting_dns("example.com"), "*.example.com", None)]
#[case::one_of_two(root().permitting_dns("example.org").permitting_dns("example.com"), "a.example.com", None)]
#[case::excluded(root().excluding_dns("internal.example.com"), "a.internal.example.com", Some("excluded: internal.example.com"))]
#[case::a_wildcard_for_what_is_excluded(root().excluding_dns("internal.example.com"), "*.example.com", Some("excluded: internal.example.com"))]
#[case::a_wildcard_beside_what_is_excluded(root().excluding_dns("internal.example.com"), "*.turn.example.com", None)]
#[case::a_wildcard_above_what_is_excluded(root().excluding_dns("a.internal.example.com"), "*.example.com", None)]
#[case::not_excluded(root().excluding_dns("internal.example.com"), "a.example.com", None)]
fn name_constraints_are_obeyed_and_the_offending_name_is_told(
    #[case] ca: CaBuilder<'static>,
    #[case] name: &str,
    #[case] rule: Option<&str>,
) {
    let root = ca.build();
    let below = CaBuilder::intermediate("CN=Issuing", &root).build();
    for ca in [&root, &below] {
        match (issue_from(ca, &request(&[name])), rule) {
            (Ok(_), None) => {}
            (Err(error), Some(rule)) => {
                let text = error.to_string();
                assert!(text.contains(name) && text.contains(rule), "{text}");
                assert!(text.contains("CN=Example Org CA"), "{text}");
                assert_eq!(error.reason(), Reason::AuthorityForbids);
            }
            (result, rule) => panic!("{result:?}, expected {rule:?}"),
        }
    }
}

#[rstest]
#[case::inside("10.1.2.3", true)]
#[case::outside("11.1.2.3", false)]
#[case::of_the_other_family("2001:db8::1", false)]
fn address_constraints_are_obeyed(#[case] address: IpAddr, #[case] allowed: bool) {
    let network = |text: &str| text.parse().unwrap();
    let ca = root()
        .permitting_ip(network("10.0.0.0"), network("255.0.0.0"))
        .build();
    let mut request = request(&["a.example"]);
    request.content.ip_addresses = [address].into();
    match issue_from(&ca, &request) {
        Ok(_) => assert!(allowed),
        Err(error) => {
            assert!(!allowed, "{error}");
            assert_eq!(error.reason(), Reason::AuthorityForbids);
            assert!(error.to_string().contains("10.0.0.0/8"), "{error}");
        }
    }
}

#[rstest]
#[case::inside("10.9.9.9", true)]
#[case::outside("11.1.2.3", false)]
fn host_bits_in_a_network_do_not_count(#[case] address: IpAddr, #[case] allowed: bool) {
    let network = |text: &str| text.parse().unwrap();
    let ca = root()
        .permitting_ip(network("10.1.2.3"), network("255.0.0.0"))
        .build();
    let mut request = request(&["a.example"]);
    request.content.ip_addresses = [address].into();
    assert_eq!(issue_from(&ca, &request).is_ok(), allowed);
}

#[test]
fn a_common_name_is_constrained_where_no_dns_name_is_asked_for() {
    let ca = root().permitting_dns("example.com").build();
    let mut request = request(&[]);
    request.content.common_name = Some("a.example.org".to_owned());
    request.content.ip_addresses = ["10.0.0.1".parse().unwrap()].into();
    let error = issue_from(&ca, &request).unwrap_err();
    assert!(matches!(error, IssueError::NameForbidden { .. }), "{error}");
}

#[test]
fn a_ca_for_servers_only_signs_no_client() {
    let root = root().purposes(&[Usage::ServerAuth]).build();
    let below = CaBuilder::intermediate("CN=Issuing", &root).build();
    for ca in [&root, &below] {
        let error = issue_from(ca, &request(&["a.example"])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("extendedKeyUsage of CN=Example Org CA forbids `client auth`"),
            "{error}"
        );
        assert_eq!(error.reason(), Reason::AuthorityForbids);
        let mut server = request(&["a.example"]);
        server.content.usages = [Usage::DigitalSignature, Usage::ServerAuth].into();
        issue_from(ca, &server).unwrap();
    }
}

#[rstest]
#[case::no_name(LeafRequest { ..request(&[]) }, "names no server")]
#[case::an_upper_case_name(request(&["A.example"]), "`A.example` is no DNS name")]
#[case::an_inner_wildcard(request(&["a.*.example"]), "`a.*.example` is no DNS name")]
#[case::a_space(request(&["a b.example"]), "is no DNS name")]
#[case::another_script(request(&["größe.example"]), "is no DNS name")]
#[case::a_trailing_dot(request(&["a.example."]), "is no DNS name")]
#[case::a_wildcard_below_a_top_level(request(&["*.example"]), "`*.example` is no DNS name")]
#[case::an_address(request(&["10.0.0.1"]), "`10.0.0.1` is no DNS name")]
#[case::a_numeric_top_level(request(&["a.1"]), "`a.1` is no DNS name")]
#[case::no_time(LeafRequest { duration: SignedDuration::ZERO, ..request(&["a.example"]) }, "valid for 0 s")]
#[case::a_long_common_name(with_common_name(&"a".repeat(65)), "the subject attribute `aaa")]
#[case::an_empty_common_name(with_common_name(""), "the subject attribute ``")]
#[case::a_control_character(with_common_name("a\u{0}b"), "the subject attribute")]
#[case::a_country_that_is_none(with_subject(Subject { countries: vec!["deu".into()], ..Subject::default() }), "`deu`")]
fn a_request_that_no_certificate_can_hold_is_refused_by_name(
    #[case] request: LeafRequest,
    #[case] text: &str,
) {
    let error = issue_from(&TestCa::example(), &request).unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(error.reason(), Reason::InvalidSpec);
}

fn with_common_name(common_name: &str) -> LeafRequest {
    let mut request = request(&["a.example"]);
    request.content.common_name = Some(common_name.to_owned());
    request
}

fn with_subject(subject: Subject) -> LeafRequest {
    let mut request = request(&["a.example"]);
    request.content.subject = subject;
    request
}

#[test]
fn two_certificates_share_neither_key_nor_serial_number() {
    let ca = TestCa::example();
    let authority = authority(&ca);
    let issue = || issue(&authority, &request(&["a.example"]), NOW).unwrap();
    let (one, two) = (issue(), issue());
    assert_ne!(one.leaf.serial, two.leaf.serial);
    assert_ne!(*one.key, *two.key);
}

#[test]
fn serial_numbers_are_positive_and_use_159_bits() {
    let ca = TestCa::example();
    let authority = authority(&ca);
    let serials: Vec<_> = (0..64)
        .map(|_| {
            issue(&authority, &request(&["a.example"]), NOW)
                .unwrap()
                .leaf
                .serial
        })
        .collect();
    // With a high bit, a serial number of 20 octets would take 21 in DER.
    assert!(serials.iter().all(|serial| match serial.octets() {
        [first, rest @ ..] => rest.len() < 19 || rest.len() == 19 && *first < 0x80,
        [] => false,
    }));
    assert!(
        serials
            .iter()
            .any(|serial| serial.octets().len() == 20 && serial.octets()[0] >= 0x40)
    );
}

#[test]
fn a_hundred_names_and_a_hundred_addresses_fit() {
    let names: Vec<String> = (0..100)
        .map(|n| format!("coturn-{n}.{}.example.com", "a".repeat(60)))
        .collect();
    let mut request = request(&names.iter().map(String::as_str).collect::<Vec<_>>());
    request.content.common_name = None;
    request.content.ip_addresses = (0..100).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    let pair = issue_from(&TestCa::example(), &request).unwrap();
    assert_eq!(pair.leaf.content, Some(request.content));
}

#[rstest]
#[case::one_label("localhost")]
#[case::a_name_inside_the_cluster("coturn-0.coturn.default.svc.cluster.local")]
#[case::an_underscore("_turn.example.com")]
#[case::punycode("xn--gre-7ka3c.example")]
#[case::the_longest(&format!("*.{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(59)))]
fn unusual_names_are_issued_as_they_stand(#[case] name: &str) {
    let mut request = request(&[name]);
    request.content.common_name = None;
    let pair = issue_from(&TestCa::example(), &request).unwrap();
    assert_eq!(pair.leaf.content, Some(request.content));
}

#[test]
fn an_authority_and_a_pair_can_be_sent_to_another_thread() {
    fn assert_send<T: Send + Sync>() {}
    assert_send::<Authority>();
    assert_send::<IssuedPair>();
}

#[test]
fn a_certificate_without_purposes_has_none() {
    let mut request = request(&["a.example"]);
    request.content.usages = [Usage::DigitalSignature].into();
    let pair = issue_from(&TestCa::example(), &request).unwrap();
    assert_eq!(pair.leaf.content, Some(request.content));
}

#[test]
fn further_roots_of_ca_crt_are_published_with_the_authoritys_own_first() {
    let (ca, partner) = (TestCa::example(), CaBuilder::root("CN=Next CA").build());
    let mut secret = ca.secret();
    secret.root = partner.root() + &ca.root();
    let authority = Authority::load(&secret.as_secret(), NOW).unwrap();
    let pair = issue(&authority, &request(&["a.example"]), NOW).unwrap();
    assert_eq!(pair.root, ca.root() + &partner.root());
}

#[test]
fn the_lints_object_to_a_ca_as_a_leaf() {
    let ca = TestCa::example();
    let other = CaBuilder::root("CN=Other")
        .valid("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
        .build();
    let findings = lint::leaf(ca.certificate().as_bytes(), other.certificate().as_bytes()).unwrap();
    for finding in [
        lint::Finding::BasicConstraints,
        lint::Finding::Issuer,
        lint::Finding::AuthorityKeyIdentifier,
        lint::Finding::StartsBeforeAuthority,
        lint::Finding::OutlivesAuthority,
        lint::Finding::NoNames,
        lint::Finding::Signature,
        lint::Finding::NoDigitalSignature,
        lint::Finding::CommonName,
    ] {
        assert!(findings.contains(&finding), "{finding}: {findings:?}");
    }
}

#[rstest]
fn no_byte_of_a_key_stands_in_any_text(
    #[values(KeyKind::EcdsaP256, KeyKind::Rsa2048)] kind: KeyKind,
) {
    let ca = root().key(kind).build();
    let authority = authority(&ca);
    let mut request = request(&["a.example"]);
    request.content.key = kind;
    let pair = issue(&authority, &request, NOW).unwrap();
    let texts = [
        format!("{authority:?}"),
        format!("{authority:#?}"),
        format!("{pair:?}"),
        format!("{pair:#?}"),
    ];
    for key in [ca.key(), pair.key.to_string()] {
        let der = rustls_pki_types::pem::PemObject::from_pem_slice(key.as_bytes());
        let der: rustls_pki_types::PrivateKeyDer<'_> = der.unwrap();
        // Everything after the public header of the encoding, in each way bytes are printed.
        for octets in der.secret_der()[30..].chunks_exact(6) {
            let hex = format!("{octets:02x?}");
            let forms = [hex.replace(", ", ""), hex, format!("{octets:?}")];
            for form in forms.iter().map(|form| form.trim_matches(['[', ']'])) {
                assert!(texts.iter().all(|text| !text.contains(form)), "{form}");
            }
        }
        for line in key.lines().filter(|line| !line.starts_with("-----")) {
            assert!(texts.iter().all(|text| !text.contains(line)));
        }
    }
}
