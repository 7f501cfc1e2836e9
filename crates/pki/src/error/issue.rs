//! Why a leaf is not signed.

use api::Reason;
use jiff::Timestamp;

/// Why a leaf was not signed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// The request names no server.
    #[error("the request names no server; set spec.dnsNames or spec.ipAddresses")]
    NoNames,
    /// The subject of a self-signed certificate would be empty, and its issuer with it.
    #[error(
        "a self-signed certificate needs a subject, which is its issuer's name too; set spec.commonName"
    )]
    NoSubject,
    /// A DNS name is none.
    #[error(
        "`{0}` is no DNS name that a certificate can hold; write it in lower case ASCII, with `*.` at most in front of two labels or more"
    )]
    DnsName(String),
    /// A subject attribute cannot be encoded.
    #[error(
        "the subject attribute `{0}` cannot be put in a certificate: 1 to 64 characters without control characters are possible, two letters A-Z for a country"
    )]
    SubjectAttribute(String),
    /// The duration is not positive.
    #[error("a certificate cannot be valid for {0} s")]
    Duration(i64),
    /// The authority has expired since it was judged.
    #[error(
        "the CA {subject} expired at {not_after}; put a renewed CA there, the operator goes on by itself"
    )]
    AuthorityExpired {
        /// Subject of the authority.
        subject: String,
        /// When.
        not_after: Timestamp,
    },
    /// The authority is not valid at the time of signing.
    #[error("the CA {subject} is not valid before {not_before}; nothing is signed until then")]
    AuthorityNotYetValid {
        /// Subject of the authority.
        subject: String,
        /// When it will be.
        not_before: Timestamp,
    },
    /// Name constraints exclude a name.
    #[error(
        "the name constraints of {authority} forbid `{name}` ({rule}); remove the name from the spec, or use another CA"
    )]
    NameForbidden {
        /// The CA with the constraint.
        authority: String,
        /// The name that was asked for.
        name: String,
        /// The constraint.
        rule: String,
    },
    /// An extended key usage of a CA certificate excludes a usage.
    #[error(
        "the extendedKeyUsage of {authority} forbids `{usage}`; use another CA, or remove the usage from the spec"
    )]
    UsageForbidden {
        /// The CA with the constraint.
        authority: String,
        /// The usage that was asked for.
        usage: &'static str,
    },
    /// Path validation refused the leaf on account of the CA's constraints.
    #[error("the CA's constraints forbid this certificate: {detail}")]
    Forbidden {
        /// What path validation said.
        detail: String,
    },
    /// Key generation, encoding or signing failed.
    #[error("signing failed: {0}")]
    Signing(String),
    /// The signed certificate failed a check; it was thrown away.
    #[error("the signed certificate failed a check and was thrown away: {0}")]
    SelfCheck(String),
}

impl IssueError {
    /// The condition's reason.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoNames
            | Self::NoSubject
            | Self::DnsName(_)
            | Self::SubjectAttribute(_)
            | Self::Duration(_) => Reason::InvalidSpec,
            Self::AuthorityExpired { .. } => Reason::AuthorityExpired,
            Self::AuthorityNotYetValid { .. } => Reason::AuthorityNotYetValid,
            Self::NameForbidden { .. } | Self::UsageForbidden { .. } | Self::Forbidden { .. } => {
                Reason::AuthorityForbids
            }
            Self::Signing(_) | Self::SelfCheck(_) => Reason::SigningFailed,
        }
    }
}

impl From<der::Error> for IssueError {
    fn from(error: der::Error) -> Self {
        Self::Signing(error.to_string())
    }
}
