//! Why a pair is not readable.

use super::role;
use crate::pem::PemError;

/// Why a certificate and a key are no usable pair.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairError {
    /// Nothing is there.
    #[error("{field} is missing or empty")]
    Missing {
        /// Key of the Secret.
        field: &'static str,
    },
    /// There is no PEM block of the expected kind.
    #[error("{field} holds no PEM {}", role(field))]
    NotPem {
        /// Key of the Secret.
        field: &'static str,
    },
    /// A PEM block lacks its beginning or its end.
    #[error("{field} holds only a part of a PEM block")]
    Truncated {
        /// Key of the Secret.
        field: &'static str,
    },
    /// More than is read.
    #[error("{field} holds {bytes} bytes, more than the {limit} that are read")]
    TooLarge {
        /// Key of the Secret.
        field: &'static str,
        /// How much it holds.
        bytes: usize,
        /// How much is read.
        limit: usize,
    },
    /// More certificates than are read.
    #[error("tls.crt holds more than {limit} certificates")]
    TooManyCertificates {
        /// How many are read.
        limit: usize,
    },
    /// A certificate cannot be parsed.
    #[error("certificate {position} of tls.crt cannot be parsed: {detail}")]
    MalformedCertificate {
        /// Counted from 1.
        position: usize,
        /// What the parser said.
        detail: String,
    },
    /// The key cannot be parsed.
    #[error("tls.key cannot be parsed as a PKCS#8, PKCS#1 or SEC1 private key")]
    MalformedKey,
    /// The key is protected by a password.
    #[error("tls.key is encrypted; coturn cannot read it without its password")]
    Encrypted,
    /// The key belongs to another certificate.
    #[error("tls.key does not belong to the first certificate of tls.crt ({subject})")]
    KeyMismatch {
        /// Subject of the first certificate.
        subject: String,
    },
    /// A certificate did not issue the one before it.
    #[error(
        "certificate {position} of tls.crt ({subject}) did not issue the one before it, which names {expected}"
    )]
    OrderBroken {
        /// Counted from 1.
        position: usize,
        /// Its subject.
        subject: String,
        /// The issuer of the one before it.
        expected: String,
    },
}

impl PairError {
    pub(crate) fn from_pem(field: &'static str, error: PemError) -> Self {
        match error {
            PemError::Empty => Self::Missing { field },
            PemError::TooLarge { bytes, limit } => Self::TooLarge {
                field,
                bytes,
                limit,
            },
            PemError::TooManyCertificates { limit } => Self::TooManyCertificates { limit },
            PemError::NotPem => Self::NotPem { field },
            PemError::Truncated => Self::Truncated { field },
            PemError::Malformed if field == api::names::TLS_KEY => Self::MalformedKey,
            PemError::Malformed => Self::MalformedCertificate {
                position: 1,
                detail: "a PEM block is damaged".to_owned(),
            },
            PemError::Encrypted => Self::Encrypted,
        }
    }
}
