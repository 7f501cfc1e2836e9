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
