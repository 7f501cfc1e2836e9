//! Pairs that coturn can serve and partners accept, and pairs on which it would choke.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{collections::BTreeSet, net::IpAddr};

use api::{KeyKind, Usage};
use jiff::{SignedDuration, Timestamp};
use openssl::{pkey::PKey, x509::X509};
use pki::{
    IssuedPair, issue_self_signed,
    testing::{CaBuilder, TestCa, request},
};
use probe::{IdentityError, Purposes, Rehearsal, RehearsalError, rehearse};
use rstest::rstest;
use support::{issued, of_kind};

/// What is rehearsed of a pair, with the names that it has.
struct Played {
    certificates: String,
    key: String,
    roots: String,
    dns_names: BTreeSet<String>,
    ip_addresses: BTreeSet<IpAddr>,
    now: Timestamp,
}

impl Played {
    fn of(pair: &IssuedPair) -> Self {
        let content = pair.leaf.content.clone().unwrap();
        Self {
            certificates: pair.certificate.clone(),
            key: pair.key.to_string(),
            roots: pair.root.clone(),
            dns_names: content.dns_names,
            ip_addresses: content.ip_addresses,
            now: Timestamp::now(),
        }
    }

    fn as_both(&self) -> Result<(), RehearsalError> {
        self.play(Purposes::Both)
    }

    fn play(&self, purposes: Purposes) -> Result<(), RehearsalError> {
        rehearse(&Rehearsal {
            certificates: self.certificates.as_bytes(),
            key: self.key.as_bytes(),
            roots: self.roots.as_bytes(),
            purposes,
            dns_names: &self.dns_names,
            ip_addresses: &self.ip_addresses,
            now: self.now,
        })
    }
}

#[rstest]
#[case::p_256(KeyKind::EcdsaP256)]
#[case::p_384(KeyKind::EcdsaP384)]
#[case::rsa_2048(KeyKind::Rsa2048)]
#[case::rsa_3072(KeyKind::Rsa3072)]
#[case::rsa_4096(KeyKind::Rsa4096)]
fn a_pair_of_any_kind_of_key_passes(#[case] key: KeyKind) {
    Played::of(&of_kind(&TestCa::example(), key))
        .as_both()
        .unwrap();
}

#[rstest]
#[case::p_384(KeyKind::EcdsaP384)]
#[case::rsa_2048(KeyKind::Rsa2048)]
fn a_pair_of_any_kind_of_ca_passes(#[case] key: KeyKind) {
    let ca = CaBuilder::root("CN=Example Org CA").key(key).build();
    Played::of(&of_kind(&ca, KeyKind::Rsa2048))
        .as_both()
        .unwrap();
}

#[test]
fn one_of_two_roots_that_are_published_is_enough() {
    let mut played = Played::of(&issued(&TestCa::example(), |_| {}));
    let another = CaBuilder::root("CN=Another").build().root();
    played.roots = format!("{another}{}", played.roots);
    played.as_both().unwrap();
}

#[test]
fn a_pair_of_an_intermediate_passes_with_its_chain_and_not_without() {
    let root = CaBuilder::root("CN=Root").build();
    let ca = CaBuilder::intermediate("CN=Intermediate", &root).build();
    let whole = Played::of(&issued(&ca, |_| {}));
    whole.as_both().unwrap();

    let leaf = &X509::stack_from_pem(whole.certificates.as_bytes()).unwrap()[0];
    let alone = Played {
        certificates: String::from_utf8(leaf.to_pem().unwrap()).unwrap(),
        ..whole
    };
    let error = alone.as_both().unwrap_err();
    assert!(
        error.to_string().contains("unable to get local issuer"),
        "{error}"
    );
}

#[test]
fn a_self_signed_pair_without_names_passes() {
    let mut request = request(&[]);
    request.content.common_name = Some("coturn-dtls-certificate".to_owned());
    let pair = issue_self_signed(&request, Timestamp::now()).unwrap();
    Played::of(&pair).as_both().unwrap();
}

#[test]
fn every_name_is_looked_for_and_no_other_is_found() {
    let mut played = Played::of(&issued(&TestCa::example(), |request| {
        let content = &mut request.content;
        content.dns_names.insert("*.turn.example.com".to_owned());
        content.ip_addresses.insert("192.0.2.7".parse().unwrap());
        content.ip_addresses.insert("2001:db8::7".parse().unwrap());
    }));
    played.as_both().unwrap();

    played.dns_names.insert("other.example.com".to_owned());
    let error = played.as_both().unwrap_err();
    assert!(
        matches!(&error, RehearsalError::Name(name, why) if name == "other.example.com" && why == "hostname mismatch"),
        "{error}"
    );
    played.dns_names.remove("other.example.com");
    played.ip_addresses.insert("192.0.2.8".parse().unwrap());
    assert!(matches!(played.as_both(), Err(RehearsalError::Name(..))));
}

#[rstest]
#[case::of_a_client(Usage::ServerAuth, "a client that it is served to", Purposes::Client)]
#[case::of_a_server(
    Usage::ClientAuth,
    "a server that a client presents it to",
    Purposes::Server
)]
fn a_missing_purpose_is_noticed_at_the_end_that_enforces_it(
    #[case] missing: Usage,
    #[case] by: &str,
    #[case] left: Purposes,
) {
    let played = Played::of(&issued(&TestCa::example(), |request| {
        request.content.usages.remove(&missing);
    }));
    let error = played.as_both().unwrap_err().to_string();
    assert!(error.starts_with(by), "{error}");
    assert!(error.contains("purpose"), "{error}");
    played.play(left).unwrap();
}

#[test]
fn a_pair_of_another_time_is_not_accepted() {
    let mut played = Played::of(&issued(&TestCa::example(), |_| {}));
    played.now = Timestamp::now() + SignedDuration::from_hours(24 * 400);
    let error = played.as_both().unwrap_err().to_string();
    assert!(error.contains("certificate has expired"), "{error}");
}

#[test]
fn a_root_that_did_not_sign_it_is_noticed() {
    let mut played = Played::of(&issued(&TestCa::example(), |_| {}));
    played.roots = CaBuilder::root("CN=Another").build().root();
    assert!(matches!(
        played.as_both(),
        Err(RehearsalError::NotAccepted(..))
    ));
}

#[test]
fn a_key_of_another_certificate_is_no_pair() {
    let ca = TestCa::example();
    let mut played = Played::of(&issued(&ca, |_| {}));
    played.key = issued(&ca, |_| {}).key.to_string();
    let mismatch = RehearsalError::Identity(IdentityError::Mismatch);
    assert_eq!(played.as_both(), Err(mismatch));
}

#[test]
fn a_chain_that_begins_with_the_ca_is_no_pair() {
    let ca = TestCa::example();
    let mut played = Played::of(&issued(&ca, |_| {}));
    played.certificates = format!("{}{}", ca.certificate(), played.certificates);
    let mismatch = RehearsalError::Identity(IdentityError::Mismatch);
    assert_eq!(played.as_both(), Err(mismatch));
}

#[test]
fn an_ed25519_key_has_no_cipher() {
    let key = PKey::generate_ed25519().unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_pubkey(&key).unwrap();
    let from = openssl::asn1::Asn1Time::days_from_now(0).unwrap();
    builder.set_not_before(&from).unwrap();
    let until = openssl::asn1::Asn1Time::days_from_now(1).unwrap();
    builder.set_not_after(&until).unwrap();
    builder
        .sign(&key, openssl::hash::MessageDigest::null())
        .unwrap();
    let certificate = String::from_utf8(builder.build().to_pem().unwrap()).unwrap();
    let key = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let played = Played {
        roots: certificate.clone(),
        certificates: certificate,
        key,
        dns_names: BTreeSet::new(),
        ip_addresses: BTreeSet::new(),
        now: Timestamp::now(),
    };
    assert!(matches!(
        played.as_both(),
        Err(RehearsalError::NoHandshake(_))
    ));
}

#[test]
fn a_key_that_cannot_be_read_is_told_of_without_its_bytes() {
    let mut played = Played::of(&issued(&TestCa::example(), |_| {}));
    let end = played.key.len() - 60;
    let secret = played.key[end..end + 16].to_owned();
    played.key.truncate(end + 20);
    let error = played.as_both().unwrap_err();
    assert_eq!(error, RehearsalError::Identity(IdentityError::Key));
    assert!(!format!("{error:?} {error}").contains(&secret));
}
