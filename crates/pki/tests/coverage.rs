//! What a certificate that somebody else made is good for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use api::{Coverage, KeyKind, Usage};
use pki::inspect;
use rstest::rstest;
use support::OpenSsl;

/// The coverage of a certificate with these extensions and a key made this way.
fn coverage(key: &str, extensions: &str) -> Option<Coverage> {
    let openssl = OpenSsl::new();
    openssl.run(key);
    openssl.self_sign("CN=a.example", 30, extensions);
    let leaf = inspect(&openssl.read("ca.crt"), &openssl.read("ca.key")).unwrap();
    leaf.coverage
}

const P256: &str = "ecparam -name prime256v1 -genkey -noout -out ca.key";
const ALL: [Usage; 5] = [
    Usage::DigitalSignature,
    Usage::KeyEncipherment,
    Usage::KeyAgreement,
    Usage::ServerAuth,
    Usage::ClientAuth,
];

#[test]
fn names_and_usages_that_no_spec_can_ask_for_are_passed_over() {
    let found = coverage(
        P256,
        "subjectAltName=DNS:A.example,email:a@example.com,IP:10.0.0.1\n\
         keyUsage=digitalSignature,dataEncipherment\n\
         extendedKeyUsage=serverAuth,emailProtection",
    )
    .unwrap();
    assert_eq!(found.dns_names, ["a.example".to_owned()].into());
    assert_eq!(found.ip_addresses, ["10.0.0.1".parse().unwrap()].into());
    assert_eq!(
        found.usages,
        [Usage::DigitalSignature, Usage::ServerAuth].into()
    );
}

#[rstest]
#[case::neither("subjectAltName=DNS:a.example", &ALL)]
#[case::only_purposes(
    "extendedKeyUsage=serverAuth",
    &[Usage::DigitalSignature, Usage::KeyEncipherment, Usage::KeyAgreement, Usage::ServerAuth]
)]
#[case::only_key_usages(
    "keyUsage=digitalSignature",
    &[Usage::DigitalSignature, Usage::ServerAuth, Usage::ClientAuth]
)]
fn a_missing_extension_restricts_nothing(#[case] extensions: &str, #[case] usages: &[Usage]) {
    let found = coverage(P256, extensions).unwrap();
    assert_eq!(found.usages, usages.iter().copied().collect());
}

#[rstest]
#[case::p256(P256, Some(KeyKind::EcdsaP256))]
#[case::p521(
    "ecparam -name secp521r1 -genkey -noout -out ca.key",
    Some(KeyKind::EcdsaP384)
)]
#[case::of_an_odd_size("genrsa -out ca.key 2560", Some(KeyKind::Rsa2048))]
#[case::too_short("genrsa -out ca.key 1024", None)]
#[case::not_served("genpkey -algorithm ed25519 -out ca.key", None)]
fn a_key_counts_as_the_strongest_kind_that_it_reaches(
    #[case] key: &str,
    #[case] kind: Option<KeyKind>,
) {
    let found = coverage(key, "subjectAltName=DNS:a.example").unwrap();
    assert_eq!(found.key, kind);
}

#[test]
fn a_ca_certificate_is_no_leaf() {
    assert_eq!(coverage(P256, "basicConstraints=CA:TRUE"), None);
}
