//! Key usages and extended key usages under cert-manager's names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a certificate's key may be used for (RFC 5280 §4.2.1.3 and §4.2.1.12), under the names
/// that cert-manager gives them. Only usages that TLS and DTLS know are offered.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum Usage {
    /// keyUsage digitalSignature: every ECDHE handshake needs it.
    #[serde(rename = "digital signature")]
    DigitalSignature,
    /// keyUsage keyEncipherment: RSA key transport, which TLS 1.3 no longer has.
    #[serde(rename = "key encipherment")]
    KeyEncipherment,
    /// keyUsage keyAgreement: static ECDH.
    #[serde(rename = "key agreement")]
    KeyAgreement,
    /// extendedKeyUsage serverAuth, 1.3.6.1.5.5.7.3.1.
    #[serde(rename = "server auth")]
    ServerAuth,
    /// extendedKeyUsage clientAuth, 1.3.6.1.5.5.7.3.2.
    #[serde(rename = "client auth")]
    ClientAuth,
}

impl Usage {
    /// What federation needs: both ends of each DTLS association show the same certificate, once
    /// as server and once as client.
    pub const DEFAULT: [Self; 3] = [Self::DigitalSignature, Self::ServerAuth, Self::ClientAuth];

    /// cert-manager's name of the usage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DigitalSignature => "digital signature",
            Self::KeyEncipherment => "key encipherment",
            Self::KeyAgreement => "key agreement",
            Self::ServerAuth => "server auth",
            Self::ClientAuth => "client auth",
        }
    }
}
