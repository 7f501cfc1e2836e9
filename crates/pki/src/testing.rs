//! Authorities for tests, good ones and broken ones. Nothing here is compiled into the operator.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::return_self_not_must_use,
    reason = "a test's world that cannot be built must stop the test"
)]

use std::{net::IpAddr, str::FromStr};

use api::{Content, KeyKind, Subject, Usage};
use der::flagset::FlagSet;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use x509_cert::{
    ext::{
        Extension,
        pkix::{
            BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, NameConstraints,
            constraints::name::GeneralSubtree, name::GeneralName,
        },
    },
    name::Name,
};

use crate::{
    CaSecret, LeafRequest, Validity,
    builder::{Template, extension, random_serial},
    certificate::Certificate,
    key::SigningKey,
    leaf, pem,
};

/// The time at which tests issue unless they choose another: 2026-06-01T00:00:00Z.
pub const NOW: Timestamp = Timestamp::constant(1_780_272_000, 0);

/// A request as a resource with one DNS name and all defaults makes it: P-256, 365 days.
pub fn request(dns_names: &[&str]) -> LeafRequest {
    LeafRequest {
        content: Content {
            dns_names: dns_names.iter().map(ToString::to_string).collect(),
            ip_addresses: [].into(),
            common_name: dns_names.first().map(ToString::to_string),
            subject: Subject::default(),
            usages: Usage::DEFAULT.into(),
            key: KeyKind::EcdsaP256,
        },
        duration: SignedDuration::from_hours(365 * 24),
    }
}

/// A CA: certificate, key and what it descends from.
pub struct TestCa {
    certificate: Certificate,
    key: SigningKey,
    ancestors: Vec<CertificateDer<'static>>,
}

impl TestCa {
    /// A good P-256 root with the subject `CN=Example Org CA`, valid from 2020 until 2040.
    pub fn example() -> Self {
        CaBuilder::root("CN=Example Org CA").build()
    }

    /// PEM of its own certificate.
    pub fn certificate(&self) -> String {
        encode([&self.certificate.der])
    }

    /// `tls.crt` of a CA Secret: its own certificate, then those between it and the root.
    pub fn chain(&self) -> String {
        let between = self
            .ancestors
            .split_last()
            .map_or(&[][..], |(_, between)| between);
        encode(std::iter::once(&self.certificate.der).chain(between))
    }

    /// `tls.key` of a CA Secret: PKCS#8.
    pub fn key(&self) -> String {
        self.key.to_pem().to_string()
    }

    /// `ca.crt` of a CA Secret: the root.
    pub fn root(&self) -> String {
        encode(&[self
            .ancestors
            .last()
            .unwrap_or(&self.certificate.der)
            .clone()])
    }

    /// The three texts of its CA Secret.
    pub fn secret(&self) -> TestSecret {
        TestSecret {
            certificate: self.chain(),
            key: self.key(),
            root: self.root(),
        }
    }
}

/// A CA Secret that a test may break.
#[derive(Clone)]
pub struct TestSecret {
    /// `tls.crt`.
    pub certificate: String,
    /// `tls.key`.
    pub key: String,
    /// `ca.crt`.
    pub root: String,
}

impl TestSecret {
    /// The form in which it is loaded.
    pub fn as_secret(&self) -> CaSecret<'_> {
        CaSecret {
            certificate: Some(self.certificate.as_bytes()),
            key: Some(self.key.as_bytes()),
            root: Some(self.root.as_bytes()),
        }
    }
}

/// Builds a [`TestCa`]; without further words a good one with a P-256 key, valid from 2020 until
/// 2040.
pub struct CaBuilder<'a> {
    subject: Name,
    issuer: Option<&'a TestCa>,
    key: KeyKind,
    renewed: Option<&'a TestCa>,
    validity: Validity,
    ca: bool,
    path_len: Option<u8>,
    key_usage: Vec<KeyUsages>,
    purposes: Vec<Usage>,
    permitted: Vec<GeneralSubtree>,
    excluded: Vec<GeneralSubtree>,
    key_id: bool,
}

impl<'a> CaBuilder<'a> {
    /// A self-signed CA. The subject is written as in RFC 4514: `CN=CA,DC=example,DC=com`.
    pub fn root(subject: &str) -> Self {
        let instant = |text: &str| text.parse().expect("an RFC 3339 timestamp");
        Self {
            subject: Name::from_str(subject).expect("an RFC 4514 name"),
            issuer: None,
            key: KeyKind::EcdsaP256,
            renewed: None,
            validity: Validity {
                not_before: instant("2020-01-01T00:00:00Z"),
                not_after: instant("2040-01-01T00:00:00Z"),
            },
            ca: true,
            path_len: None,
            key_usage: vec![KeyUsages::KeyCertSign, KeyUsages::CRLSign],
            purposes: Vec::new(),
            permitted: Vec::new(),
            excluded: Vec::new(),
            key_id: true,
        }
    }

    /// A CA signed by another.
    pub fn intermediate(subject: &str, issuer: &'a TestCa) -> Self {
        Self {
            issuer: Some(issuer),
            ..Self::root(subject)
        }
    }

    /// Another kind of key.
    pub fn key(self, key: KeyKind) -> Self {
        Self { key, ..self }
    }

    /// Subject and key of another CA, as a renewal keeps them.
    pub fn renewing(self, ca: &'a TestCa) -> Self {
        Self {
            subject: ca.certificate.subject().clone(),
            renewed: Some(ca),
            ..self
        }
    }

    /// Another validity, as RFC 3339 timestamps.
    pub fn valid(self, not_before: &str, not_after: &str) -> Self {
        let instant = |text: &str| text.parse().expect("an RFC 3339 timestamp");
        let (not_before, not_after) = (instant(not_before), instant(not_after));
        Self {
            validity: Validity {
                not_before,
                not_after,
            },
            ..self
        }
    }

    /// basicConstraints says CA:FALSE.
    pub fn without_ca_flag(self) -> Self {
        Self { ca: false, ..self }
    }

    /// keyUsage lacks keyCertSign.
    pub fn without_cert_sign(self) -> Self {
        Self {
            key_usage: vec![KeyUsages::CRLSign],
            ..self
        }
    }

    /// No keyUsage extension at all.
    pub fn without_key_usage(self) -> Self {
        Self {
            key_usage: Vec::new(),
            ..self
        }
    }

    /// Neither subjectKeyIdentifier nor authorityKeyIdentifier.
    pub fn without_key_id(self) -> Self {
        Self {
            key_id: false,
            ..self
        }
    }

    /// A path length constraint.
    pub fn path_len(self, path_len: u8) -> Self {
        Self {
            path_len: Some(path_len),
            ..self
        }
    }

    /// An extendedKeyUsage.
    pub fn purposes(self, purposes: &[Usage]) -> Self {
        Self {
            purposes: purposes.to_vec(),
            ..self
        }
    }

    /// A permitted subtree of DNS names.
    pub fn permitting_dns(mut self, domain: &str) -> Self {
        self.permitted.push(dns(domain));
        self
    }

    /// An excluded subtree of DNS names.
    pub fn excluding_dns(mut self, domain: &str) -> Self {
        self.excluded.push(dns(domain));
        self
    }

    /// A permitted network.
    pub fn permitting_ip(mut self, network: IpAddr, mask: IpAddr) -> Self {
        self.permitted.push(ip(network, mask));
        self
    }

    /// A permitted subtree of directory names, RFC 4514.
    pub fn permitting_directory(mut self, name: &str) -> Self {
        let name = Name::from_str(name).expect("an RFC 4514 name");
        self.permitted
            .push(subtree(GeneralName::DirectoryName(name)));
        self
    }

    /// Makes the CA.
    pub fn build(self) -> TestCa {
        let key = match self.renewed {
            Some(ca) => ca.key.copy(),
            None => SigningKey::generate(self.key).ok().expect("a key"),
        };
        let template = Template {
            issuer: self
                .issuer
                .map_or(&self.subject, |ca| ca.certificate.subject())
                .clone(),
            subject: self.subject.clone(),
            serial: random_serial().expect("random octets"),
            validity: self.validity,
            public_key: key.public_key().clone(),
            extensions: self.extensions(&key).expect("extensions can be encoded"),
        };
        let der = template
            .sign(self.issuer.map_or(&key, |ca| &ca.key))
            .expect("a certificate");
        let ancestors = self.issuer.map(|ca| {
            std::iter::once(ca.certificate.der.clone())
                .chain(ca.ancestors.clone())
                .collect()
        });
        TestCa {
            certificate: Certificate::parse(der).expect("a parsable certificate"),
            key,
            ancestors: ancestors.unwrap_or_default(),
        }
    }

    fn extensions(&self, key: &SigningKey) -> Result<Vec<Extension>, der::Error> {
        let constraints = BasicConstraints {
            ca: self.ca,
            path_len_constraint: self.path_len,
        };
        let mut extensions = vec![extension(true, &constraints)?];
        if !self.key_usage.is_empty() {
            let bits = self
                .key_usage
                .iter()
                .fold(FlagSet::default(), |bits, bit| bits | *bit);
            extensions.push(extension(true, &KeyUsage(bits))?);
        }
        let purposes: Vec<_> = self
            .purposes
            .iter()
            .copied()
            .filter_map(leaf::purpose)
            .collect();
        if !purposes.is_empty() {
            extensions.push(extension(false, &ExtendedKeyUsage(purposes))?);
        }
        if self.key_id {
            extensions.push(extension(false, &leaf::key_id(key.public_key())?)?);
            if let Some(ca) = self.issuer {
                extensions.push(extension(false, &leaf::authority_key_id(&ca.certificate)?)?);
            }
        }
        let some =
            |subtrees: &Vec<GeneralSubtree>| (!subtrees.is_empty()).then(|| subtrees.clone());
        let (permitted_subtrees, excluded_subtrees) = (some(&self.permitted), some(&self.excluded));
        if permitted_subtrees.is_some() || excluded_subtrees.is_some() {
            let constraints = NameConstraints {
                permitted_subtrees,
                excluded_subtrees,
            };
            extensions.push(extension(true, &constraints)?);
        }
        Ok(extensions)
    }
}

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree {
        base,
        minimum: 0,
        maximum: None,
    }
}

fn dns(domain: &str) -> GeneralSubtree {
    let domain = der::asn1::Ia5String::new(domain).expect("an ASCII domain");
    subtree(GeneralName::DnsName(domain))
}

fn ip(network: IpAddr, mask: IpAddr) -> GeneralSubtree {
    let octets = |address| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let octets = [octets(network), octets(mask)].concat();
    subtree(GeneralName::IpAddress(
        der::asn1::OctetString::new(octets).expect("32 octets"),
    ))
}

fn encode<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    pem::encode(certificates).expect("certificates can be encoded")
}
