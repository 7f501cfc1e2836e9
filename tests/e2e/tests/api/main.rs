//! Tests on a real kube-apiserver without a node: the schema, its rules, the chart and
//! its permissions. `cargo xtask test api` starts the control plane and runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that does not hold must stop"
)]

mod chart;
mod model;
mod permissions;
mod schema;
