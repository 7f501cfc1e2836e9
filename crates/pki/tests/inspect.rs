//! What pairs in Secrets are, whoever put them there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;

use api::{KeyKind, Usage};
use pki::{
    Authority, PairError, inspect, issue,
    testing::{CaBuilder, NOW, request},
};
use rstest::rstest;
use support::{LEAF_EXTENSIONS, OpenSsl, wire_ca};

#[test]
fn the_leaf_of_wires_guide_inspects_to_what_a_spec_can_ask_for() {
    let openssl = OpenSsl::new();
    wire_ca(&openssl);
    openssl.run("genrsa -out leaf.key 2048");
    openssl.sign("leaf", "ca", "CN=coturn.example.com", LEAF_EXTENSIONS);
    let leaf = inspect(&openssl.read("leaf.crt"), &openssl.read("leaf.key")).unwrap();
    let mut expected = request(&["coturn.example.com", "coturn-0.example.com"]).content;
    expected.key = KeyKind::Rsa2048;
    assert_eq!(leaf.content, Some(expected));
    let serial = openssl
        .run("x509 -in leaf.crt -noout -serial")
        .trim()
        .to_ascii_lowercase();
    assert_eq!(format!("serial={}", leaf.serial), serial);
}

#[test]
fn a_serial_number_with_a_high_bit_is_what_openssl_shows() {
    let openssl = OpenSsl::new();
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.run("req -new -x509 -key ca.key -subj /CN=a -set_serial 0x8f01020304050607 -out a.crt");
    let leaf = inspect(&openssl.read("a.crt"), &openssl.read("ca.key")).unwrap();
    let shown = openssl.run("x509 -in a.crt -noout -serial");
    assert_eq!(shown.trim(), "serial=8F01020304050607");
    assert_eq!(leaf.serial.to_string(), "8f01020304050607");
}

#[rstest]
#[case::more_key_usages("keyUsage=digitalSignature,dataEncipherment\nsubjectAltName=DNS:a.example")]
#[case::another_purpose(
    "extendedKeyUsage=serverAuth,emailProtection\nsubjectAltName=DNS:a.example"
)]
#[case::a_mail_address("subjectAltName=DNS:a.example,email:a@example.com")]
#[case::a_uri("subjectAltName=URI:spiffe://example.com/turn")]
#[case::a_ca("basicConstraints=CA:TRUE\nsubjectAltName=DNS:a.example")]
fn what_no_spec_can_ask_for_inspects_to_no_content(#[case] extensions: &str) {
    let openssl = OpenSsl::new();
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.self_sign("CN=a.example", 30, extensions);
    let leaf = inspect(&openssl.read("ca.crt"), &openssl.read("ca.key")).unwrap();
    assert_eq!(leaf.content, None);
}

#[test]
fn extensions_that_say_nothing_of_names_and_usages_do_not_hide_the_content() {
    let openssl = OpenSsl::new();
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.self_sign(
        "CN=A.example",
        30,
        "authorityInfoAccess=OCSP;URI:http://ocsp.example\ncrlDistributionPoints=URI:http://crl.example\n\
         certificatePolicies=1.2.3.4\nkeyUsage=digitalSignature\nsubjectAltName=DNS:A.example",
    );
    let leaf = inspect(&openssl.read("ca.crt"), &openssl.read("ca.key")).unwrap();
    let content = leaf.content.unwrap();
    assert_eq!(content.dns_names, BTreeSet::from(["a.example".to_owned()]));
    assert_eq!(content.usages, BTreeSet::from([Usage::DigitalSignature]));
}

#[rstest]
#[case::rsa_1024("genrsa -out ca.key 1024", "RSA-1024")]
#[case::rsa_1024_pkcs1("genrsa -traditional -out ca.key 1024", "RSA-1024")]
#[case::ed25519("genpkey -algorithm ED25519 -out ca.key", "Ed25519")]
#[case::p521("ecparam -name secp521r1 -genkey -noout -out ca.key", "ECDSA-521")]
fn a_key_that_no_spec_can_ask_for_is_still_read_and_matched(
    #[case] command: &str,
    #[case] named: &str,
) {
    let openssl = OpenSsl::new();
    openssl.run(command);
    openssl.write(
        "ca.cnf",
        "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=a.example\n",
    );
    openssl.run("req -new -x509 -days 30 -key ca.key -config ca.cnf -out ca.crt");
    let leaf = inspect(&openssl.read("ca.crt"), &openssl.read("ca.key")).unwrap();
    assert_eq!(leaf.key_algorithm, named);
    assert_eq!(leaf.content, None);
    openssl.run(&command.replace("ca.key", "other.key"));
    let other = inspect(&openssl.read("ca.crt"), &openssl.read("other.key")).unwrap_err();
    assert!(matches!(other, PairError::KeyMismatch { .. }), "{other}");
}

#[test]
fn a_chain_out_of_order_and_a_foreign_key_are_no_pair() {
    let root = CaBuilder::root("CN=Example Org CA").build();
    let ca = CaBuilder::intermediate("CN=Issuing", &root).build();
    let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
    let pair = issue(&authority, &request(&["a.example"]), NOW).unwrap();
    let other = issue(&authority, &request(&["a.example"]), NOW).unwrap();
    let inspect = |certificate: &str, key: &str| {
        inspect(certificate.as_bytes(), key.as_bytes())
            .unwrap_err()
            .to_string()
    };
    let foreign = inspect(&pair.certificate, &other.key);
    assert!(
        foreign
            .contains("tls.key does not belong to the first certificate of tls.crt (CN=a.example)")
    );
    let skipped = inspect(&(other.certificate.clone() + &pair.certificate), &other.key);
    assert!(
        skipped.contains("certificate 3 of tls.crt (CN=a.example) did not issue"),
        "{skipped}"
    );
    let root_first = inspect(&(root.certificate() + &pair.certificate), &pair.key);
    assert!(
        root_first.contains("tls.key does not belong to the first certificate"),
        "{root_first}"
    );
    assert!(inspect("", &pair.key).contains("tls.crt is missing"));
    assert!(inspect(&pair.certificate, "").contains("tls.key is missing"));
}
