//! Scenarios on a real cluster: kubelet, containerd, coturn, the chart and the image of this tree.
//! `cargo xtask test e2e` brings the cluster up and runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario that does not hold must stop"
)]

mod adoption;
mod agent;
mod audit;
mod authority;
mod budget;
mod dial;
mod install;
mod isolation;
mod kinds;
mod ordinals;
mod ownership;
mod partner;
mod pod_by_pod;
mod quiet;
mod reload;
mod renewal;
mod repair;
mod restart;
mod rollback;
mod self_signed;
mod single;
mod taken_back;
mod two;
mod verified;
mod workload_life;
mod workload_scale;
mod workload_stuck;
mod workload_update;
