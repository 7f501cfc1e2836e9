//! Command line and environment of the agent.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use probe::Partner;

/// The port of the endpoints unless another is named.
pub(crate) const PORT: u16 = 9797;
/// The port of the relay unless another is named.
pub(crate) const RELAY_PORT: u16 = 9798;

/// Runs beside coturn in its pod: has it read a changed certificate by SIGUSR2, once per change, and
/// relays the operator's handshakes to partners.
#[derive(Args, Clone, Debug)]
pub struct AgentArgs {
    /// Directory in which a pair is mounted, as tls.crt and tls.key (repeat for more). The first one's is
    /// the one by which the operator and the relay know each other.
    #[arg(
        long,
        env = "COTURNCERT_AGENT_WATCH",
        value_delimiter = ',',
        required = true
    )]
    pub watch: Vec<PathBuf>,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    #[arg(long, env = "COTURNCERT_AGENT_LISTEN", default_value_t = everywhere(PORT))]
    pub listen: SocketAddr,
    /// Address of the relay. Nothing listens there without a partner.
    #[arg(
        long,
        env = "COTURNCERT_AGENT_RELAY_LISTEN",
        default_value_t = everywhere(RELAY_PORT)
    )]
    pub relay_listen: SocketAddr,
    /// A partner, as HOST:PORT, to whose federation port the relay may send (repeat for more).
    #[arg(
        long = "partner",
        env = "COTURNCERT_AGENT_PARTNERS",
        value_delimiter = ','
    )]
    pub partners: Vec<Partner>,
}

/// A port of every address that there is.
pub(crate) fn everywhere(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}
