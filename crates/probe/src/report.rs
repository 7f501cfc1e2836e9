//! What came of a handshake.

use std::{fmt, time::Duration};

use api::Fingerprint;

use crate::Alert;

/// What a server showed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The chain that the server served, leaf first. There also where it refused the client afterwards;
    /// empty if it did not come that far.
    pub chain: Vec<Certificate>,
    /// What was agreed on, once it was.
    pub session: Option<Session>,
    /// Whether it asked for a client certificate.
    pub demand: Demand,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// Fingerprint of the leaf that the server serves, if it showed one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.chain.first().map(|leaf| leaf.fingerprint)
    }
}

/// A certificate as it was served. Nothing of it has been verified but that the server holds the key
/// of the leaf, and that only if the handshake was completed.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the DER encoding.
    pub fingerprint: Fingerprint,
    /// DER.
    pub der: Vec<u8>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate")
            .field(&self.fingerprint)
            .finish()
    }
}

/// What both ends agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// As OpenSSL names it: `DTLSv1.2`, `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite's standard name (RFC 8447): `TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384`.
    pub cipher: String,
}

/// Whether the server asked for a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Demand {
    /// It did; whether it insists, the outcome without one tells.
    Asked,
    /// It did not.
    NotAsked,
    /// The handshake ended before it would have.
    Unknown,
}

/// How a handshake ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was completed, and the server has taken what the client presented, where it asked for that.
    Completed,
    /// It was completed as far as the client can tell, and the server, which judges afterwards what it was
    /// shown (TLS 1.3), has said nothing to that in time.
    Unanswered,
    /// The server ended it by a fatal alert.
    Refused(Alert),
    /// It came to no end, for another reason.
    Failed(Trouble),
}

/// Why a handshake came to no end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The port is closed (TCP reset, or ICMP port unreachable before any answer).
    #[error("nothing listens there, or a firewall rejects it")]
    Closed,
    /// The system cannot send to the address.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// Nothing was received.
    #[error(
        "nothing answered in {} s: a firewall or a NetworkPolicy is in the way, or it is no such server",
        .0.as_secs_f32()
    )]
    Silent(Duration),
    /// Something was received, and not enough.
    #[error("the handshake was not completed in {} s", .0.as_secs_f32())]
    Slow(Duration),
    /// More was received than a server has to say.
    #[error("more than {0} bytes were received without an end of the handshake")]
    Endless(usize),
    /// The connection ended.
    #[error("the connection was closed during the handshake")]
    Cut,
    /// What was received is no such protocol, or breaks its rules.
    #[error("what answers breaks the protocol: {0}")]
    Broken(String),
    /// The client's own end could not be set up.
    #[error("no handshake was begun: {0}")]
    NotBegun(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("the handshake was completed"),
            Self::Unanswered => {
                f.write_str("the handshake was completed, and whether the server takes the certificate is not known")
            }
            Self::Refused(alert) => write!(f, "the server refused: {}; {alert}", alert.meaning()),
            Self::Failed(trouble) => trouble.fmt(f),
        }
    }
}
