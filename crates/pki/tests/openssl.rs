//! Authorities, pairs and keys made with the real `openssl`, and issued certificates verified by
//! it. What openssl makes starts today, so these tests take the time from the clock.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use api::{KeyKind, Reason};
use jiff::Timestamp;
use pki::{
    Authority, AuthorityError, CaSecret, IssuedPair, LeafRequest, PairError, inspect, issue, lint,
    testing::{CaBuilder, NOW, TestCa, request},
};
use rstest::rstest;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use support::{CA_EXTENSIONS, OpenSsl, wire_ca};

fn load(certificate: &[u8], key: &[u8], now: Timestamp) -> Result<Authority, AuthorityError> {
    Authority::load(
        &CaSecret {
            certificate: Some(certificate),
            key: Some(key),
            root: None,
        },
        now,
    )
}

/// A time at which what openssl makes in the next minute is valid.
fn soon() -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_mins(1)
}

/// Every judge but the one inside `issue`.
fn assert_accepted(openssl: &OpenSsl, pair: &IssuedPair, issuer: &[u8], now: Timestamp) {
    openssl.verify(pair, "sslserver", now);
    openssl.verify(pair, "sslclient", now);
    assert_eq!(lint::leaf(pair.certificate.as_bytes(), issuer), Ok(vec![]));
}

fn wire_request() -> LeafRequest {
    request(&[
        "coturn.example.com",
        "coturn-0.example.com",
        "coturn-1.example.com",
    ])
}

#[rstest]
fn a_ca_made_by_wires_guide_signs_a_leaf_that_openssl_accepts_for_both_purposes(
    #[values(
        KeyKind::EcdsaP256,
        KeyKind::EcdsaP384,
        KeyKind::Rsa2048,
        KeyKind::Rsa3072,
        KeyKind::Rsa4096
    )]
    kind: KeyKind,
) {
    let (openssl, now) = (OpenSsl::new(), soon());
    wire_ca(&openssl);
    let (certificate, key) = (openssl.read("ca.crt"), openssl.read("ca.key"));
    let authority = load(&certificate, &key, now).unwrap();
    let mut request = wire_request();
    request.content.key = kind;
    let pair = issue(&authority, &request, now).unwrap();
    assert_accepted(&openssl, &pair, &certificate, now);
    assert_eq!(
        pair.leaf.issuer,
        "CN=Your Organization CA,O=Your Organization,C=DE"
    );
    assert_eq!(pair.root.as_bytes(), certificate);
}

#[test]
fn what_a_certificate_holds_is_what_openssl_shows() {
    let (openssl, now) = (OpenSsl::new(), soon());
    wire_ca(&openssl);
    let authority = load(&openssl.read("ca.crt"), &openssl.read("ca.key"), now).unwrap();
    let mut request = request(&["coturn.example.com", "*.turn.example.com"]);
    request.content.ip_addresses =
        ["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()].into();
    let pair = issue(&authority, &request, now).unwrap();
    openssl.write("leaf.pem", &pair.certificate);
    // Without it, versions of openssl differ in the spaces.
    let text = openssl.run("x509 -in leaf.pem -noout -text -nameopt RFC2253");
    for expected in [
        "Subject: CN=coturn.example.com",
        "Issuer: CN=Your Organization CA,O=Your Organization,C=DE",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "X509v3 Subject Alternative Name: \n                DNS:*.turn.example.com, DNS:coturn.example.com, \
         IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1",
        "Signature Algorithm: sha256WithRSAEncryption",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in {text}");
    }
    let shown = openssl.run("x509 -in leaf.pem -noout -fingerprint -sha256");
    let hex = shown
        .trim()
        .rsplit('=')
        .next()
        .unwrap()
        .replace(':', "")
        .to_ascii_lowercase();
    assert_eq!(pair.leaf.fingerprint.to_string(), hex);
}

#[rstest]
#[case::pkcs1("genrsa -traditional -out ca.key 2048")]
#[case::pkcs8_rsa("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ca.key")]
#[case::sec1_with_parameters_first("ecparam -name prime256v1 -genkey -out ca.key")]
#[case::sec1_p384("ecparam -name secp384r1 -genkey -noout -out ca.key")]
#[case::sec1_p521("ecparam -name secp521r1 -genkey -noout -out ca.key")]
#[case::pkcs8_ec("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key")]
fn every_form_of_key_that_openssl_writes_signs(#[case] command: &str) {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run(command);
    openssl.self_sign("CN=CA", 3650, CA_EXTENSIONS);
    let certificate = openssl.read("ca.crt");
    let authority = load(&certificate, &openssl.read("ca.key"), now).unwrap();
    let pair = issue(&authority, &wire_request(), now).unwrap();
    assert_accepted(&openssl, &pair, &certificate, now);
}

#[rstest]
#[case::pkcs8("pkcs8 -topk8 -in ca.key -passout pass:secret -out locked.key")]
#[case::traditional("rsa -traditional -aes256 -in ca.key -passout pass:secret -out locked.key")]
fn an_encrypted_key_is_named_as_such(#[case] command: &str) {
    let (openssl, now) = (OpenSsl::new(), soon());
    wire_ca(&openssl);
    openssl.run(command);
    let error = load(&openssl.read("ca.crt"), &openssl.read("locked.key"), now).unwrap_err();
    assert_eq!(error, AuthorityError::KeyEncrypted);
    assert_eq!(error.reason(), Reason::AuthorityKeyEncrypted);
    let pair = inspect(&openssl.read("ca.crt"), &openssl.read("locked.key"));
    assert_eq!(pair, Err(PairError::Encrypted));
}

#[rstest]
#[case::ed25519("genpkey -algorithm ED25519 -out ca.key", "Ed25519")]
#[case::rsa_1024("genrsa -out ca.key 1024", "RSA-1024")]
#[case::rsa_pss(
    "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out ca.key",
    "1.2.840.113549.1.1.10"
)]
#[case::secp256k1("ecparam -name secp256k1 -genkey -noout -out ca.key", "1.3.132.0.10")]
fn a_ca_key_that_coturns_tls_would_refuse_is_not_used(#[case] command: &str, #[case] named: &str) {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run(command);
    openssl.configure("ca.cnf", "CN=CA", CA_EXTENSIONS);
    openssl.run("req -new -x509 -days 30 -key ca.key -config ca.cnf -extensions ext -out ca.crt");
    let error = load(&openssl.read("ca.crt"), &openssl.read("ca.key"), now).unwrap_err();
    assert_eq!(error.reason(), Reason::AuthorityUnsupported, "{error}");
    assert!(error.to_string().contains(named), "{error}");
}

#[rstest]
#[case::repeated_domain_components("DC=com\n1.DC=example\nCN=Example CA")]
#[case::repeated_units("O=Org\nOU=Second\n1.OU=First\nCN=CA")]
#[case::multi_valued("O=Org\nCN=CA\n+serialNumber=7")]
#[case::other_attributes("emailAddress=ca@example.com\nCN=CA")]
#[case::utf8("O=Größe & Söhne\nCN=CA")]
fn the_issuer_is_the_cas_subject_byte_for_byte(#[case] subject: &str) {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.self_sign(subject, 365, CA_EXTENSIONS);
    let certificate = openssl.read("ca.crt");
    let authority = load(&certificate, &openssl.read("ca.key"), now).unwrap();
    let pair = issue(&authority, &wire_request(), now).unwrap();
    assert_accepted(&openssl, &pair, &certificate, now);
    let ca = CertificateDer::from_pem_slice(&certificate).unwrap();
    let leaf = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
    assert_eq!(
        leaf.issuer(),
        webpki::anchor_from_trusted_cert(&ca)
            .unwrap()
            .subject
            .as_ref()
    );
}

#[test]
fn a_teletex_subject_is_copied_as_it_stands() {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.write(
        "ca.cnf",
        format!("[req]\nprompt=no\nstring_mask=MASK:0x4\ndistinguished_name=dn\n[dn]\nO=Org\nCN=CA\n[ext]\n{CA_EXTENSIONS}\n"),
    );
    openssl.run("req -new -x509 -days 30 -key ca.key -config ca.cnf -extensions ext -out ca.crt");
    let certificate = openssl.read("ca.crt");
    let authority = load(&certificate, &openssl.read("ca.key"), now).unwrap();
    let pair = issue(&authority, &wire_request(), now).unwrap();
    assert_accepted(&openssl, &pair, &certificate, now);
}

#[rstest]
fn chains_of_every_depth_verify_against_the_root_alone(#[values(0, 1, 2, 6)] depth: usize) {
    let openssl = OpenSsl::new();
    let mut ca = CaBuilder::root("CN=Root,DC=example,DC=com").build();
    for level in 0..depth {
        ca = CaBuilder::intermediate(&format!("CN=Level {level}"), &ca).build();
    }
    let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
    let pair = issue(&authority, &wire_request(), NOW).unwrap();
    assert_accepted(&openssl, &pair, ca.certificate().as_bytes(), NOW);
    assert_eq!(
        pair.certificate.matches("BEGIN CERTIFICATE").count(),
        depth + 1
    );
    assert!(!pair.certificate.contains(&ca.root()));
}

#[test]
fn an_rsa_root_with_an_ecdsa_intermediate_signs() {
    let openssl = OpenSsl::new();
    let root = CaBuilder::root("CN=Root")
        .key(KeyKind::Rsa2048)
        .path_len(1)
        .build();
    let ca = CaBuilder::intermediate("CN=Issuing", &root)
        .key(KeyKind::EcdsaP384)
        .path_len(0)
        .build();
    let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
    let pair = issue(&authority, &wire_request(), NOW).unwrap();
    assert_accepted(&openssl, &pair, ca.certificate().as_bytes(), NOW);
}

#[test]
fn a_leaf_with_an_empty_subject_passes_openssls_strict_checks() {
    let openssl = OpenSsl::new();
    let ca = TestCa::example();
    let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
    let mut request = wire_request();
    request.content.common_name = None;
    let pair = issue(&authority, &request, NOW).unwrap();
    assert_accepted(&openssl, &pair, ca.certificate().as_bytes(), NOW);
    openssl.write("leaf.pem", &pair.certificate);
    let text = openssl.run("x509 -in leaf.pem -noout -text");
    assert!(
        text.contains("Subject Alternative Name: critical"),
        "{text}"
    );
}

#[test]
fn a_root_without_a_well_defined_expiration_is_read() {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.configure("ca.cnf", "CN=CA", CA_EXTENSIONS);
    openssl.run("req -new -key ca.key -config ca.cnf -out ca.csr");
    openssl.write("index.txt", "");
    openssl.write(
        "authority.cnf",
        format!("[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n[ext]\n{CA_EXTENSIONS}\n"),
    );
    openssl.run("ca -batch -selfsign -config authority.cnf -extensions ext -keyfile ca.key -in ca.csr -out ca.crt -notext -startdate 20200101000000Z -enddate 99991231235959Z");
    let authority = load(&openssl.read("ca.crt"), &openssl.read("ca.key"), now).unwrap();
    assert_eq!(
        authority.facts().not_after.as_second(),
        Timestamp::MAX.as_second()
    );
    let pair = issue(&authority, &wire_request(), now).unwrap();
    assert_accepted(&openssl, &pair, &openssl.read("ca.crt"), now);
}

#[test]
fn an_intermediate_signed_with_sha1_is_not_supported() {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("genrsa -out ca.key 2048");
    openssl.self_sign("CN=Root", 365, CA_EXTENSIONS);
    openssl.run("genrsa -out sub.key 2048");
    openssl.configure("sub.cnf", "CN=Sub", CA_EXTENSIONS);
    openssl.run("req -new -key sub.key -config sub.cnf -out sub.csr");
    openssl.run("x509 -req -sha1 -days 30 -in sub.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile sub.cnf -extensions ext -out sub.crt");
    let bundle = [openssl.read("sub.crt"), openssl.read("ca.crt")].concat();
    let error = load(&bundle, &openssl.read("sub.key"), now).unwrap_err();
    assert_eq!(error.reason(), Reason::AuthorityUnsupported, "{error}");
}

#[test]
fn a_root_that_signed_itself_with_sha1_is_as_good_as_any_trust_anchor() {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("genrsa -out ca.key 2048");
    openssl.configure("ca.cnf", "CN=Old", CA_EXTENSIONS);
    openssl.run(
        "req -new -x509 -sha1 -days 30 -key ca.key -config ca.cnf -extensions ext -out ca.crt",
    );
    let certificate = openssl.read("ca.crt");
    let authority = load(&certificate, &openssl.read("ca.key"), now).unwrap();
    let pair = issue(&authority, &wire_request(), now).unwrap();
    assert_accepted(&openssl, &pair, &certificate, now);
}

#[test]
fn a_root_with_a_weak_key_above_the_signing_certificate_is_not_supported() {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("genrsa -out ca.key 1024");
    openssl.self_sign("CN=Weak", 365, CA_EXTENSIONS);
    openssl.run("genrsa -out sub.key 2048");
    openssl.sign("sub", "ca", "CN=Sub", CA_EXTENSIONS);
    let bundle = [openssl.read("sub.crt"), openssl.read("ca.crt")].concat();
    let error = load(&bundle, &openssl.read("sub.key"), now).unwrap_err();
    assert_eq!(error.reason(), Reason::AuthorityUnsupported, "{error}");
    assert!(
        error.to_string().contains("the key of CN=Weak is RSA-1024"),
        "{error}"
    );
}

#[test]
fn a_root_of_version_1_is_no_ca() {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("genrsa -out ca.key 2048");
    openssl.write(
        "ca.cnf",
        "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=Old\n",
    );
    openssl.run("req -new -key ca.key -config ca.cnf -out ca.csr");
    openssl.run("x509 -req -days 30 -in ca.csr -signkey ca.key -out ca.crt");
    let error = load(&openssl.read("ca.crt"), &openssl.read("ca.key"), now).unwrap_err();
    assert_eq!(error.reason(), Reason::AuthorityNotACa, "{error}");
}

#[test]
fn an_unknown_critical_extension_of_a_ca_is_not_supported() {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.self_sign(
        "CN=CA",
        365,
        &format!("{CA_EXTENSIONS}\n1.2.3.4=critical,ASN1:NULL"),
    );
    let error = load(&openssl.read("ca.crt"), &openssl.read("ca.key"), now).unwrap_err();
    assert_eq!(error.reason(), Reason::AuthorityUnsupported, "{error}");
}

#[test]
fn an_identifier_of_the_cas_key_is_copied_whatever_method_made_it() {
    let (openssl, now) = (OpenSsl::new(), soon());
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    let extensions =
        CA_EXTENSIONS.replace("subjectKeyIdentifier=hash", "subjectKeyIdentifier=01020304");
    openssl.self_sign("CN=CA", 365, &extensions);
    let certificate = openssl.read("ca.crt");
    let authority = load(&certificate, &openssl.read("ca.key"), now).unwrap();
    let pair = issue(&authority, &wire_request(), now).unwrap();
    assert_accepted(&openssl, &pair, &certificate, now);
    openssl.write("leaf.pem", &pair.certificate);
    let text = openssl.run("x509 -in leaf.pem -noout -ext authorityKeyIdentifier");
    assert!(text.trim_end().ends_with("01:02:03:04"), "{text}");
}

#[test]
fn what_name_constraints_allow_is_accepted_by_openssl() {
    let openssl = OpenSsl::new();
    let address = |text: &str| text.parse().unwrap();
    let root = CaBuilder::root("CN=Root")
        .permitting_dns("example.com")
        .excluding_dns("internal.example.com")
        .permitting_ip(address("10.0.0.0"), address("255.0.0.0"))
        .build();
    let ca = CaBuilder::intermediate("CN=Issuing", &root)
        .path_len(0)
        .build();
    let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
    let mut request = request(&["example.com", "*.turn.example.com"]);
    request.content.ip_addresses = [address("10.1.2.3")].into();
    let pair = issue(&authority, &request, NOW).unwrap();
    assert_accepted(&openssl, &pair, ca.certificate().as_bytes(), NOW);
}

#[test]
fn an_authority_key_identifier_with_issuer_and_serial_number_is_understood() {
    let (openssl, now) = (OpenSsl::new(), soon());
    let extensions = CA_EXTENSIONS.replace("keyid:always", "keyid:always,issuer:always");
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.self_sign("CN=Root", 365, &extensions);
    openssl.run("ecparam -name prime256v1 -genkey -noout -out sub.key");
    openssl.sign("sub", "ca", "CN=Sub", &extensions);
    let certificate = [openssl.read("sub.crt"), openssl.read("ca.crt")].concat();
    let authority = load(&certificate, &openssl.read("sub.key"), now).unwrap();
    let pair = issue(&authority, &wire_request(), now).unwrap();
    assert_accepted(&openssl, &pair, &certificate, now);
}
