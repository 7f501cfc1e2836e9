//! What certificates and authorities say of themselves: the facts that decisions are taken on.

use jiff::Timestamp;

use crate::{Content, Coverage, Fingerprint, SerialNumber};

/// A leaf certificate whose private key is known to match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// SHA-256 of its DER encoding.
    pub fingerprint: Fingerprint,
    /// Its serial number.
    pub serial: SerialNumber,
    /// The issuer's name (RFC 4514).
    pub issuer: String,
    /// Whose key signed it.
    pub signer: Signer,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// What it contains; none if it has something that no resource can ask for.
    pub content: Option<Content>,
    /// What it is good for; none for a CA certificate, which is no leaf.
    pub coverage: Option<Coverage>,
    /// Algorithm and size of its key, as `ECDSA-256`.
    pub key_algorithm: String,
}

impl Leaf {
    /// Whether it is valid at a time.
    #[must_use]
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        (self.not_before..self.not_after).contains(&time)
    }
}

/// Whose key signed a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// Its own: nobody vouches for it, it is known by its fingerprint.
    Itself,
    /// Another, as far as its own is not proven.
    Another,
}

/// An authority that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityFacts {
    /// Subject of the certificate that signs (RFC 4514).
    pub subject: String,
    /// Fingerprint of the certificate that signs.
    pub fingerprint: Fingerprint,
    /// Fingerprint of the root: what the partner trusts.
    pub root_fingerprint: Fingerprint,
    /// SHA-256 over what a chain finds the root by: its subject, its `SubjectPublicKeyInfo` and its
    /// subject key identifier. A root renewed under its name with its key keeps it.
    pub root_anchor: Fingerprint,
    /// The latest notBefore of the chain.
    pub not_before: Timestamp,
    /// The earliest notAfter of the chain.
    pub not_after: Timestamp,
}
