//! What an end of a handshake presents.

use std::fmt;

use api::Fingerprint;
use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    ssl::SslContextBuilder,
    x509::{X509, X509Ref},
};

/// A chain and the key of its leaf. Has no way to show the key.
#[derive(Clone)]
pub struct Identity {
    leaf: X509,
    intermediates: Vec<X509>,
    key: PKey<Private>,
}

/// Why a pair is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The certificates cannot be read.
    #[error("OpenSSL cannot read the certificates")]
    Certificates,
    /// The key cannot be read.
    #[error("OpenSSL cannot read the private key")]
    Key,
    /// The key is not the leaf's.
    #[error("the private key does not belong to the first certificate")]
    Mismatch,
}

impl Identity {
    /// Reads a pair: PEM certificates with the leaf first, and an unencrypted PEM key.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        // OpenSSL's own words may quote what they could not read.
        let mut chain = X509::stack_from_pem(certificates)
            .map_err(|_| IdentityError::Certificates)?
            .into_iter();
        let leaf = chain.next().ok_or(IdentityError::Certificates)?;
        // Without the empty passphrase OpenSSL would ask for one at the terminal.
        let key =
            PKey::private_key_from_pem_passphrase(key, b"").map_err(|_| IdentityError::Key)?;
        let of_leaf = leaf.public_key().map_err(|_| IdentityError::Certificates)?;
        if !of_leaf.public_eq(&key) {
            return Err(IdentityError::Mismatch);
        }
        Ok(Self {
            leaf,
            intermediates: chain.collect(),
            key,
        })
    }

    pub(crate) fn leaf(&self) -> &X509 {
        &self.leaf
    }

    pub(crate) fn intermediates(&self) -> &[X509] {
        &self.intermediates
    }

    /// SHA-256 of the leaf's DER, and of each certificate that follows it, in their order.
    pub fn fingerprints(&self) -> Result<Vec<Fingerprint>, IdentityError> {
        std::iter::once(&self.leaf)
            .chain(&self.intermediates)
            .map(|certificate| fingerprint(certificate).ok_or(IdentityError::Certificates))
            .collect()
    }

    /// Has an end present it, in the order in which coturn does: leaf first, then what follows.
    pub(crate) fn present(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        context.set_certificate(&self.leaf)?;
        for certificate in &self.intermediates {
            context.add_extra_chain_cert(certificate.clone())?;
        }
        context.set_private_key(&self.key)?;
        context.check_private_key()
    }
}

/// SHA-256 of a certificate's DER.
pub(crate) fn fingerprint(certificate: &X509Ref) -> Option<Fingerprint> {
    let digest = certificate.digest(MessageDigest::sha256()).ok()?;
    Some(Fingerprint::from_digest((*digest).try_into().ok()?))
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
