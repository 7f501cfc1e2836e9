//! What a server's certificates are, without the key and whatever they are worth: what an audit and a
//! partner look at.

use std::{collections::BTreeSet, net::IpAddr};

use api::Usage;
use der::asn1::ObjectIdentifier;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::{certificate::Certificate, coverage, key::KeyAlgorithm, name, pem};

/// The TLS feature extension (RFC 7633); its one feature in use is `status_request`.
const TLS_FEATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");
/// Signature algorithms whose hash is broken: RSA with MD2, MD4, MD5 and SHA-1, DSA and ECDSA with SHA-1.
const BROKEN_SIGNATURES: [&str; 6] = [
    "1.2.840.113549.1.1.2",
    "1.2.840.113549.1.1.3",
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.10040.4.3",
    "1.2.840.10045.4.1",
];

/// A certificate that a server shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its subject (RFC 4514).
    pub subject: String,
    /// Its issuer (RFC 4514).
    pub issuer: String,
    /// The first common name of its subject.
    pub common_name: Option<String>,
    /// The first common name of its issuer.
    pub issuer_common_name: Option<String>,
    /// Whether subject and issuer are one.
    pub is_self_issued: bool,
    /// Whether it has a subjectAltName, whatever is in it.
    pub has_san: bool,
    /// DNS names of its subjectAltName, in lower case.
    pub dns_names: BTreeSet<String>,
    /// IP addresses of its subjectAltName.
    pub ip_addresses: BTreeSet<IpAddr>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Algorithm and size of its key, as `ECDSA-256`.
    pub key: String,
    /// The usages that it admits; all of those that it does not restrict.
    pub usages: BTreeSet<Usage>,
    /// What stands against it.
    pub concerns: BTreeSet<Concern>,
}

/// Something that stands against a certificate, whoever serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// Its key is too weak for today: RSA below 2048 bits, a curve below 256 bits, or an algorithm that
    /// coturn does not serve.
    WeakKey,
    /// The hash of its signature is broken (MD5, SHA-1). Not said of a root, which is trusted for itself.
    WeakSignature,
    /// It tells clients to insist on an OCSP response beside it (RFC 7633).
    MustStaple,
}

impl Served {
    /// Reads a certificate.
    ///
    /// # Errors
    /// What is malformed.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        Certificate::parse(CertificateDer::from(der.to_vec())).map(|it| Self::of(&it))
    }

    fn of(certificate: &Certificate) -> Self {
        let coverage = coverage::regardless(certificate);
        Self {
            subject: certificate.shown(),
            issuer: name::shown(certificate.issuer()),
            common_name: name::common_name(certificate.subject()),
            issuer_common_name: name::common_name(certificate.issuer()),
            is_self_issued: certificate.is_self_issued(),
            has_san: certificate.subject_alt_name.is_some(),
            dns_names: coverage.dns_names,
            ip_addresses: coverage.ip_addresses,
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            key: certificate.key_algorithm().to_string(),
            usages: coverage.usages,
            concerns: concerns(certificate),
        }
    }
}

/// Whether each certificate of a chain (DER, leaf first) was issued by the next.
///
/// # Errors
/// What is malformed.
pub fn is_in_order(chain: &[Vec<u8>]) -> Result<bool, String> {
    let chain = parsed(chain)?;
    let mut pairs = chain.windows(2);
    Ok(pairs.all(|pair| {
        pair[0].issuer() == pair[1].subject() && pair[0].verify_signature(&pair[1]).is_ok()
    }))
}

/// Whether the last certificate of a chain (DER, leaf first) is one of these roots (PEM), or was issued
/// by one: then who trusts the roots needs nothing else.
///
/// # Errors
/// What is malformed.
pub fn leads_to(chain: &[Vec<u8>], roots: &[u8]) -> Result<bool, String> {
    let chain = parsed(chain)?;
    let roots = pem::certificates(roots).map_err(|_| "the roots are no PEM".to_owned())?;
    let roots: Vec<Vec<u8>> = roots.iter().map(|root| root.to_vec()).collect();
    let roots = parsed(&roots)?;
    Ok(chain.last().is_some_and(|last| {
        let issued = |root: &Certificate| {
            last.issuer() == root.subject() && last.verify_signature(root).is_ok()
        };
        roots.iter().any(|root| root == last || issued(root))
    }))
}

fn parsed(chain: &[Vec<u8>]) -> Result<Vec<Certificate>, String> {
    let certificates = chain.iter().cloned().map(CertificateDer::from);
    certificates.map(Certificate::parse).collect()
}

fn concerns(certificate: &Certificate) -> BTreeSet<Concern> {
    let is_broken = BROKEN_SIGNATURES.contains(&certificate.signature_algorithm().as_str());
    let checks = [
        (is_weak(certificate.key_algorithm()), Concern::WeakKey),
        (
            is_broken && !certificate.is_self_issued(),
            Concern::WeakSignature,
        ),
        (must_staple(certificate), Concern::MustStaple),
    ];
    let found = checks.into_iter().filter(|(found, _)| *found);
    found.map(|(_, concern)| concern).collect()
}

fn is_weak(key: KeyAlgorithm) -> bool {
    match key {
        KeyAlgorithm::Rsa(bits) => bits < 2048,
        KeyAlgorithm::Ecdsa(bits) => bits < 256,
        KeyAlgorithm::Ed25519 | KeyAlgorithm::Other(_) => true,
    }
}

fn must_staple(certificate: &Certificate) -> bool {
    let extensions = certificate.x509.tbs_certificate().extensions();
    let mut extensions = extensions.into_iter().flatten();
    extensions.any(|extension| extension.extn_id == TLS_FEATURE)
}

#[cfg(test)]
mod tests {
    use api::KeyKind;

    use super::*;
    use crate::{
        Authority, IssuedPair, issue,
        testing::{CaBuilder, NOW, TestCa, request},
    };

    fn issued(ca: &TestCa, change: impl FnOnce(&mut crate::LeafRequest)) -> IssuedPair {
        let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
        let mut request = request(&["coturn.example.com"]);
        change(&mut request);
        issue(&authority, &request, NOW).unwrap()
    }

    fn chain(pem: &str) -> Vec<Vec<u8>> {
        let certificates = pem::certificates(pem.as_bytes()).unwrap();
        certificates.iter().map(|der| der.to_vec()).collect()
    }

    #[test]
    fn a_leaf_tells_what_it_is() {
        let pair = issued(&TestCa::example(), |request| {
            request.content.key = KeyKind::EcdsaP384;
        });
        let served = Served::parse(&chain(&pair.certificate)[0]).unwrap();
        assert_eq!(served.common_name.as_deref(), Some("coturn.example.com"));
        assert_eq!(served.issuer_common_name.as_deref(), Some("Example Org CA"));
        assert_eq!(served.dns_names, ["coturn.example.com".to_owned()].into());
        assert_eq!(served.key, "ECDSA-384");
        assert!(served.has_san && !served.is_self_issued);
        assert!(served.concerns.is_empty());
        assert!(served.usages.contains(&Usage::ClientAuth));
    }

    #[test]
    fn a_usage_that_is_not_admitted_is_missed() {
        let pair = issued(&TestCa::example(), |request| {
            request.content.usages = [Usage::DigitalSignature, Usage::ServerAuth].into();
        });
        let served = Served::parse(&chain(&pair.certificate)[0]).unwrap();
        assert!(!served.usages.contains(&Usage::ClientAuth));
    }

    #[test]
    fn a_ca_that_serves_itself_is_judged_by_what_it_admits() {
        let root = Served::parse(&chain(&TestCa::example().root())[0]).unwrap();
        assert!(root.is_self_issued);
        assert!(root.usages.contains(&Usage::ServerAuth));
        assert!(!root.usages.contains(&Usage::DigitalSignature));
    }

    #[test]
    fn a_chain_is_in_order_and_leads_to_its_root() {
        let root = TestCa::example();
        let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
        let pair = issued(&ca, |_| {});
        let mut served = chain(&pair.certificate);
        assert_eq!(is_in_order(&served), Ok(true));
        assert_eq!(leads_to(&served, root.root().as_bytes()), Ok(true));
        assert_eq!(leads_to(&served[..1], root.root().as_bytes()), Ok(false));
        let stranger = TestCa::example();
        assert_eq!(leads_to(&served, stranger.root().as_bytes()), Ok(false));
        served.reverse();
        assert_eq!(is_in_order(&served), Ok(false));
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        assert!(Served::parse(b"none").is_err());
        assert!(leads_to(&[], b"none").is_err());
    }
}
