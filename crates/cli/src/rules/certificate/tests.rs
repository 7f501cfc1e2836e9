use api::KeyKind;
use openssl::{
    asn1::{Asn1Object, Asn1OctetString, Asn1Time},
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Builder, X509Extension, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use pki::{
    Authority, LeafRequest, issue,
    testing::{CaBuilder, NOW, TestCa, request},
};
use probe::Version;
use rstest::rstest;

use super::*;
use crate::rules::testing::{World, ids};

/// A world that serves these certificates.
fn serving(kind: ListenerKind, chain: &[Vec<u8>]) -> World {
    let mut world = World::hardened().hears(kind, Version::Tls12, &[]);
    let chain = chain.iter().map(|der| Certificate {
        fingerprint: api::Fingerprint::from_digest([0; 32]),
        der: der.clone(),
    });
    world.facts.heard[0].scan.versions[0].chain = chain.collect();
    world
}

fn der(pem: &str) -> Vec<Vec<u8>> {
    let stack = X509::stack_from_pem(pem.as_bytes()).unwrap();
    stack.iter().map(|it| it.to_der().unwrap()).collect()
}

fn issued(ca: &TestCa, change: impl FnOnce(&mut LeafRequest)) -> Vec<Vec<u8>> {
    let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
    let mut request = request(&["coturn.example.com"]);
    change(&mut request);
    der(&issue(&authority, &request, NOW).unwrap().certificate)
}

fn found(world: &World) -> Vec<Id> {
    ids(&judge(&world.facts))
}

#[rstest]
#[case(ListenerKind::Tls)]
#[case(ListenerKind::Federation)]
fn a_good_certificate_is_not_found(#[case] kind: ListenerKind) {
    assert_eq!(
        found(&serving(kind, &issued(&TestCa::example(), |_| {}))),
        []
    );
}

#[rstest]
#[case::expired("2027-06-01T00:00:01Z", &[Id::CertificateExpired])]
#[case::within_30_days("2027-05-02T12:00:00Z", &[Id::CertificateExpiresSoon])]
#[case::before_that("2027-05-01T00:00:00Z", &[])]
#[case::not_valid_yet("2026-05-01T00:00:00Z", &[Id::CertificateExpired])]
fn the_time_that_is_left_is_judged(#[case] now: &str, #[case] ids: &[Id]) {
    let mut world = serving(ListenerKind::Tls, &issued(&TestCa::example(), |_| {}));
    world.facts.now = now.parse().unwrap();
    assert_eq!(found(&world), ids);
}

#[rstest]
#[case::in_time("2036-06-01T00:00:00Z", &[])]
#[case::soon("2026-06-20T00:00:00Z", &[Id::CertificateExpiresSoon])]
#[case::over("2026-05-31T00:00:00Z", &[Id::CertificateExpired])]
fn the_time_of_the_certificates_in_between_is_judged_as_well(
    #[case] end: &str,
    #[case] ids: &[Id],
) {
    let root = TestCa::example();
    let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
    let leaf = issued(&ca, |_| {}).remove(0);
    let between = CaBuilder::intermediate("CN=Issuing CA", &root).renewing(&ca);
    let between = between.valid("2026-01-01T00:00:00Z", end).build();
    let between = der(&between.certificate()).remove(0);
    assert_eq!(found(&serving(ListenerKind::Tls, &[leaf, between])), ids);
}

#[rstest]
#[case::in_time("2026-06-06T00:00:00Z", &[])]
#[case::in_its_last_third("2026-06-07T00:00:00Z", &[Id::CertificateExpiresSoon])]
fn a_short_life_ends_soon_in_its_last_third(#[case] now: &str, #[case] ids: &[Id]) {
    let root = TestCa::example();
    let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
    let leaf = issued(&ca, |_| {}).remove(0);
    let between = CaBuilder::intermediate("CN=Issuing CA", &root).renewing(&ca);
    let between = between
        .valid("2026-05-28T00:00:00Z", "2026-06-11T00:00:00Z")
        .build();
    let between = der(&between.certificate()).remove(0);
    let mut world = serving(ListenerKind::Tls, &[leaf, between]);
    world.facts.now = now.parse().unwrap();
    assert_eq!(found(&world), ids);
}

#[test]
fn the_time_of_a_root_is_nobodys_business_and_the_key_of_one_in_between_is() {
    let ended =
        CaBuilder::root("CN=Example CA").valid("2020-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    let ended = der(&ended.build().certificate()).remove(0);
    let leaf = issued(&TestCa::example(), |_| {}).remove(0);
    let of_both = found(&serving(ListenerKind::Tls, &[leaf.clone(), ended]));
    assert!(!of_both.contains(&Id::CertificateExpired), "{of_both:?}");
    let weak = Bad::new(1024)
        .named()
        .signed(MessageDigest::sha256())
        .remove(0);
    let of_both = found(&serving(ListenerKind::Tls, &[leaf, weak]));
    assert!(of_both.contains(&Id::WeakKey), "{of_both:?}");
}

#[test]
fn without_client_auth_a_certificate_serves_turn_and_does_not_federate() {
    let chain = issued(&TestCa::example(), |request| {
        request.content.usages = [Usage::DigitalSignature, Usage::ServerAuth].into();
    });
    assert_eq!(found(&serving(ListenerKind::Tls, &chain)), []);
    assert_eq!(
        found(&serving(ListenerKind::Federation, &chain)),
        [Id::UsageMissing]
    );
}

#[test]
fn a_chain_is_judged_by_its_order_and_its_end() {
    let root = TestCa::example();
    let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
    let chain = issued(&ca, |request| request.content.key = KeyKind::Rsa2048);
    let root_der = der(&root.root());
    let trusting = |chain: &[Vec<u8>]| {
        let mut world = serving(ListenerKind::Tls, chain);
        world.facts.trusted = pki::Roots::parse(root.root().as_bytes()).ok();
        found(&world)
    };
    assert_eq!(trusting(&chain), []);
    assert_eq!(trusting(&chain[..1]), [Id::ChainIncomplete]);
    let with_root = [chain.clone(), root_der.clone()].concat();
    assert_eq!(trusting(&with_root), [Id::RootServed]);
    let without_between = [chain[..1].to_vec(), root_der].concat();
    assert_eq!(
        trusting(&without_between),
        [Id::ChainOutOfOrder, Id::ChainIncomplete, Id::RootServed]
    );
    // Nobody said what is trusted.
    assert_eq!(found(&serving(ListenerKind::Tls, &chain[..1])), []);
}

#[rstest]
#[case("coturn.example.com", &[])]
#[case("COTURN.example.com", &[])]
#[case("turn.example.com", &[Id::NameMissing])]
#[case("192.0.2.1", &[Id::NameMissing])]
#[case("a.wild.example.com", &[])]
#[case("a.b.wild.example.com", &[Id::NameMissing])]
#[case("wild.example.com", &[Id::NameMissing])]
fn a_name_that_is_wanted_is_looked_for(#[case] wanted: &str, #[case] ids: &[Id]) {
    let chain = issued(&TestCa::example(), |request| {
        let names = &mut request.content.dns_names;
        names.insert("*.wild.example.com".to_owned());
    });
    let mut world = serving(ListenerKind::Tls, &chain);
    world.facts.names = vec![wanted.to_owned()];
    assert_eq!(found(&world), ids);
}

#[rstest]
#[case("example.com", &[])]
#[case("coturn.example.com", &[])]
#[case("dummy.io", &[Id::RealmNotCovered])]
#[case("ample.com", &[Id::RealmNotCovered])]
#[case("realm", &[])]
fn a_realm_that_looks_like_a_name_is_looked_for(#[case] realm: &str, #[case] ids: &[Id]) {
    let chain = issued(&TestCa::example(), |_| {});
    let mut world = serving(ListenerKind::Tls, &chain);
    let text = format!("realm={realm}");
    let configuration = coturn::Configuration::read(&[("f", &text)], &[]);
    world.facts.configuration = Some(configuration);
    assert_eq!(found(&world), ids);
}

/// A certificate of an issuer that this project would not make.
struct Bad {
    builder: X509Builder,
    key: PKey<Private>,
}

impl Bad {
    fn new(bits: u32) -> Self {
        let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let name = |text: &str| {
            let mut name = X509NameBuilder::new().unwrap();
            name.append_entry_by_text("CN", text).unwrap();
            name.build()
        };
        builder.set_subject_name(&name("coturn")).unwrap();
        builder.set_issuer_name(&name("Old CA")).unwrap();
        let second = |offset: i64| Asn1Time::from_unix(NOW.as_second() + offset).unwrap();
        builder.set_not_before(&second(-60)).unwrap();
        builder.set_not_after(&second(90 * 24 * 3600)).unwrap();
        builder.set_pubkey(&key).unwrap();
        Self { builder, key }
    }

    fn named(mut self) -> Self {
        let context = self.builder.x509v3_context(None, None);
        let names = SubjectAlternativeName::new()
            .dns("coturn.example.com")
            .build(&context)
            .unwrap();
        self.builder.append_extension(names).unwrap();
        self
    }

    fn demanding_a_staple(mut self) -> Self {
        let feature = Asn1Object::from_str("1.3.6.1.5.5.7.1.24").unwrap();
        let status_request = Asn1OctetString::new_from_bytes(&[0x30, 3, 2, 1, 5]).unwrap();
        let extension = X509Extension::new_from_der(&feature, false, &status_request).unwrap();
        self.builder.append_extension(extension).unwrap();
        self
    }

    fn signed(mut self, digest: MessageDigest) -> Vec<Vec<u8>> {
        self.builder.sign(&self.key, digest).unwrap();
        vec![self.builder.build().to_der().unwrap()]
    }
}

#[test]
fn a_short_key_a_broken_hash_a_demand_for_a_staple_and_the_lack_of_names_are_found() {
    let sha256 = MessageDigest::sha256;
    let of = |chain: Vec<Vec<u8>>| found(&serving(ListenerKind::Tls, &chain));
    assert_eq!(of(Bad::new(2048).named().signed(sha256())), []);
    assert_eq!(of(Bad::new(1024).named().signed(sha256())), [Id::WeakKey]);
    let sha1 = MessageDigest::sha1();
    assert_eq!(of(Bad::new(2048).named().signed(sha1)), [Id::WeakSignature]);
    let demanding = Bad::new(2048).named().demanding_a_staple();
    assert_eq!(of(demanding.signed(sha256())), [Id::MustStaple]);
    let nameless = of(Bad::new(2048).signed(sha256()));
    assert_eq!(nameless, [Id::NameMissing, Id::RealmNotCovered]);
}

/// As `openssl req -x509` makes it.
#[test]
fn a_self_signed_certificate_that_is_a_ca_as_well_is_no_worse() {
    let mut bad = Bad::new(2048).named();
    let is_ca = BasicConstraints::new().critical().ca().build().unwrap();
    bad.builder.append_extension(is_ca).unwrap();
    let chain = bad.signed(MessageDigest::sha256());
    assert_eq!(found(&serving(ListenerKind::Tls, &chain)), []);
}

#[test]
fn what_is_no_certificate_is_found_and_not_parsed_further() {
    let world = serving(ListenerKind::Tls, &[b"none".to_vec()]);
    assert_eq!(found(&world), [Id::ChainOutOfOrder]);
}
