//! Private key algorithms and sizes.

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The private key of a certificate. Every certificate gets a fresh one.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = (
    "!has(self.size) || (self.algorithm == 'RSA' ? self.size in [2048, 3072, 4096] : self.size in [256, 384])",
    "privateKey.size must be 256 or 384 for ECDSA, and 2048, 3072 or 4096 for RSA"
))]
#[serde(rename_all = "camelCase")]
pub struct PrivateKey {
    /// ECDSA (default) or RSA. Ed25519 is not offered: coturn has no cipher for it.
    #[serde(default)]
    pub algorithm: PrivateKeyAlgorithm,
    /// Bits: 256 (default) or 384 for ECDSA; 2048, 3072 (default) or 4096 for RSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 256, max = 4096))]
    pub size: Option<u32>,
}

/// A public key algorithm.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PrivateKeyAlgorithm {
    /// ECDSA over a NIST curve.
    #[default]
    #[serde(rename = "ECDSA")]
    Ecdsa,
    /// RSA with PKCS#1 v1.5 or PSS signatures.
    #[serde(rename = "RSA")]
    Rsa,
}

impl PrivateKeyAlgorithm {
    /// The name, as it stands in manifests and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecdsa => "ECDSA",
            Self::Rsa => "RSA",
        }
    }
}

impl fmt::Display for PrivateKeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Algorithm and size of a key that can be asked for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// ECDSA, NIST P-256.
    EcdsaP256,
    /// ECDSA, NIST P-384.
    EcdsaP384,
    /// RSA, 2048 bits.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// RSA, 4096 bits.
    Rsa4096,
}

impl KeyKind {
    /// Whether a key of this kind does where `other` is asked for: of the same algorithm if it is as
    /// large, of the other in any case, as both begin at what is secure.
    #[must_use]
    pub const fn is_as_strong_as(self, other: Self) -> bool {
        match (self, other) {
            (Self::EcdsaP256, Self::EcdsaP384)
            | (Self::Rsa2048, Self::Rsa3072 | Self::Rsa4096)
            | (Self::Rsa3072, Self::Rsa4096) => false,
            (
                Self::EcdsaP256 | Self::EcdsaP384 | Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096,
                Self::EcdsaP256 | Self::EcdsaP384 | Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096,
            ) => true,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA-256",
            Self::EcdsaP384 => "ECDSA-384",
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa4096 => "RSA-4096",
        })
    }
}

/// A size that the algorithm does not have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "spec.privateKey.size {size} does not exist for {algorithm}; ECDSA has 256 and 384, RSA 2048, 3072 and 4096"
)]
pub struct InvalidKey {
    algorithm: PrivateKeyAlgorithm,
    size: u32,
}

impl PrivateKey {
    /// The key asked for, with the default size where none is given.
    pub fn kind(&self) -> Result<KeyKind, InvalidKey> {
        match (self.algorithm, self.size) {
            (PrivateKeyAlgorithm::Ecdsa, None | Some(256)) => Ok(KeyKind::EcdsaP256),
            (PrivateKeyAlgorithm::Ecdsa, Some(384)) => Ok(KeyKind::EcdsaP384),
            (PrivateKeyAlgorithm::Rsa, Some(2048)) => Ok(KeyKind::Rsa2048),
            (PrivateKeyAlgorithm::Rsa, None | Some(3072)) => Ok(KeyKind::Rsa3072),
            (PrivateKeyAlgorithm::Rsa, Some(4096)) => Ok(KeyKind::Rsa4096),
            (algorithm, Some(size)) => Err(InvalidKey { algorithm, size }),
        }
    }
}
