//! The decisions of coturn-cert-operator, and nothing else.
//!
//! Each plan is a pure function from what was observed, and the time, to at most one write. It
//! remembers nothing: every point at which the operator may be killed is just another observation.
//! No client, no clock, no randomness, no cryptography beyond comparing fingerprints.

pub mod certificate;
pub mod contest;
mod object;
pub mod partner;
pub mod publication;
mod renewal;
pub mod rollout;
pub mod store;

pub use contest::Contest;
pub use object::{Precondition, Refusal, Version};
pub use renewal::{RenewalPolicy, renewal_time};
