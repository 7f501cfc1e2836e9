//! Bounded reading of PEM. Nothing here knows what a certificate means.

use der::pem::LineEnding;
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error, PemObject},
};
use zeroize::Zeroizing;

/// Largest certificate bundle read, in bytes. Ten RSA-8192 certificates with their text form
/// (`openssl x509 -text`) take less; a Secret holds at most 1 MiB.
pub(crate) const MAX_BUNDLE: usize = 64 * 1024;

/// Largest private key read, in bytes. An RSA-8192 key takes 6.4 KiB.
pub(crate) const MAX_KEY: usize = 16 * 1024;

/// Most certificates in a bundle: the longest chain that is followed, and some to spare.
pub(crate) const MAX_CERTIFICATES: usize = 10;

/// Largest bundle of roots read, in bytes. The one of a system has 150 certificates in 220 KiB.
const MAX_ROOTS: usize = 1024 * 1024;

const CERTIFICATE_LABEL: &str = "CERTIFICATE";
const KEY_LABELS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// Why bytes are not the PEM that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PemError {
    /// Nothing, or white space only.
    Empty,
    /// More bytes than are read.
    TooLarge { bytes: usize, limit: usize },
    /// More certificates than are read.
    TooManyCertificates { limit: usize },
    /// No block of the expected kind.
    NotPem,
    /// A block's BEGIN or END line is missing.
    Truncated,
    /// A block is damaged: its first line, or its base64.
    Malformed,
    /// The private key is protected by a password.
    Encrypted,
}

/// Every certificate of a bundle, in order. Other blocks are skipped.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    bound(bytes, MAX_BUNDLE)?;
    read(bytes, MAX_CERTIFICATES)
}

/// Every certificate of a file with the roots that somebody trusts, however many.
pub(crate) fn roots(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    bound(bytes, MAX_ROOTS)?;
    read(bytes, usize::MAX)
}

fn read(bytes: &[u8], limit: usize) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let mut certificates = Vec::new();
    for block in CertificateDer::pem_slice_iter(bytes) {
        certificates.push(block.map_err(|error| reason(&error))?);
        if certificates.len() > limit {
            return Err(PemError::TooManyCertificates { limit });
        }
    }
    if certificates.is_empty() {
        Err(absent(bytes, &[CERTIFICATE_LABEL]))
    } else {
        Ok(certificates)
    }
}

/// The first private key: PKCS#8, PKCS#1 or SEC1. Other blocks, such as the EC PARAMETERS that
/// `openssl ecparam -genkey` writes first, are skipped.
pub(crate) fn private_key(bytes: &[u8]) -> Result<Zeroizing<PrivateKeyDer<'static>>, PemError> {
    bound(bytes, MAX_KEY)?;
    if is_encrypted(bytes) {
        return Err(PemError::Encrypted);
    }
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(Error::NoItemsFound) => Err(absent(bytes, &KEY_LABELS)),
        Err(error) => Err(reason(&error)),
    }
}

/// The PEM form of certificates, one after the other.
pub(crate) fn encode<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<String, der::Error> {
    let mut text = String::new();
    for certificate in certificates {
        text += &der::pem::encode_string(CERTIFICATE_LABEL, LineEnding::LF, certificate)?;
    }
    Ok(text)
}

fn bound(bytes: &[u8], limit: usize) -> Result<(), PemError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(PemError::Empty);
    }
    if bytes.len() > limit {
        return Err(PemError::TooLarge {
            bytes: bytes.len(),
            limit,
        });
    }
    Ok(())
}

/// PKCS#8 says so in its label (RFC 7468 §11), the older forms in a header (RFC 1421 §4.6.1.1).
fn is_encrypted(bytes: &[u8]) -> bool {
    contains(bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(bytes, b"Proc-Type: 4,ENCRYPTED")
}

/// A block that has its last line but was not found has lost its first.
fn absent(bytes: &[u8], labels: &[&str]) -> PemError {
    let end = |label: &&str| contains(bytes, format!("-----END {label}-----").as_bytes());
    if labels.iter().any(end) {
        PemError::Truncated
    } else {
        PemError::NotPem
    }
}

fn reason(error: &Error) -> PemError {
    match error {
        Error::MissingSectionEnd { .. } => PemError::Truncated,
        _ => PemError::Malformed,
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
