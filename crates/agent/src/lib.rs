//! The agent: beside coturn in its pod, without a right in the cluster. It has coturn read a changed
//! certificate by SIGUSR2, and lends the operator the pod's address for handshakes with partners.
//!
//! Here is also how it gets into a pod that a Helm chart of somebody else's makes ([`sidecar`]).

mod args;
pub mod endpoints;
mod metrics;
mod pair;
mod process;
mod relay;
mod reload;
mod run;
pub mod sidecar;
mod status;
#[cfg(test)]
mod testing;
mod watch;

pub use args::AgentArgs;
pub use relay::CONNECTIONS as RELAYED_AT_ONCE;
pub use run::{StartError, run};
