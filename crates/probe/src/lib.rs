//! What a server really serves: TLS and DTLS handshakes as a client, all that a listener accepts, and
//! the rehearsal of a pair between two ends in memory.
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
mod scan;
mod socket;
mod software;
mod suite;
mod target;
mod verify;
mod wire;

pub use alert::Alert;
pub use dial::dial;
pub use identity::{Identity, IdentityError};
pub use rehearsal::{Purposes, Rehearsal, RehearsalError, Verifier, rehearse};
pub use relay::{Partner, Relay, dial_through};
pub use report::{Certificate, Demand, Outcome, Report, Session, Trouble};
pub use scan::{
    Accepted, Answer, Ephemeral, Offer, Scan, ScanTarget, Spoken, Transport, Version, scan,
};
pub use software::{Software, software};
pub use suite::{Group, Suite};
pub use target::{Limits, Protocol, Target};
pub use verify::{Names, VerifyError, names, verify};
