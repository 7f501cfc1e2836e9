//! Scenarios on a real cluster: kubelet, containerd, coturn, the chart and the image of this tree.
//! `cargo xtask test e2e` brings the cluster up and runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario that does not hold must stop"
)]

mod authority;
mod install;
mod isolation;
mod ownership;
mod quiet;
mod renewal;
mod repair;
mod restart;
mod rollback;
mod two;
mod workload_life;
mod workload_scale;
mod workload_stuck;
mod workload_update;
