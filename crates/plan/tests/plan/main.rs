//! The decisions, each for a world built in a few lines; then all of them together, in a cluster in
//! memory that crashes.

#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clock;
mod coalescing;
mod convergence;
mod immutable;
mod issuance;
mod ownership;
mod publishing;
mod recovery;
mod rollout;
mod rollout_hold;
mod status;
mod status_rollout;
mod support;
mod triggers;
