//! What tests on a real API server and on a real cluster share: a namespace of their own with a CA,
//! the operator in it, and eyes for what happens there.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's world that does not hold must stop the test"
)]

pub mod audit;
pub mod dtls;
mod environment;
pub mod fixtures;
pub mod gate;
pub mod held;
pub mod history;
pub mod kubelet;
pub mod operator;
pub mod partner;
pub mod proxy;
pub mod wait;
pub mod watch;
mod world;

/// Held for writing by whoever changes the schema, which all tests of a cluster share, and for reading
/// by whoever counts requests: each operator reads its resources anew after a change.
pub static SCHEMA: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

pub use environment::{Environment, root, run};
pub use world::{WorkloadState, World};
