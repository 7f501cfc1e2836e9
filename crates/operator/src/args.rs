//! Command line and environment.

use std::net::SocketAddr;

use api::WorkloadKind;
use clap::Parser;
use plan::rollout::{SingleRestarts, Touches};

/// Issues, renews and rolls out the certificates of coturn servers.
#[derive(Parser, Clone, Debug)]
#[command(version, about)]
pub struct Args {
    /// Namespace whose resources are served.
    #[arg(long, env = "COTURNCERT_NAMESPACE")]
    pub namespace: String,
    /// Names of the Secrets that the operator may read and write (repeat, or separate by commas).
    /// None: all Secrets of the namespace, which its Role must then allow.
    #[arg(
        long = "secret-name",
        env = "COTURNCERT_SECRET_NAMES",
        value_delimiter = ','
    )]
    pub secret_names: Vec<String>,
    /// Delete single pods that hold another file than the certificate in service where no change of
    /// their template would replace them. The Role must then allow to delete pods.
    #[arg(long, env = "COTURNCERT_RESTART_PODS")]
    pub restart_pods: bool,
    /// Annotate pods through their status to have the kubelet bring a changed Secret into them at once,
    /// where `rollout.strategy` is Reload. The Role must then allow to patch pods/status.
    #[arg(long, env = "COTURNCERT_TOUCH_PODS")]
    pub touch_pods: bool,
    /// Kinds of the workloads that the operator may restart (repeat, or separate by commas). Its
    /// Role must allow them.
    #[arg(
        long = "workload-kind",
        env = "COTURNCERT_WORKLOAD_KINDS",
        value_delimiter = ',',
        value_parser = kind,
        default_values_t = WorkloadKind::ALL
    )]
    pub workload_kinds: Vec<WorkloadKind>,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    #[arg(long, env = "COTURNCERT_LISTEN", default_value = "[::]:8080")]
    pub listen: SocketAddr,
    /// Name of the Lease by which one of several replicas acts.
    #[arg(long, env = "COTURNCERT_LEASE", default_value = "coturn-cert-operator")]
    pub lease: String,
    /// This replica's name in the Lease and in events; in a pod, the pod's name.
    #[arg(long, env = "COTURNCERT_IDENTITY")]
    pub identity: String,
    /// What is logged, as in `RUST_LOG`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log: String,
    /// How the log is written.
    #[arg(long, env = "COTURNCERT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

impl Args {
    /// Whether single pods may be deleted.
    #[must_use]
    pub const fn single_restarts(&self) -> SingleRestarts {
        if self.restart_pods {
            SingleRestarts::Allowed
        } else {
            SingleRestarts::NotAllowed
        }
    }

    /// Whether the kubelet may be hurried.
    #[must_use]
    pub const fn touches(&self) -> Touches {
        if self.touch_pods {
            Touches::Allowed
        } else {
            Touches::NotAllowed
        }
    }
}

/// How the log is written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person's eyes.
    Text,
}

/// The kind of workloads of this name.
fn kind(name: &str) -> Result<WorkloadKind, String> {
    let mut all = WorkloadKind::ALL.into_iter();
    all.find(|kind| kind.as_str() == name).ok_or_else(|| {
        let names = WorkloadKind::ALL.map(WorkloadKind::as_str);
        format!("the kinds of workloads are {}", names.join(", "))
    })
}
