//! An exhaustive model check: the real plans against a small model of the API server, of the
//! StatefulSet's controller and of the kubelet, through every order of events within stated bounds.
//! The guarantees hold in every situation; where nobody has anything left to do, what is wanted is
//! reached, or the status names what is in the way. Decision 11 tells what is taken for granted.
//!
//! `scenarios` and `scenarios_with_proofs` state the bounds, `search` goes through them, `state` is a
//! situation and `observing` what is told of it, `operator`, `workload`, `probing`, `kubernetes` and `hands`
//! are what happens, `guarantees`, `evictions`, `taking_back` and `endings` what must hold.

#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod canonical;
mod cycle;
mod endings;
mod evictions;
mod facts;
mod guarantees;
mod hands;
mod kubernetes;
mod memory;
mod observing;
mod operator;
mod probing;
mod scenario;
mod scenarios;
mod scenarios_with_proofs;
mod search;
mod state;
mod step;
#[path = "../plan/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the other tests of plan"
)]
mod support;
mod taking_back;
mod workload;
