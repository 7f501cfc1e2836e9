//! Why an authority is not used.

use api::Reason;
use jiff::Timestamp;

use super::role;
use crate::pem::PemError;

/// Why the CA in a Secret cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A key of the Secret is absent or empty.
    #[error(
        "{field} is missing or empty; put the CA's {} there, in PEM form",
        role(field)
    )]
    Incomplete {
        /// Key of the Secret.
        field: &'static str,
    },
    /// A key of the Secret holds more than is read.
    #[error(
        "{field} holds {bytes} bytes, more than the {limit} that are read; put only the CA's {} there",
        role(field)
    )]
    TooLarge {
        /// Key of the Secret.
        field: &'static str,
        /// How much it holds.
        bytes: usize,
        /// How much is read.
        limit: usize,
    },
    /// A bundle holds more certificates than are read.
    #[error("{field} holds more than {limit} certificates; put only the CA's own chain there")]
    TooManyCertificates {
        /// Key of the Secret.
        field: &'static str,
        /// How many are read.
        limit: usize,
    },
    /// There is no PEM block of the expected kind.
    #[error(
        "{field} holds no PEM {}; is it DER, encoded twice in base64, or under the wrong key of the Secret?",
        role(field)
    )]
    NotPem {
        /// Key of the Secret.
        field: &'static str,
    },
    /// A PEM block lacks its beginning or its end.
    #[error("{field} holds only a part of a PEM block; write the whole file there")]
    Truncated {
        /// Key of the Secret.
        field: &'static str,
    },
    /// A certificate cannot be parsed.
    #[error("certificate {position} of {field} cannot be parsed: {detail}")]
    MalformedCertificate {
        /// Key of the Secret.
        field: &'static str,
        /// Counted from 1.
        position: usize,
        /// What the parser said.
        detail: String,
    },
    /// The key cannot be parsed, or is inconsistent in itself.
    #[error("tls.key cannot be parsed as a PKCS#8, PKCS#1 or SEC1 private key")]
    MalformedKey,
    /// The key is protected by a password.
    #[error("tls.key is encrypted; remove the password: openssl pkey -in ca.key -out ca-plain.key")]
    KeyEncrypted,
    /// The key belongs to another certificate.
    #[error(
        "tls.key does not belong to the first certificate of tls.crt ({subject}); put the signing certificate first, with its own key"
    )]
    KeyMismatch {
        /// Subject of the signing certificate.
        subject: String,
    },
    /// A certificate of the chain is not marked as a CA.
    #[error("{subject} is no CA certificate (basicConstraints CA:TRUE is missing); it cannot sign")]
    NotACa {
        /// Its subject.
        subject: String,
    },
    /// A certificate of the chain must not sign certificates.
    #[error("the keyUsage of {subject} lacks keyCertSign; it must not sign certificates")]
    NoCertSign {
        /// Its subject.
        subject: String,
    },
    /// The issuer of a certificate is in neither bundle.
    #[error(
        "the issuer of {subject}, {issuer}, is neither in tls.crt nor in ca.crt; append the chain up to the root"
    )]
    IssuerMissing {
        /// The certificate whose issuer is looked for.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// A certificate bears its issuer's name but another key's signature.
    #[error("{subject} was not signed by the key of {issuer} that stands in tls.crt or ca.crt")]
    BadSignature {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// A certificate's authorityKeyIdentifier points at another issuer certificate.
    #[error(
        "the authorityKeyIdentifier of {subject} names another certificate than {issuer}; OpenSSL will not build this chain"
    )]
    KeyIdentifierMismatch {
        /// The certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// There are more certificates between a leaf and the root than path validation follows.
    #[error(
        "the chain from {subject} to its root has more than {limit} CA certificates, more than TLS libraries follow; use a CA nearer to its root"
    )]
    ChainTooLong {
        /// The signing certificate.
        subject: String,
        /// How many CA certificates are followed, root included.
        limit: usize,
    },
    /// `ca.crt` holds a root, but not this authority's.
    #[error(
        "ca.crt holds another root than {root}, which tls.crt leads to; put the root of this CA there, or leave ca.crt out"
    )]
    ForeignRoot {
        /// Subject of the root that `tls.crt` leads to.
        root: String,
    },
    /// A certificate of the chain has expired.
    #[error(
        "{subject} expired at {not_after}; put a renewed CA there, the operator goes on by itself"
    )]
    Expired {
        /// Its subject.
        subject: String,
        /// When.
        not_after: Timestamp,
    },
    /// A certificate of the chain is not valid yet.
    #[error("{subject} is not valid before {not_before}; nothing is signed until then")]
    NotYetValid {
        /// Its subject.
        subject: String,
        /// When it will be.
        not_before: Timestamp,
    },
    /// A path length constraint forbids the chain.
    #[error(
        "the path length constraint of {subject} allows {allowed} CA certificates below it, the chain has {present}"
    )]
    PathLength {
        /// The CA with the constraint.
        subject: String,
        /// What it allows.
        allowed: u8,
        /// What there is.
        present: usize,
    },
    /// The key's algorithm or size is not supported.
    #[error(
        "the key of {subject} is {algorithm}; supported are RSA from 2048 to 8192 bits and ECDSA P-256, P-384, P-521"
    )]
    UnsupportedKey {
        /// Subject of its certificate.
        subject: String,
        /// The algorithm.
        algorithm: String,
    },
    /// A certificate of the chain is signed in a way that is not supported.
    #[error(
        "{subject} is signed with an algorithm that is not supported ({algorithm}); SHA-1 is refused by every current TLS library"
    )]
    UnsupportedSignature {
        /// Its subject.
        subject: String,
        /// Object identifier of the algorithm.
        algorithm: String,
    },
    /// A certificate of the chain holds something that cannot be honoured.
    #[error("{subject} holds {what}, which is not supported")]
    UnsupportedExtension {
        /// Its subject.
        subject: String,
        /// What it holds.
        what: &'static str,
    },
}

impl AuthorityError {
    /// The condition's reason.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Incomplete { .. } => Reason::AuthorityIncomplete,
            Self::TooLarge { .. }
            | Self::TooManyCertificates { .. }
            | Self::NotPem { .. }
            | Self::Truncated { .. }
            | Self::MalformedCertificate { .. }
            | Self::MalformedKey => Reason::AuthorityMalformed,
            Self::KeyEncrypted => Reason::AuthorityKeyEncrypted,
            Self::KeyMismatch { .. } => Reason::AuthorityKeyMismatch,
            Self::NotACa { .. } | Self::NoCertSign { .. } => Reason::AuthorityNotACa,
            Self::IssuerMissing { .. }
            | Self::BadSignature { .. }
            | Self::KeyIdentifierMismatch { .. }
            | Self::ForeignRoot { .. } => Reason::AuthorityChainBroken,
            Self::Expired { .. } => Reason::AuthorityExpired,
            Self::NotYetValid { .. } => Reason::AuthorityNotYetValid,
            Self::PathLength { .. } => Reason::AuthorityForbids,
            Self::ChainTooLong { .. }
            | Self::UnsupportedKey { .. }
            | Self::UnsupportedSignature { .. }
            | Self::UnsupportedExtension { .. } => Reason::AuthorityUnsupported,
        }
    }

    pub(crate) fn from_pem(field: &'static str, error: PemError) -> Self {
        match error {
            PemError::Empty => Self::Incomplete { field },
            PemError::TooLarge { bytes, limit } => Self::TooLarge {
                field,
                bytes,
                limit,
            },
            PemError::TooManyCertificates { limit } => Self::TooManyCertificates { field, limit },
            PemError::NotPem => Self::NotPem { field },
            PemError::Truncated => Self::Truncated { field },
            PemError::Malformed if field == api::names::TLS_KEY => Self::MalformedKey,
            PemError::Malformed => Self::MalformedCertificate {
                field,
                position: 1,
                detail: "a PEM block is damaged".to_owned(),
            },
            PemError::Encrypted => Self::KeyEncrypted,
        }
    }
}
