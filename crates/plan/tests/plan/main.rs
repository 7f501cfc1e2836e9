//! The decisions, each for a world built in a few lines; then all of them together, in a cluster in
//! memory that crashes.

#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod adoption;
mod adoption_refused;
mod broken;
mod budget;
mod clock;
mod coalescing;
mod contest;
mod convergence;
mod growth;
mod immutable;
mod interplay;
mod issuance;
mod kinds;
mod ordinals;
mod ownership;
mod partners;
mod pod_by_pod;
mod proofs;
mod publishing;
mod put_back;
mod recovery;
mod reloader;
mod restart_one;
mod retention;
mod rollout;
mod rollout_hold;
mod self_signed;
mod status;
mod status_rollout;
mod support;
mod taken_back;
mod triggers;
mod working;
