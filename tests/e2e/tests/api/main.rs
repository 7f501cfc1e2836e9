//! Tests on a real kube-apiserver without a node: the schema, its rules, the chart, its permissions,
//! and the operator as a process: killed, and in surroundings that fail. `cargo xtask test api` starts
//! the control plane and runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that does not hold must stop"
)]

mod anew;
mod chart;
mod kills;
mod model;
mod one_secret;
mod permissions;
mod scene;
mod schema;
mod surroundings;
mod undone;
