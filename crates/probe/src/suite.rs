//! The cipher suites that a scan offers, in groups that stand and fall together.

use std::fmt;

/// What suites have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// TLS 1.3's own: forward secret, authenticated (RFC 8446).
    Tls13,
    /// Ephemeral elliptic curves, authenticated encryption.
    EcdheAead,
    /// Ephemeral Diffie-Hellman, authenticated encryption.
    DheAead,
    /// Ephemeral elliptic curves, AES in CBC mode.
    EcdheCbc,
    /// Ephemeral Diffie-Hellman, AES in CBC mode.
    DheCbc,
    /// The server's RSA key encrypts: not forward secret; authenticated encryption.
    RsaAead,
    /// The server's RSA key encrypts: not forward secret; AES in CBC mode.
    RsaCbc,
    /// Camellia, SEED and IDEA.
    Rare,
    /// Triple DES: blocks of 64 bits (SWEET32).
    TripleDes,
    /// RC4 (forbidden by RFC 7465).
    Rc4,
    /// Single DES and what was weakened for export.
    Export,
    /// No certificate: whoever is in between may be the server.
    Anonymous,
    /// No encryption.
    Null,
}

/// A suite: its standard name, and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Suite {
    /// As IANA registers it: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
    pub name: &'static str,
    /// Its group.
    pub group: Group,
}

impl Group {
    /// All, the better ones first.
    pub const ALL: [Self; 13] = [
        Self::Tls13,
        Self::EcdheAead,
        Self::DheAead,
        Self::EcdheCbc,
        Self::DheCbc,
        Self::RsaAead,
        Self::RsaCbc,
        Self::Rare,
        Self::TripleDes,
        Self::Rc4,
        Self::Export,
        Self::Anonymous,
        Self::Null,
    ];

    /// Its suites.
    pub fn suites(self) -> impl Iterator<Item = Suite> {
        let names = self.names().iter();
        names.map(move |name| Suite { name, group: self })
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Tls13 => TLS13,
            Self::EcdheAead => ECDHE_AEAD,
            Self::DheAead => DHE_AEAD,
            Self::EcdheCbc => ECDHE_CBC,
            Self::DheCbc => DHE_CBC,
            Self::RsaAead => RSA_AEAD,
            Self::RsaCbc => RSA_CBC,
            Self::Rare => RARE,
            Self::TripleDes => TRIPLE_DES,
            Self::Rc4 => RC4,
            Self::Export => EXPORT,
            Self::Anonymous => ANONYMOUS,
            Self::Null => NULL,
        }
    }
}

impl Suite {
    /// Whether it came with TLS 1.2 (RFC 5246), and is no suite of earlier versions: it names a hash
    /// of its own, or none.
    #[must_use]
    pub fn needs_tls12(self) -> bool {
        !(self.name.ends_with("_SHA") || self.name.ends_with("_MD5"))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls13 => "TLS 1.3's suites",
            Self::EcdheAead => "ECDHE with GCM, CCM or ChaCha20",
            Self::DheAead => "DHE with GCM, CCM or ChaCha20",
            Self::EcdheCbc => "ECDHE with AES-CBC",
            Self::DheCbc => "DHE with AES-CBC",
            Self::RsaAead => "RSA key exchange with GCM or CCM",
            Self::RsaCbc => "RSA key exchange with AES-CBC",
            Self::Rare => "Camellia, SEED and IDEA",
            Self::TripleDes => "triple DES",
            Self::Rc4 => "RC4",
            Self::Export => "DES and export suites",
            Self::Anonymous => "suites without a certificate",
            Self::Null => "suites without encryption",
        })
    }
}

const TLS13: &[&str] = &[
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
];

const ECDHE_AEAD: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
    "TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256",
];

const DHE_AEAD: &[&str] = &[
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_CCM",
    "TLS_DHE_RSA_WITH_AES_128_CCM",
    "TLS_DHE_RSA_WITH_AES_256_CCM_8",
    "TLS_DHE_RSA_WITH_AES_128_CCM_8",
    "TLS_DHE_RSA_WITH_ARIA_256_GCM_SHA384",
    "TLS_DHE_RSA_WITH_ARIA_128_GCM_SHA256",
];

const ECDHE_CBC: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
];

const DHE_CBC: &[&str] = &[
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
];

const RSA_AEAD: &[&str] = &[
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CCM",
    "TLS_RSA_WITH_AES_128_CCM",
    "TLS_RSA_WITH_AES_256_CCM_8",
    "TLS_RSA_WITH_AES_128_CCM_8",
    "TLS_RSA_WITH_ARIA_256_GCM_SHA384",
    "TLS_RSA_WITH_ARIA_128_GCM_SHA256",
];

const RSA_CBC: &[&str] = &[
    "TLS_RSA_WITH_AES_256_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
];

const RARE: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384",
    "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256",
    "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256",
    "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256",
    "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA",
    "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256",
    "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256",
    "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA",
    "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA",
    "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA",
    "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA",
    "TLS_DHE_RSA_WITH_SEED_CBC_SHA",
    "TLS_RSA_WITH_SEED_CBC_SHA",
    "TLS_RSA_WITH_IDEA_CBC_SHA",
];

const TRIPLE_DES: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
];

const RC4: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_RC4_128_MD5",
];

const EXPORT: &[&str] = &[
    "TLS_DHE_RSA_WITH_DES_CBC_SHA",
    "TLS_RSA_WITH_DES_CBC_SHA",
    "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA",
    "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA",
    "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5",
    "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
];

const ANONYMOUS: &[&str] = &[
    "TLS_DH_anon_WITH_AES_256_GCM_SHA384",
    "TLS_DH_anon_WITH_AES_128_GCM_SHA256",
    "TLS_DH_anon_WITH_AES_256_CBC_SHA256",
    "TLS_DH_anon_WITH_AES_128_CBC_SHA256",
    "TLS_DH_anon_WITH_AES_256_CBC_SHA",
    "TLS_DH_anon_WITH_AES_128_CBC_SHA",
    "TLS_ECDH_anon_WITH_AES_256_CBC_SHA",
    "TLS_ECDH_anon_WITH_AES_128_CBC_SHA",
    "TLS_ECDH_anon_WITH_NULL_SHA",
];

const NULL: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_NULL_SHA",
    "TLS_ECDHE_RSA_WITH_NULL_SHA",
    "TLS_RSA_WITH_NULL_SHA256",
    "TLS_RSA_WITH_NULL_SHA",
    "TLS_RSA_WITH_NULL_MD5",
];
