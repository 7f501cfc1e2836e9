//! Leaves that nobody vouches for but themselves, judged by the real `openssl`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use api::{Content, KeyKind, Reason, Signer, Subject};
use jiff::{SignedDuration, Timestamp};
use pki::{
    Authority, IssuedPair, LeafRequest, inspect, issue, issue_self_signed, lint, root_of,
    testing::{CaBuilder, NOW, TestCa, request},
};
use rstest::rstest;
use support::OpenSsl;

/// What a resource without a word about names asks for.
fn nameless() -> LeafRequest {
    let mut request = request(&[]);
    request.content.common_name = Some("coturn-dtls-certificate".to_owned());
    request
}

fn self_signed(request: &LeafRequest) -> IssuedPair {
    issue_self_signed(request, NOW).unwrap()
}

fn lints(pair: &IssuedPair) -> Vec<lint::Finding> {
    let leaf = pair.certificate.as_bytes();
    lint::leaf(leaf, leaf).unwrap()
}

#[rstest]
fn openssl_accepts_it_for_both_purposes_with_itself_as_the_trust_anchor(
    #[values(
        KeyKind::EcdsaP256,
        KeyKind::EcdsaP384,
        KeyKind::Rsa2048,
        KeyKind::Rsa3072
    )]
    kind: KeyKind,
    #[values(nameless(), request(&["coturn.example.com", "*.turn.example.com"]))]
    mut request: LeafRequest,
) {
    request.content.key = kind;
    let (openssl, pair) = (OpenSsl::new(), self_signed(&request));
    openssl.verify(&pair, "sslserver", NOW);
    openssl.verify(&pair, "sslclient", NOW);
    assert_eq!(pair.leaf.content, Some(request.content));
}

#[test]
fn nothing_in_it_is_to_be_objected_to_but_that_a_stand_in_is_no_name() {
    assert_eq!(lints(&self_signed(&request(&["a.example.com"]))), []);
    assert_eq!(
        lints(&self_signed(&nameless())),
        [lint::Finding::CommonName]
    );
}

#[test]
fn what_openssl_shows_is_a_leaf_that_is_its_own_issuer() {
    let (openssl, pair) = (OpenSsl::new(), self_signed(&nameless()));
    openssl.write("leaf.pem", &pair.certificate);
    let text = openssl.run("x509 -in leaf.pem -noout -text -nameopt RFC2253");
    for expected in [
        "Subject: CN=coturn-dtls-certificate",
        "Issuer: CN=coturn-dtls-certificate",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Server Authentication, TLS Web Client Authentication",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in {text}");
    }
    assert!(!text.contains("Subject Alternative Name"), "{text}");
    let key_id = |extension: &str| {
        let shown = openssl.run(&format!("x509 -in leaf.pem -noout -ext {extension}"));
        shown.lines().last().unwrap().trim().to_owned()
    };
    assert_eq!(
        key_id("subjectKeyIdentifier"),
        key_id("authorityKeyIdentifier")
    );
}

#[test]
fn the_fingerprint_in_sdps_notation_is_the_one_that_openssl_shows() {
    let (openssl, pair) = (OpenSsl::new(), self_signed(&nameless()));
    openssl.write("leaf.pem", &pair.certificate);
    let shown = openssl.run("x509 -in leaf.pem -noout -fingerprint -sha256");
    let (_, pairs) = shown.trim().split_once('=').unwrap();
    assert_eq!(pair.leaf.fingerprint.to_sdp(), format!("sha-256 {pairs}"));
}

#[test]
fn it_is_published_alone_and_is_its_own_root() {
    let pair = self_signed(&nameless());
    assert_eq!(pair.certificate.matches("BEGIN CERTIFICATE").count(), 1);
    assert_eq!(pair.root, pair.certificate);
    let root = root_of(pair.certificate.as_bytes(), pair.root.as_bytes()).unwrap();
    assert_eq!(root.fingerprint, pair.leaf.fingerprint);
}

#[test]
fn it_is_valid_from_five_minutes_ago_for_the_duration_asked_for() {
    let mut request = nameless();
    request.duration = SignedDuration::from_hours(720);
    let leaf = self_signed(&request).leaf;
    assert_eq!(leaf.not_before, NOW - SignedDuration::from_mins(5));
    assert_eq!(leaf.not_after, NOW + SignedDuration::from_hours(720));
}

#[test]
fn it_vouches_for_no_other_certificate() {
    let openssl = OpenSsl::new();
    let pair = issue_self_signed(&nameless(), Timestamp::now()).unwrap();
    openssl.write("own.crt", &pair.certificate);
    openssl.write("own.key", pair.key.as_bytes());
    openssl.run("ecparam -name prime256v1 -genkey -noout -out other.key");
    openssl.sign("other", "own", "CN=other", "subjectAltName=DNS:other");
    let refused = openssl
        .try_run("verify -CAfile own.crt other.crt")
        .unwrap_err();
    assert!(refused.contains("CA certificate"), "{refused}");
}

#[test]
fn no_two_share_a_key_or_a_root() {
    let (one, two) = (self_signed(&nameless()), self_signed(&nameless()));
    assert_ne!(*one.key, *two.key);
    let root = |of: &IssuedPair| root_of(of.certificate.as_bytes(), of.root.as_bytes()).unwrap();
    assert_ne!(root(&one).anchor, root(&two).anchor);
    let strange = root_of(one.certificate.as_bytes(), two.root.as_bytes());
    assert_eq!(strange, None);
}

#[test]
fn only_a_leaf_that_its_own_key_signed_is_told_to_be_self_signed() {
    let namesake = CaBuilder::root("CN=coturn-dtls-certificate").build();
    let authority = |ca: &TestCa| Authority::load(&ca.secret().as_secret(), NOW).unwrap();
    let mut named = nameless();
    named.content.dns_names = ["a.example.com".to_owned()].into();
    let signer = |pair: &IssuedPair| {
        inspect(pair.certificate.as_bytes(), pair.key.as_bytes())
            .unwrap()
            .signer
    };
    assert_eq!(signer(&self_signed(&named)), Signer::Itself);
    for ca in [namesake, TestCa::example()] {
        let pair = issue(&authority(&ca), &named, NOW).unwrap();
        assert_eq!(signer(&pair), Signer::Another, "{}", pair.leaf.issuer);
    }
}

fn with(change: impl FnOnce(&mut Content)) -> LeafRequest {
    let mut request = nameless();
    change(&mut request.content);
    request
}

#[rstest]
#[case::nothing_names_its_issuer(with(|it| it.common_name = None), "needs a subject")]
#[case::no_dns_name(with(|it| { it.dns_names.insert("a b".to_owned()); }), "`a b` is no DNS name")]
#[case::no_time(LeafRequest { duration: SignedDuration::ZERO, ..nameless() }, "valid for 0 s")]
fn a_request_that_no_certificate_can_hold_is_refused_by_name(
    #[case] request: LeafRequest,
    #[case] text: &str,
) {
    let error = issue_self_signed(&request, NOW).unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(error.reason(), Reason::InvalidSpec);
}

#[test]
fn a_subject_without_a_common_name_is_enough_of_an_issuer() {
    let pair = self_signed(&with(|it| {
        it.common_name = None;
        it.subject = Subject {
            organizations: vec!["Example".to_owned()],
            ..Subject::default()
        };
    }));
    assert_eq!(pair.leaf.issuer, "O=Example");
}
