//! Certificates that are served: a good one, and ones with something planted in them.

use api::Usage;
use jiff::{SignedDuration, Timestamp};
use openssl::{
    asn1::{Asn1Object, Asn1OctetString, Asn1Time},
    bn::BigNum,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Builder, X509Extension, X509NameBuilder,
        extension::{ExtendedKeyUsage, KeyUsage},
    },
};
use pki::{
    Authority, IssuedPair, issue,
    testing::{CaBuilder, TestCa, request},
};

/// PEM texts of a chain and of its leaf's key.
pub struct Pair {
    pub chain: String,
    pub key: String,
}

/// Makes what is served from the namespace's CA.
pub type Made = fn(&TestCa) -> Pair;

/// Nothing stands against it.
pub fn good(ca: &TestCa) -> Pair {
    let pair = issued(ca, 365);
    Pair {
        chain: pair.certificate,
        key: pair.key.to_string(),
    }
}

/// It expires soon, and the root stands behind it.
pub fn soon_over_and_with_its_root(ca: &TestCa) -> Pair {
    let pair = issued(ca, 10);
    Pair {
        chain: format!("{}{}", pair.certificate, ca.root()),
        key: pair.key.to_string(),
    }
}

/// The leaf of a CA below the root, without that CA.
pub fn incomplete(ca: &TestCa) -> Pair {
    below(ca, |leaf, _, _| leaf.to_owned())
}

/// The same with that CA, and the root between them.
pub fn out_of_order(ca: &TestCa) -> Pair {
    below(ca, |leaf, between, root| format!("{leaf}{root}{between}"))
}

/// The leaf of a CA below the root, in a chain of leaf, that CA and the root.
fn below(ca: &TestCa, chain: impl Fn(&str, &str, &str) -> String) -> Pair {
    let between = CaBuilder::intermediate("CN=Between", ca).build();
    let pair = issued(&between, 365);
    let leaf = X509::from_pem(pair.certificate.as_bytes()).unwrap();
    let leaf = String::from_utf8(leaf.to_pem().unwrap()).unwrap();
    Pair {
        chain: chain(&leaf, &between.certificate(), &ca.root()),
        key: pair.key.to_string(),
    }
}

/// A year's leaf, of which so many days are left.
fn issued(ca: &TestCa, left: i64) -> IssuedPair {
    let gone = SignedDuration::from_hours((365 - left) * 24);
    let at = Timestamp::from_second(Timestamp::now().as_second()).unwrap() - gone;
    let authority = Authority::load(&ca.secret().as_secret(), at).unwrap();
    let mut request = request(&["coturn.example.com"]);
    request.content.key = api::KeyKind::Rsa2048;
    request.content.usages.extend(Usage::DEFAULT);
    issue(&authority, &request, at).unwrap()
}

/// All that the operator would never sign: a leaf that has expired, of 1024 bits, signed with SHA-1, for
/// clients only, without a name, and that demands an OCSP response.
pub fn weak(ca: &TestCa) -> Pair {
    let key = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
    let leaf = weak_leaf(ca, &key).to_pem().unwrap();
    Pair {
        chain: String::from_utf8(leaf).unwrap(),
        key: String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap(),
    }
}

fn weak_leaf(ca: &TestCa, key: &PKey<Private>) -> X509 {
    let issuer = X509::from_pem(ca.certificate().as_bytes()).unwrap();
    let signing = PKey::private_key_from_pem(ca.key().as_bytes()).unwrap();
    let mut leaf = X509Builder::new().unwrap();
    // Version 3.
    leaf.set_version(2).unwrap();
    let serial = BigNum::from_u32(77).unwrap().to_asn1_integer().unwrap();
    leaf.set_serial_number(&serial).unwrap();
    leaf.set_issuer_name(issuer.subject_name()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", "weak").unwrap();
    leaf.set_subject_name(&subject.build()).unwrap();
    leaf.set_not_before(&at("20240101000000Z")).unwrap();
    leaf.set_not_after(&at("20250101000000Z")).unwrap();
    leaf.set_pubkey(key).unwrap();
    for extension in weak_extensions() {
        leaf.append_extension(extension).unwrap();
    }
    leaf.sign(&signing, MessageDigest::sha1()).unwrap();
    leaf.build()
}

fn at(time: &str) -> Asn1Time {
    Asn1Time::from_str(time).unwrap()
}

fn weak_extensions() -> [X509Extension; 3] {
    // RFC 7633: a list of one feature, status_request.
    let feature = Asn1Object::from_str("1.3.6.1.5.5.7.1.24").unwrap();
    let demand = Asn1OctetString::new_from_bytes(&[0x30, 3, 2, 1, 5]).unwrap();
    [
        KeyUsage::new().key_encipherment().build().unwrap(),
        ExtendedKeyUsage::new().client_auth().build().unwrap(),
        X509Extension::new_from_der(&feature, false, &demand).unwrap(),
    ]
}
