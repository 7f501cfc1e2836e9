//! What came of a scan.

use std::fmt;

use crate::{Alert, Certificate, Demand, Group, Suite, Trouble};

/// What a listener accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// By version, from the oldest.
    pub versions: Vec<Spoken>,
}

impl Scan {
    /// All that was accepted.
    pub fn accepted(&self) -> impl Iterator<Item = (Version, &Accepted)> {
        self.versions.iter().flat_map(|spoken| {
            let accepted = spoken.answer.accepted();
            accepted.map(move |accepted| (spoken.version, accepted))
        })
    }

    /// Whether anything was accepted.
    #[must_use]
    pub fn is_spoken(&self) -> bool {
        self.accepted().next().is_some()
    }
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// SSL 3.0 (RFC 6101; forbidden by RFC 7568).
    Ssl30,
    /// TLS 1.0 (RFC 2246; deprecated by RFC 8996).
    Tls10,
    /// TLS 1.1 (RFC 4346; deprecated by RFC 8996).
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
    /// DTLS 1.0 (RFC 4347; deprecated by RFC 8996).
    Dtls10,
    /// DTLS 1.2 (RFC 6347).
    Dtls12,
}

impl Version {
    /// The groups that have suites of this version.
    pub(crate) fn groups(self) -> impl Iterator<Item = Group> {
        let all = Group::ALL.into_iter();
        all.filter(move |group| group.suites().any(|suite| self.has(suite)))
    }

    /// Whether a suite belongs to it.
    pub(crate) fn has(self, suite: Suite) -> bool {
        match self {
            Self::Tls13 => suite.group == Group::Tls13,
            Self::Tls12 | Self::Dtls12 => suite.group != Group::Tls13,
            Self::Ssl30 | Self::Tls10 | Self::Tls11 | Self::Dtls10 => {
                suite.group != Group::Tls13 && !suite.needs_tls12()
            }
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssl30 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
            Self::Dtls10 => "DTLS 1.0",
            Self::Dtls12 => "DTLS 1.2",
        })
    }
}

/// What a listener makes of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The version.
    pub version: Version,
    /// In short: all that is accepted, or what became of the offer of everything.
    pub answer: Answer,
    /// By group; empty if the version is not spoken at all, or nothing answers.
    pub offers: Vec<Offer>,
    /// The chain that was served, leaf first.
    pub chain: Vec<Certificate>,
    /// Whether a client certificate is asked for.
    pub demand: Demand,
    /// Whether it had an OCSP response beside its certificate (RFC 6066, section 8).
    pub has_staple: bool,
    /// Whether it speaks of secure renegotiation (RFC 5746). Of TLS 1.3, which knows no other, true.
    pub has_secure_renegotiation: bool,
}

impl Spoken {
    /// Before anything was offered.
    pub(crate) const fn unheard(version: Version) -> Self {
        Self {
            version,
            answer: Answer::Accepted(Vec::new()),
            offers: Vec::new(),
            chain: Vec::new(),
            demand: Demand::Unknown,
            has_staple: false,
            has_secure_renegotiation: true,
        }
    }
}

/// What became of a group of suites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The group.
    pub group: Group,
    /// What the server made of those that were offered.
    pub answer: Answer,
    /// Why it is not known whether it accepts more of them than it did.
    pub rest: Option<Trouble>,
    /// Suites of the group that this OpenSSL was built without: they were not offered.
    pub missing: Vec<&'static str>,
}

impl Offer {
    /// Why it is not known what of the group is accepted, or not of all of it.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        match &self.answer {
            Answer::Failed(trouble) => Some(trouble),
            Answer::Accepted(_) | Answer::Refused(_) | Answer::NotTested(_) => self.rest.as_ref(),
        }
    }
}

/// What a server makes of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It chooses these, in this order of its or the client's preference.
    Accepted(Vec<Accepted>),
    /// It chooses nothing, and says so.
    Refused(Alert),
    /// It chooses nothing, for another reason.
    Failed(Trouble),
    /// It was not asked.
    NotTested(String),
}

impl Answer {
    /// Whether it accepts any.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.accepted().next().is_some()
    }

    /// What it accepts.
    pub fn accepted(&self) -> impl Iterator<Item = &Accepted> {
        let accepted = match self {
            Self::Accepted(accepted) => accepted.as_slice(),
            Self::Refused(_) | Self::Failed(_) | Self::NotTested(_) => &[],
        };
        accepted.iter()
    }
}

/// What a server chose, and the client could answer. It counts also where the server then refused the
/// client, as for one without a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The suite's standard name.
    pub suite: String,
    /// The server's key for this handshake alone, if it made one.
    pub ephemeral: Option<Ephemeral>,
}

/// A key for one handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ephemeral {
    /// Finite fields: the size of the prime in bits.
    Dh(u32),
    /// An elliptic curve, by OpenSSL's name for it: `prime256v1`, `X25519`.
    Curve(String),
}
