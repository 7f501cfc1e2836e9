//! Whom to dial, and how far to go.

use std::{net::SocketAddr, time::Duration};

/// A server to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it is spoken to in.
    pub protocol: Protocol,
    /// What the client says that it looks for (RFC 6066, section 3); no IP address may stand there.
    pub server_name: Option<String>,
}

/// A protocol and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// DTLS 1.2 over UDP (RFC 6347): what coturn's federation speaks.
    Dtls12,
    /// TLS 1.2 over TCP (RFC 5246).
    Tls12,
    /// TLS 1.3 over TCP (RFC 8446).
    Tls13,
    /// TLS over TCP of whichever of the two versions the server prefers.
    Tls,
}

/// How far a handshake may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first packet to the end.
    pub time: Duration,
    /// Bytes that are read; more is a server that is none.
    pub bytes: usize,
}

impl Default for Limits {
    /// coturn's own limit for a federation handshake is 10 s; a chain of four certificates with RSA
    /// keys is below 10 kB.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            bytes: 256 * 1024,
        }
    }
}
