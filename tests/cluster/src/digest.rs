//! SHA-256 as lower-case hexadecimal digits.

use sha2::{Digest as _, Sha256};

/// The digest of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    hex_of(Sha256::new_with_prefix(bytes))
}

/// The digest of what `hasher` has seen.
pub(crate) fn hex_of(hasher: Sha256) -> String {
    format!("{:x}", hasher.finalize())
}
