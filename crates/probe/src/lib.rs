//! What a server really serves: TLS and DTLS handshakes as a client, and the rehearsal of a pair
//! between two ends in memory.
//!
//! Blocking, and without a decision: who dials says whom, how long and how much, and judges the
//! [`Report`]. Nothing that a server sends is trusted; every handshake is bounded in time and bytes.

mod alert;
mod dial;
mod handshake;
mod identity;
mod memory;
mod rehearsal;
pub mod relay;
mod report;
mod socket;
mod target;
mod wire;

pub use alert::Alert;
pub use dial::dial;
pub use identity::{Identity, IdentityError};
pub use rehearsal::{Purposes, Rehearsal, RehearsalError, Verifier, rehearse};
pub use relay::{Partner, Relay, dial_through};
pub use report::{Certificate, Demand, Outcome, Report, Session, Trouble};
pub use target::{Limits, Protocol, Target};
