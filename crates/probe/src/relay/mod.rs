//! The way to a partner through the agent beside coturn: partners filter by address, and the pod's is not
//! the operator's.
//!
//! One TCP connection with mutual TLS 1.3 carries the datagrams of one handshake. Either end is known to
//! the other by its leaf, which is one that lies in the pod, and by nothing else. The key that the partner
//! is shown stays where the handshake is made: the agent sees DTLS records.
//!
//! In the stream stand frames: a length (16 bits, big endian) and so many bytes.
//! 1. The client's first frame names the partner, `host:port`.
//! 2. The agent's first frame is empty if it relays; else it says in UTF-8 why not, and the stream ends.
//! 3. Each further frame is a datagram. An empty one from the agent says that the partner's port is closed.

mod bounded;
mod client;
mod frames;
mod partner;
mod tunnel;

pub(crate) use client::Path;
pub use client::{Relay, dial_through};
pub use frames::Frames;
pub use partner::{Partner, PartnerError};
pub use tunnel::{Accepted, Tunnel, TunnelError};
