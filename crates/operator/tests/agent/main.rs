//! `coturn-cert-operator agent` as a process among processes: real signals, real files, a pid namespace of
//! each test's own as a pod has it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod coturn;
mod life;
mod mount;
mod pod;
mod reload;
mod wait;
