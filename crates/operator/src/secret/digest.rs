//! Digests that tell whether two Secrets hold the same bytes.

use plan::certificate::Digest;
use sha2::{Digest as _, Sha256};

/// Digests of a pair and of its roots.
pub fn of(certificate: &[u8], key: &[u8], roots: &[u8]) -> Digest {
    Digest {
        pair: sha256(&[certificate, key]),
        roots: sha256(&[roots]),
    }
}

/// Each part is preceded by its length, so that no two lists of parts collide.
fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
