//! What a careful reader of RFC 5280 and the CA/Browser Forum's rules would object to in a leaf.

use x509_cert::ext::pkix::name::GeneralName;

use crate::{PairError, certificate::Certificate, inspect, name};

/// Fewest octets of a serial number that can hold 64 random bits.
const MIN_SERIAL: usize = 8;

/// Most octets of a serial number (RFC 5280 §4.1.2.2).
const MAX_SERIAL: usize = 20;

/// Signature algorithms that every current TLS library accepts: RSA with SHA-2, ECDSA with SHA-2.
const SIGNATURES: [&str; 6] = [
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
];

/// An objection to a leaf.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Finding {
    /// The serial number is negative, or longer than 20 octets.
    #[error("the serial number is not a positive number of at most 20 octets")]
    SerialNumber,
    /// The serial number is too short to be random.
    #[error("the serial number holds less than 64 random bits")]
    SerialEntropy,
    /// The issuer is not the CA's subject.
    #[error("the issuer is not the CA's subject")]
    Issuer,
    /// subjectKeyIdentifier is missing.
    #[error("subjectKeyIdentifier is missing")]
    SubjectKeyIdentifier,
    /// authorityKeyIdentifier is missing, or is not the CA's subjectKeyIdentifier.
    #[error("authorityKeyIdentifier is not the CA's subjectKeyIdentifier")]
    AuthorityKeyIdentifier,
    /// basicConstraints is missing, or says CA:TRUE.
    #[error("basicConstraints does not say CA:FALSE")]
    BasicConstraints,
    /// The leaf is valid before its CA.
    #[error("it is valid before its CA")]
    StartsBeforeAuthority,
    /// The leaf is valid after its CA.
    #[error("it is valid after its CA")]
    OutlivesAuthority,
    /// The validity ends before it begins.
    #[error("its validity ends before it begins")]
    Validity,
    /// There is no subjectAltName, though somebody else vouches for the leaf: what is known by its
    /// fingerprint alone needs no name.
    #[error("subjectAltName is missing or empty")]
    NoNames,
    /// subjectAltName is critical, or is not although the subject is empty.
    #[error("subjectAltName must be critical if, and only if, the subject is empty")]
    NamesCriticality,
    /// The signature algorithm is outdated.
    #[error("the signature algorithm is not one that every current TLS library accepts")]
    SignatureAlgorithm,
    /// The signature is not the CA's.
    #[error("the signature was not made by the CA's key")]
    Signature,
    /// keyUsage is there, but not critical.
    #[error("keyUsage is not critical")]
    KeyUsageCriticality,
    /// keyUsage lacks digitalSignature: no ECDHE handshake will work.
    #[error("keyUsage lacks digitalSignature")]
    NoDigitalSignature,
    /// The common name is none of the names.
    #[error("the common name is none of the names of subjectAltName")]
    CommonName,
}

impl Finding {
    /// Whether the issuer is to blame. What remains was asked for by the spec.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::SerialEntropy | Self::NoDigitalSignature | Self::CommonName => false,
            Self::SerialNumber
            | Self::Issuer
            | Self::SubjectKeyIdentifier
            | Self::AuthorityKeyIdentifier
            | Self::BasicConstraints
            | Self::StartsBeforeAuthority
            | Self::OutlivesAuthority
            | Self::Validity
            | Self::NoNames
            | Self::NamesCriticality
            | Self::SignatureAlgorithm
            | Self::Signature
            | Self::KeyUsageCriticality => true,
        }
    }
}

/// Lints the first certificate of `chain` against `issuer`, both PEM.
pub fn leaf(chain: &[u8], issuer: &[u8]) -> Result<Vec<Finding>, PairError> {
    let (leaf, issuer) = (inspect::chain(chain)?, inspect::chain(issuer)?);
    Ok(findings(&leaf[0], &issuer[0]))
}

pub(crate) fn findings(leaf: &Certificate, issuer: &Certificate) -> Vec<Finding> {
    let serial = leaf.serial();
    let serial_is_negative = serial.first().is_none_or(|octet| octet & 0x80 != 0);
    let checks = [
        (
            serial_is_negative || serial.len() > MAX_SERIAL,
            Finding::SerialNumber,
        ),
        (serial.len() < MIN_SERIAL, Finding::SerialEntropy),
        (leaf.issuer() != issuer.subject(), Finding::Issuer),
        (leaf.subject_key_id.is_none(), Finding::SubjectKeyIdentifier),
        (!names_issuer(leaf, issuer), Finding::AuthorityKeyIdentifier),
        (
            leaf.is_ca() || leaf.basic_constraints.is_none(),
            Finding::BasicConstraints,
        ),
        (
            leaf.not_before() < issuer.not_before(),
            Finding::StartsBeforeAuthority,
        ),
        (
            leaf.not_after() > issuer.not_after(),
            Finding::OutlivesAuthority,
        ),
        (leaf.not_after() < leaf.not_before(), Finding::Validity),
        (has_no_names(leaf) && leaf != issuer, Finding::NoNames),
        (has_wrong_criticality(leaf), Finding::NamesCriticality),
        (!has_current_signature(leaf), Finding::SignatureAlgorithm),
        (leaf.verify_signature(issuer).is_err(), Finding::Signature),
        (has_uncritical_key_usage(leaf), Finding::KeyUsageCriticality),
        (
            !leaf.key_usage.is_some_and(|it| it.digital_signature()),
            Finding::NoDigitalSignature,
        ),
        (has_foreign_common_name(leaf), Finding::CommonName),
    ];
    checks
        .into_iter()
        .filter(|(found, _)| *found)
        .map(|(_, finding)| finding)
        .collect()
}

fn names_issuer(leaf: &Certificate, issuer: &Certificate) -> bool {
    let named = leaf
        .authority_key_id
        .as_ref()
        .and_then(|it| it.key_identifier.as_ref());
    match (named, &issuer.subject_key_id) {
        (Some(named), Some(own)) => *named == own.0,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn has_no_names(leaf: &Certificate) -> bool {
    leaf.subject_alt_name
        .as_ref()
        .is_none_or(|(_, names)| names.0.is_empty())
}

fn has_wrong_criticality(leaf: &Certificate) -> bool {
    let critical = leaf
        .subject_alt_name
        .as_ref()
        .map(|(critical, _)| *critical);
    critical.is_some_and(|critical| critical != leaf.subject().is_empty())
}

fn has_current_signature(leaf: &Certificate) -> bool {
    SIGNATURES.contains(&leaf.signature_algorithm().as_str())
}

fn has_uncritical_key_usage(leaf: &Certificate) -> bool {
    let extensions = leaf.x509.tbs_certificate().extensions();
    let key_usage = <x509_cert::ext::pkix::KeyUsage as der::oid::AssociatedOid>::OID;
    extensions
        .into_iter()
        .flatten()
        .any(|it| it.extn_id == key_usage && !it.critical)
}

fn has_foreign_common_name(leaf: &Certificate) -> bool {
    let common_name = name::to_request(leaf.subject()).and_then(|(_, common_name)| common_name);
    let Some(common_name) = common_name else {
        return false;
    };
    let names = leaf.subject_alt_name.iter().flat_map(|(_, names)| &names.0);
    let mut dns = names.filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str()),
        _ => None,
    });
    !dns.any(|name| name.eq_ignore_ascii_case(&common_name))
}
