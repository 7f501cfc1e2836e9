//! What a server's certificates are, without the key and whatever they are worth: what an audit and a
//! partner look at.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use api::Usage;
use der::asn1::ObjectIdentifier;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::{
    certificate::Certificate,
    coverage,
    key::KeyAlgorithm,
    name,
    pem::{self, PemError},
};

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

/// Roots that somebody trusts.
#[derive(Clone, PartialEq, Eq)]
pub struct Roots(Vec<Certificate>);

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

impl Roots {
    /// Reads a file of at most 1 MiB (PEM), with any number of certificates. One that is no strict DER, as
    /// some old roots, vouches for nothing here.
    ///
    /// # Errors
    /// Why there are none in it.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        let all = pem::roots(pem).map_err(|error| lack(error).to_owned())?;
        let mut roots = Vec::new();
        let mut reason = None;
        for der in all {
            match Certificate::parse(der) {
                Ok(root) => roots.push(root),
                Err(malformed) => reason = Some(malformed),
            }
        }
        match reason.filter(|_| roots.is_empty()) {
            Some(reason) => Err(reason),
            None => Ok(Self(roots)),
        }
    }
}

/// Whether each certificate of a chain (DER, leaf first) was issued by the next.
///
/// # Errors
/// What is malformed.
pub fn is_in_order(chain: &[Vec<u8>]) -> Result<bool, String> {
    let chain = parsed(chain)?;
    Ok(chain.windows(2).all(|pair| is_issued(&pair[0], &pair[1])))
}

/// Whether the leaf of a chain (DER, leaf first), or what of the chain issued it, is one of these roots or
/// was issued by one: then who trusts the roots needs nothing else. What the chain has beyond that, as a root
/// that another one has cross-signed, does not matter, nor does its order.
///
/// # Errors
/// What is malformed.
pub fn leads_to(chain: &[Vec<u8>], roots: &Roots) -> Result<bool, String> {
    let mut above = parsed(chain)?;
    let mut reached: Vec<_> = above.drain(..1.min(above.len())).collect();
    while let Some(certificate) = reached.pop() {
        let mut vouching = roots.0.iter();
        if vouching.any(|root| *root == certificate || is_issued(&certificate, root)) {
            return Ok(true);
        }
        let (issuers, rest) = above
            .into_iter()
            .partition(|it| is_issued(&certificate, it));
        above = rest;
        reached.extend::<Vec<_>>(issuers);
    }
    Ok(false)
}

fn is_issued(certificate: &Certificate, issuer: &Certificate) -> bool {
    certificate.issuer() == issuer.subject() && certificate.verify_signature(issuer).is_ok()
}

/// Why a file has no certificates.
fn lack(error: PemError) -> &'static str {
    match error {
        PemError::Empty => "it is empty",
        PemError::TooLarge { .. } | PemError::TooManyCertificates { .. } => {
            "it is larger than 1 MiB"
        }
        PemError::NotPem => "it has no certificate in PEM",
        PemError::Truncated => "a certificate in it is cut off",
        PemError::Malformed => "a certificate in it is damaged",
        PemError::Encrypted => "it is encrypted",
    }
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

    fn roots(pem: &str) -> Roots {
        Roots::parse(pem.as_bytes()).unwrap()
    }

    #[test]
    fn a_chain_is_in_order_and_leads_to_its_root() {
        let root = TestCa::example();
        let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
        let pair = issued(&ca, |_| {});
        let mut served = chain(&pair.certificate);
        let trusted = roots(&root.root());
        assert_eq!(is_in_order(&served), Ok(true));
        assert_eq!(leads_to(&served, &trusted), Ok(true));
        assert_eq!(leads_to(&served[..1], &trusted), Ok(false));
        let stranger = roots(&TestCa::example().root());
        assert_eq!(leads_to(&served, &stranger), Ok(false));
        served.reverse();
        assert_eq!(is_in_order(&served), Ok(false));
    }

    #[test]
    fn a_chain_leads_to_what_is_trusted_wherever_it_goes_on_from_there() {
        let (old, new) = (TestCa::example(), CaBuilder::root("CN=New CA").build());
        let ca = CaBuilder::intermediate("CN=Issuing CA", &new).build();
        let leaf = chain(&issued(&ca, |_| {}).certificate);
        let crossed = CaBuilder::intermediate("CN=New CA", &old).renewing(&new);
        let crossed = chain(&crossed.build().certificate());
        let served = [leaf.clone(), crossed[..1].to_vec()].concat();
        assert_eq!(leads_to(&served, &roots(&new.root())), Ok(true));
        assert_eq!(leads_to(&served, &roots(&old.root())), Ok(true));
        let between = [leaf[..1].to_vec(), chain(&new.root()), leaf[1..].to_vec()].concat();
        assert_eq!(leads_to(&between, &roots(&new.root())), Ok(true));
        let without = [leaf[..1].to_vec(), chain(&new.root())].concat();
        assert_eq!(leads_to(&without, &roots(&new.root())), Ok(false));
    }

    #[test]
    fn the_bundle_of_a_system_is_read_whole() {
        let own = TestCa::example();
        let others = "# a comment\n".to_owned() + &TestCa::example().root();
        let bundle = others.repeat(150) + &own.root();
        assert!(bundle.len() > pem::MAX_BUNDLE);
        let served = chain(&issued(&own, |_| {}).certificate);
        assert_eq!(leads_to(&served, &roots(&bundle)), Ok(true));
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        assert!(Served::parse(b"none").is_err());
        let told = |pem: &[u8]| Roots::parse(pem).unwrap_err();
        assert_eq!(told(b"none"), "it has no certificate in PEM");
        assert_eq!(told(b" \n"), "it is empty");
        assert_eq!(
            told(&vec![b'a'; 1024 * 1024 + 1]),
            "it is larger than 1 MiB"
        );
    }
}
