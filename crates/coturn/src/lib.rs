//! What a coturn is configured to do: upstream 4.5 to 4.17, and Wire's fork of it, which federates.
//!
//! Pure: texts come in as arguments, and nothing is judged here that coturn does not decide itself.

mod whitelist;

pub use whitelist::{Entry, PeerNames, Refusal, Verdict, Whitelist};
