//! Which reason for which broken CA Secret.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use api::{KeyKind, Reason};
use pki::{
    Authority, AuthorityError, CaSecret,
    testing::{CaBuilder, NOW, TestCa, TestSecret},
};
use rstest::rstest;

fn root() -> CaBuilder<'static> {
    CaBuilder::root("CN=Example Org CA")
}

fn good() -> TestSecret {
    TestCa::example().secret()
}

/// A CA below a root that is built by `root`.
fn below(root: CaBuilder<'_>) -> TestSecret {
    let root = root.build();
    CaBuilder::intermediate("CN=Issuing CA", &root)
        .build()
        .secret()
}

fn load(secret: &TestSecret) -> Result<Authority, AuthorityError> {
    Authority::load(&secret.as_secret(), NOW)
}

/// No error carries a line of the key that was loaded.
fn assert_silent(secret: &TestSecret, error: &AuthorityError) {
    let texts = [error.to_string(), format!("{error:?}")];
    for line in secret.key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(
            texts
                .iter()
                .all(|text| line.trim().is_empty() || !text.contains(line)),
            "{texts:?}"
        );
    }
}

#[rstest]
#[case::no_certificate(TestSecret { certificate: String::new(), ..good() }, Reason::AuthorityIncomplete, "tls.crt is missing or empty")]
#[case::no_key(TestSecret { key: " \n".into(), ..good() }, Reason::AuthorityIncomplete, "tls.key is missing or empty; put the CA's private key there")]
#[case::text_for_a_certificate(TestSecret { certificate: "TODO".into(), ..good() }, Reason::AuthorityMalformed, "tls.crt holds no PEM certificate")]
#[case::text_for_a_key(TestSecret { key: "TODO".into(), ..good() }, Reason::AuthorityMalformed, "tls.key holds no PEM private key")]
#[case::text_for_a_root(TestSecret { root: "TODO".into(), ..good() }, Reason::AuthorityMalformed, "ca.crt holds no PEM root certificate")]
#[case::swapped(TestSecret { certificate: good().key, ..good() }, Reason::AuthorityMalformed, "tls.crt holds no PEM certificate; is it DER, encoded twice in base64, or under the wrong key")]
#[case::half_a_certificate(TestSecret { certificate: good().certificate[..300].into(), ..good() }, Reason::AuthorityMalformed, "only a part of a PEM block")]
#[case::half_a_key(TestSecret { key: good().key[..100].into(), ..good() }, Reason::AuthorityMalformed, "tls.key holds only a part")]
#[case::the_second_half(TestSecret { certificate: good().certificate[30..].into(), ..good() }, Reason::AuthorityMalformed, "only a part of a PEM block")]
#[case::damaged_base64(TestSecret { certificate: good().certificate.replacen('M', "!", 1), ..good() }, Reason::AuthorityMalformed, "a PEM block is damaged")]
#[case::another_block_in_a_certificate(TestSecret { certificate: good().key.replace("PRIVATE KEY", "CERTIFICATE"), ..good() }, Reason::AuthorityMalformed, "certificate 1 of tls.crt cannot be parsed")]
#[case::a_certificate_for_a_key(TestSecret { key: good().certificate.replace("CERTIFICATE", "PRIVATE KEY"), ..good() }, Reason::AuthorityMalformed, "tls.key cannot be parsed")]
#[case::a_huge_certificate(TestSecret { certificate: "x".repeat(64 * 1024 + 1), ..good() }, Reason::AuthorityMalformed, "tls.crt holds 65537 bytes, more than the 65536 that are read")]
#[case::a_huge_key(TestSecret { key: "x".repeat(16 * 1024 + 1), ..good() }, Reason::AuthorityMalformed, "tls.key holds 16385 bytes")]
#[case::a_trust_store(TestSecret { root: good().root.repeat(11), ..good() }, Reason::AuthorityMalformed, "ca.crt holds more than 10 certificates")]
#[case::a_foreign_key(TestSecret { key: good().key, ..good() }, Reason::AuthorityKeyMismatch, "tls.key does not belong to the first certificate of tls.crt (CN=Example Org CA)")]
#[case::a_foreign_key_of_another_algorithm(TestSecret { key: root().key(KeyKind::Rsa2048).build().key(), ..good() }, Reason::AuthorityKeyMismatch, "tls.key does not belong")]
#[case::no_ca_flag(root().without_ca_flag().build().secret(), Reason::AuthorityNotACa, "CN=Example Org CA is no CA certificate")]
#[case::no_ca_flag_above(below(root().without_ca_flag()), Reason::AuthorityNotACa, "CN=Example Org CA is no CA certificate")]
#[case::no_cert_sign(root().without_cert_sign().build().secret(), Reason::AuthorityNotACa, "lacks keyCertSign")]
#[case::no_cert_sign_above(below(root().without_cert_sign()), Reason::AuthorityNotACa, "lacks keyCertSign")]
#[case::no_root(TestSecret { root: String::new(), ..below(root()) }, Reason::AuthorityChainBroken, "the issuer of CN=Issuing CA, CN=Example Org CA, is neither in tls.crt nor in ca.crt")]
#[case::a_root_of_the_same_name(TestSecret { root: good().root, ..below(root()) }, Reason::AuthorityChainBroken, "the authorityKeyIdentifier of CN=Issuing CA names another certificate")]
#[case::a_root_of_the_same_name_without_key_ids(TestSecret { root: good().root, ..below(root().without_key_id()) }, Reason::AuthorityChainBroken, "CN=Issuing CA")]
#[case::another_root(TestSecret { root: CaBuilder::root("CN=Old CA").build().root(), ..good() }, Reason::AuthorityChainBroken, "ca.crt holds another root than CN=Example Org CA")]
#[case::expired(root().valid("2020-01-01T00:00:00Z", "2026-05-31T23:59:59Z").build().secret(), Reason::AuthorityExpired, "CN=Example Org CA expired at 2026-05-31T23:59:59Z; put a renewed CA there, the operator goes on by itself")]
#[case::expired_above(below(root().valid("2020-01-01T00:00:00Z", "2026-05-31T23:59:59Z")), Reason::AuthorityExpired, "CN=Example Org CA expired at")]
#[case::not_yet_valid(root().valid("2026-06-01T00:00:01Z", "2030-01-01T00:00:00Z").build().secret(), Reason::AuthorityNotYetValid, "CN=Example Org CA is not valid before 2026-06-01T00:00:01Z")]
#[case::not_yet_valid_above(below(root().valid("2026-06-01T00:00:01Z", "2030-01-01T00:00:00Z")), Reason::AuthorityNotYetValid, "CN=Example Org CA is not valid before")]
#[case::path_length(below(root().path_len(0)), Reason::AuthorityForbids, "the path length constraint of CN=Example Org CA allows 0 CA certificates below it, the chain has 1")]
#[case::directory_name_constraints(root().permitting_directory("O=Example").build().secret(), Reason::AuthorityUnsupported, "name constraints on directory names")]
fn a_broken_ca_secret_has_its_own_reason(
    #[case] secret: TestSecret,
    #[case] reason: Reason,
    #[case] text: &str,
) {
    let error = load(&secret).unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(error.reason(), reason, "{error}");
    assert_silent(&secret, &error);
}

#[rstest]
#[case::as_it_is(good())]
#[case::without_ca_crt(TestSecret { root: String::new(), ..good() })]
#[case::to_its_last_second(root().valid("2020-01-01T00:00:00Z", "2026-06-01T00:00:00Z").build().secret())]
#[case::from_its_first_second(root().valid("2026-06-01T00:00:00Z", "2030-01-01T00:00:00Z").build().secret())]
#[case::without_key_usage(root().without_key_usage().build().secret())]
#[case::without_key_id(root().without_key_id().build().secret())]
#[case::below_a_root(below(root()))]
#[case::below_a_root_that_allows_it(below(root().path_len(1)))]
#[case::with_its_own_path_length_of_zero(root().path_len(0).build().secret())]
#[case::with_text_around(TestSecret { certificate: format!("Subject: x\r\n{}\nend", good().certificate), root: String::new(), key: String::new() })]
fn a_good_ca_secret_is_an_authority(#[case] mut secret: TestSecret) {
    if secret.key.is_empty() {
        let ca = TestCa::example();
        secret = TestSecret {
            certificate: format!("Subject: x\r\n{}\nend", ca.certificate()),
            ..ca.secret()
        };
    }
    load(&secret).unwrap();
}

#[test]
fn the_facts_tell_the_narrowest_validity_of_the_chain() {
    let root = root()
        .valid("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z")
        .build();
    let ca = CaBuilder::intermediate("CN=Issuing,O=Example", &root)
        .valid("2025-01-01T00:00:00Z", "2035-01-01T00:00:00Z")
        .build();
    let authority = load(&ca.secret()).unwrap();
    let facts = authority.facts();
    assert_eq!(facts.subject, "CN=Issuing,O=Example");
    assert_eq!(facts.not_before.to_string(), "2025-01-01T00:00:00Z");
    assert_eq!(facts.not_after.to_string(), "2030-01-01T00:00:00Z");
    let root_facts = load(&root.secret()).unwrap().facts().clone();
    assert_eq!(facts.root_fingerprint, root_facts.fingerprint);
    assert_eq!(facts.root_anchor, root_facts.root_anchor);
    assert_ne!(facts.fingerprint, facts.root_fingerprint);
}

#[test]
fn a_root_renewed_with_its_key_has_another_fingerprint_but_the_same_key() {
    let old = TestCa::example();
    let new = root()
        .renewing(&old)
        .valid("2026-01-01T00:00:00Z", "2050-01-01T00:00:00Z")
        .build();
    let (old, new) = (load(&old.secret()).unwrap(), load(&new.secret()).unwrap());
    assert_ne!(old.facts().root_fingerprint, new.facts().root_fingerprint);
    assert_eq!(old.facts().root_anchor, new.facts().root_anchor);
}

#[test]
fn of_two_roots_with_one_key_the_valid_one_ends_the_chain() {
    let expired = root()
        .valid("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
        .build();
    let renewed = root()
        .renewing(&expired)
        .valid("2025-01-01T00:00:00Z", "2045-01-01T00:00:00Z")
        .build();
    let ca = CaBuilder::intermediate("CN=Issuing", &expired).build();
    let roots = [
        expired.root() + &renewed.root(),
        renewed.root() + &expired.root(),
    ];
    for root in roots {
        let secret = TestSecret {
            root,
            ..ca.secret()
        };
        let authority = load(&secret).unwrap();
        assert_eq!(
            authority.facts().not_after.to_string(),
            "2040-01-01T00:00:00Z"
        );
    }
}

/// `tls.crt` with these certificates in either order after the first, and `ca.crt` with one.
fn in_either_order(ca: &TestCa, above: [&TestCa; 2], root: &TestCa) -> [TestSecret; 2] {
    let [one, other] = above.map(TestCa::certificate);
    [format!("{one}{other}"), format!("{other}{one}")].map(|above| TestSecret {
        certificate: ca.certificate() + &above,
        key: ca.key(),
        root: root.certificate(),
    })
}

/// A CA below another that two roots certified, by `preferred` until 2040, by `other` until 2035.
/// `ca.crt` holds the other one.
fn cross_certified(preferred: &TestCa, other: &TestCa) -> [TestSecret; 2] {
    let upper = CaBuilder::intermediate("CN=Upper", preferred).build();
    let cross = CaBuilder::intermediate("CN=Upper", other)
        .renewing(&upper)
        .valid("2020-01-01T00:00:00Z", "2035-01-01T00:00:00Z")
        .build();
    let ca = CaBuilder::intermediate("CN=Issuing", &upper).build();
    in_either_order(&ca, [&upper, &cross], other)
}

fn end_of(secret: &TestSecret) -> String {
    load(secret).unwrap().facts().not_after.to_string()
}

#[test]
fn a_cross_certificate_whose_root_is_absent_is_passed_over() {
    let absent = CaBuilder::root("CN=Elsewhere").build();
    for secret in cross_certified(&absent, &root().build()) {
        assert_eq!(end_of(&secret), "2035-01-01T00:00:00Z");
    }
}

#[test]
fn a_cross_certificate_whose_root_has_expired_is_passed_over() {
    let expired = CaBuilder::root("CN=Elsewhere")
        .valid("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
        .build();
    for mut secret in cross_certified(&expired, &root().build()) {
        secret.root += &expired.certificate();
        assert_eq!(end_of(&secret), "2035-01-01T00:00:00Z");
    }
}

#[test]
fn of_two_cross_certificates_the_longer_one_is_used() {
    let elsewhere = CaBuilder::root("CN=Elsewhere").build();
    for mut secret in cross_certified(&elsewhere, &root().build()) {
        secret.root += &elsewhere.certificate();
        assert_eq!(end_of(&secret), "2040-01-01T00:00:00Z");
    }
}

#[test]
fn a_root_ends_the_chain_also_where_its_rollover_certificate_lasts_longer() {
    let old = root().build();
    let new = root().build();
    let new_with_old = CaBuilder::intermediate("CN=Example Org CA", &old)
        .renewing(&new)
        .valid("2020-01-01T00:00:00Z", "2045-01-01T00:00:00Z")
        .build();
    let ca = CaBuilder::intermediate("CN=Issuing", &new).build();
    let root = load(&new.secret()).unwrap().facts().root_fingerprint;
    for secret in in_either_order(&ca, [&new_with_old, &old], &new) {
        assert_eq!(load(&secret).unwrap().facts().root_fingerprint, root);
    }
}

#[test]
fn the_chain_may_stand_in_any_order_after_the_signing_certificate() {
    let root = root().build();
    let upper = CaBuilder::intermediate("CN=Upper", &root).build();
    let lower = CaBuilder::intermediate("CN=Lower", &upper).build();
    let certificate = lower.certificate() + &root.certificate() + &upper.certificate();
    let (certificate, key) = (certificate.into_bytes(), lower.key().into_bytes());
    let secret = CaSecret {
        certificate: Some(&certificate),
        key: Some(&key),
        root: None,
    };
    Authority::load(&secret, NOW).unwrap();
}

#[test]
fn two_cas_that_signed_each_other_lead_to_no_root() {
    let (a, b) = (
        CaBuilder::root("CN=A").build(),
        CaBuilder::root("CN=B").build(),
    );
    let a_by_b = CaBuilder::intermediate("CN=A", &b).renewing(&a).build();
    let b_by_a = CaBuilder::intermediate("CN=B", &a).renewing(&b).build();
    let certificate = a_by_b.certificate() + &b_by_a.certificate();
    let secret = TestSecret {
        certificate,
        key: a.key(),
        root: String::new(),
    };
    assert_eq!(
        load(&secret).unwrap_err().reason(),
        Reason::AuthorityChainBroken
    );
}

#[test]
fn a_single_changed_bit_of_a_ca_certificate_is_noticed() {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let ca = TestCa::example();
    let der = CertificateDer::from_pem_slice(ca.certificate().as_bytes()).unwrap();
    for bit in 0..der.len() * 8 {
        let mut changed = der.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        let certificate =
            der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &changed).unwrap();
        let secret = TestSecret {
            certificate,
            root: String::new(),
            key: ca.key(),
        };
        assert!(load(&secret).is_err(), "bit {bit}");
    }
}

#[test]
fn a_chain_that_path_validation_would_not_follow_is_refused_before_anything_is_signed() {
    let mut ca = root().build();
    for level in 0..7 {
        ca = CaBuilder::intermediate(&format!("CN=Level {level}"), &ca).build();
    }
    let error = load(&ca.secret()).unwrap_err();
    assert_eq!(error.reason(), Reason::AuthorityUnsupported, "{error}");
    assert!(
        error
            .to_string()
            .contains("from CN=Level 6 to its root has more than 7"),
        "{error}"
    );
}
