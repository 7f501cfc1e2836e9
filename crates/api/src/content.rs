//! What a leaf certificate contains, as far as a resource decides it.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{KeyKind, Subject, Usage};

/// Everything in a leaf certificate that a resource decides. Two certificates of equal content
/// serve the same purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Names of the subjectAltName, lower case.
    pub dns_names: BTreeSet<String>,
    /// Addresses of the subjectAltName.
    pub ip_addresses: BTreeSet<IpAddr>,
    /// Common name of the subject.
    pub common_name: Option<String>,
    /// Further attributes of the subject.
    pub subject: Subject,
    /// Key usages and extended key usages.
    pub usages: BTreeSet<Usage>,
    /// Algorithm and size of the key.
    pub key: KeyKind,
}

impl Content {
    /// Whether no name and no address tells whose certificate it is.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        self.dns_names.is_empty() && self.ip_addresses.is_empty()
    }
}

/// What a leaf certificate is good for, whoever made it and whatever else it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// DNS names of the subjectAltName, lower case.
    pub dns_names: BTreeSet<String>,
    /// Addresses of the subjectAltName.
    pub ip_addresses: BTreeSet<IpAddr>,
    /// What it may be used for. Where the certificate has no keyUsage, or no extendedKeyUsage, it is
    /// restricted to none (RFC 5280, sections 4.2.1.3 and 4.2.1.12).
    pub usages: BTreeSet<Usage>,
    /// The strongest kind of key that its own is as strong as; none if it is weaker than all, or of
    /// an algorithm that coturn does not serve.
    pub key: Option<KeyKind>,
}
