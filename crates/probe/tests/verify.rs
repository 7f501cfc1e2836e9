//! Chains that a client with a bundle trusts, and chains that it does not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use api::{Fingerprint, Usage};
use jiff::{SignedDuration, Timestamp};
use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{X509, X509NameBuilder, extension::SubjectAlternativeName},
};
use pki::{
    IssuedPair, LeafRequest,
    testing::{CaBuilder, TestCa},
};
use probe::{Certificate, VerifyError, names, verify};
use support::issued;

/// A chain as it is served.
fn served(pem: &str) -> Vec<Certificate> {
    let certificates = X509::stack_from_pem(pem.as_bytes()).unwrap();
    certificates.iter().map(certificate).collect()
}

fn certificate(certificate: &X509) -> Certificate {
    let digest = certificate.digest(MessageDigest::sha256()).unwrap();
    Certificate {
        fingerprint: Fingerprint::from_digest((*digest).try_into().unwrap()),
        der: certificate.to_der().unwrap(),
    }
}

fn judged(pair: &IssuedPair, bundle: &str) -> Result<Vec<String>, VerifyError> {
    verify(
        &served(&pair.certificate),
        bundle.as_bytes(),
        Timestamp::now(),
    )
}

fn words(result: Result<Vec<String>, VerifyError>) -> String {
    match result {
        Err(VerifyError::NotTrusted(words)) => words,
        other => panic!("{other:?}"),
    }
}

fn plain(ca: &TestCa) -> IssuedPair {
    issued(ca, |_| {})
}

#[test]
fn a_chain_that_leads_to_the_bundle_is_trusted_and_tells_who_issued_it() {
    let root = TestCa::example();
    let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
    let other = CaBuilder::root("CN=Other CA").build();
    let bundle = format!("# two\n{}\n{}", other.root(), root.root());
    assert_eq!(
        judged(&plain(&ca), &bundle).unwrap(),
        ["Issuing CA", "Example Org CA", "Example Org CA"]
    );
}

#[test]
fn a_ca_of_the_same_name_and_another_key_is_not_the_one_that_is_trusted() {
    let told = words(judged(
        &plain(&TestCa::example()),
        &TestCa::example().root(),
    ));
    assert_eq!(told, "unable to get local issuer certificate");
}

#[test]
fn a_chain_of_another_ca_is_not_trusted() {
    let other = CaBuilder::root("CN=Other CA").build();
    let told = words(judged(&plain(&TestCa::example()), &other.root()));
    assert_eq!(told, "unable to get local issuer certificate");
}

#[test]
fn an_intermediate_in_the_bundle_does_not_stand_for_its_root() {
    let root = TestCa::example();
    let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
    let told = words(judged(&plain(&ca), &ca.certificate()));
    assert_eq!(told, "unable to get issuer certificate");
}

#[test]
fn an_intermediate_that_is_not_served_may_lie_in_the_bundle() {
    let root = TestCa::example();
    let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
    let leaf = &served(&plain(&ca).certificate)[..1];
    let judged = |bundle: &str| verify(leaf, bundle.as_bytes(), Timestamp::now());
    assert!(judged(&root.root()).is_err());
    assert!(judged(&(root.root() + &ca.certificate())).is_ok());
}

#[test]
fn a_certificate_for_clients_alone_is_of_the_wrong_purpose() {
    let ca = TestCa::example();
    let pair = issued(&ca, |request| {
        request.content.usages = [Usage::DigitalSignature, Usage::ClientAuth].into();
    });
    assert_eq!(
        words(judged(&pair, &ca.root())),
        "unsuitable certificate purpose"
    );
}

#[test]
fn a_certificate_for_servers_alone_is_told_from_one_that_is_not_trusted() {
    let ca = TestCa::example();
    let pair = issued(&ca, |request| {
        request.content.usages.remove(&Usage::ClientAuth);
    });
    let not_for_clients = Err(VerifyError::NotForClients);
    assert_eq!(judged(&pair, &ca.root()), not_for_clients);
    let other = CaBuilder::root("CN=Other CA").build();
    let told = words(judged(&pair, &other.root()));
    assert_eq!(told, "unable to get local issuer certificate");
}

#[test]
fn a_certificate_is_trusted_while_it_is_valid() {
    let ca = TestCa::example();
    let shorter = |request: &mut LeafRequest| request.duration = SignedDuration::from_hours(48);
    let chain = served(&issued(&ca, shorter).certificate);
    let at = |hours| {
        let when = Timestamp::now() + SignedDuration::from_hours(hours);
        verify(&chain, ca.root().as_bytes(), when)
    };
    assert!(at(47).is_ok());
    assert_eq!(words(at(49)), "certificate has expired");
    let told = words(at(-2));
    assert!(told.contains("not yet valid"), "{told}");
}

/// A certificate that a key signs itself, with these DNS names.
fn self_signed(key: &PKey<Private>, dns_names: &[&str]) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "coturn.partner.example")
        .unwrap();
    let name = name.build();
    let mut certificate = X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    let day = |day| Asn1Time::days_from_now(day).unwrap();
    certificate.set_not_before(&day(0)).unwrap();
    certificate.set_not_after(&day(9)).unwrap();
    certificate.set_pubkey(key).unwrap();
    if !dns_names.is_empty() {
        let mut names = SubjectAlternativeName::new();
        for name in dns_names {
            names.dns(name);
        }
        let names = names
            .ip("192.0.2.7")
            .build(&certificate.x509v3_context(None, None))
            .unwrap();
        certificate.append_extension(names).unwrap();
    }
    certificate.sign(key, MessageDigest::sha256()).unwrap();
    certificate.build()
}

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

#[test]
fn a_key_of_less_than_112_bits_is_too_weak() {
    let judged = |bits| {
        let served = self_signed(&rsa(bits), &[]);
        let bundle = served.to_pem().unwrap();
        verify(&[certificate(&served)], &bundle, Timestamp::now())
    };
    assert_eq!(judged(2048).unwrap(), ["coturn.partner.example"]);
    assert_eq!(words(judged(1024)), "EE certificate key too weak");
}

#[test]
fn the_names_of_a_leaf_are_told_in_their_order() {
    let leaf = self_signed(&rsa(2048), &["b.example.com", "a.example.com"]);
    let found = names(&[certificate(&leaf)]).unwrap();
    assert_eq!(found.dns_names, ["b.example.com", "a.example.com"]);
    assert!(found.has_san);
}

#[test]
fn a_leaf_without_other_names_has_its_common_name() {
    let leaf = self_signed(&rsa(2048), &[]);
    let found = names(&[certificate(&leaf)]).unwrap();
    assert_eq!(found.common_name.as_deref(), Some("coturn.partner.example"));
    assert!(found.dns_names.is_empty() && !found.has_san);
}

#[test]
fn what_is_no_certificate_is_told_from_what_is_not_trusted() {
    let ca = TestCa::example();
    let garbage = Certificate {
        fingerprint: Fingerprint::from_digest([0; 32]),
        der: b"none".to_vec(),
    };
    let of = |chain: &[Certificate], bundle: &str| {
        verify(chain, bundle.as_bytes(), Timestamp::now()).unwrap_err()
    };
    assert_eq!(of(&[], &ca.root()), VerifyError::Chain);
    assert_eq!(of(&[garbage], &ca.root()), VerifyError::Chain);
    let chain = served(&plain(&ca).certificate);
    assert_eq!(of(&chain, "none"), VerifyError::EmptyBundle);
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(of(&chain, cut), VerifyError::Bundle);
}
