//! Command line and environment.

use std::net::SocketAddr;

use agent::{AgentArgs, sidecar::PostRenderArgs};
use api::WorkloadKind;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use plan::rollout::{SingleRestarts, Touches};

/// What the binary is asked to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// To be the operator: what it does without a subcommand.
    Operator(Args),
    /// To be the agent beside coturn.
    Agent {
        /// Its options.
        agent: AgentArgs,
        /// Its log.
        log: LogArgs,
    },
    /// To add the agent to a chart's manifests.
    PostRender(PostRenderArgs),
}

// Its documentation would take the place of the program's.
#[derive(Subcommand)]
enum Named {
    /// Run beside coturn: have it reload a changed certificate, and relay handshakes to partners.
    Agent {
        #[command(flatten)]
        agent: AgentArgs,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Add the agent to a workload among the manifests on standard input, as a post-renderer of Helm's.
    PostRender(PostRenderArgs),
}

impl Command {
    /// Reads the command line and the environment; ends the process if they are not understood.
    #[must_use]
    pub fn parse() -> Self {
        Self::of(&Self::grammar().get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// The operator's options, which a subcommand makes unnecessary.
    fn grammar() -> clap::Command {
        Named::augment_subcommands(Args::command())
            .subcommand_required(false)
            .arg_required_else_help(false)
            .subcommand_negates_reqs(true)
            .args_conflicts_with_subcommands(true)
    }

    fn of(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if matches.subcommand_name().is_none() {
            return Args::from_arg_matches(matches).map(Self::Operator);
        }
        Named::from_arg_matches(matches).map(|named| match named {
            Named::Agent { agent, log } => Self::Agent { agent, log },
            Named::PostRender(args) => Self::PostRender(args),
        })
    }
}

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
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What is logged, and how.
#[derive(clap::Args, Clone, Debug)]
pub struct LogArgs {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("coturn-cert-operator").chain(line.split_whitespace());
        Command::of(&Command::grammar().try_get_matches_from(words)?)
    }

    #[test]
    fn without_a_subcommand_it_is_the_operator() {
        let Ok(Command::Operator(args)) = parsed("--namespace turn --identity pod-0") else {
            panic!("something else")
        };
        assert_eq!(
            (args.namespace.as_str(), args.identity.as_str()),
            ("turn", "pod-0")
        );
        assert!(parsed("--namespace turn").is_err());
    }

    #[test]
    fn its_help_tells_what_the_program_is_for() {
        let about = Command::grammar().get_about().unwrap().to_string();
        assert!(about.starts_with("Issues, renews"), "{about}");
    }

    #[test]
    fn the_agent_needs_nothing_of_the_operators() {
        let Ok(Command::Agent { agent, log }) =
            parsed("agent --watch /pair --partner coturn.partner.example:9191 --log debug")
        else {
            panic!("something else")
        };
        assert_eq!(agent.watch, [std::path::PathBuf::from("/pair")]);
        assert_eq!(agent.partners[0].to_string(), "coturn.partner.example:9191");
        assert_eq!(log.log, "debug");
        assert!(parsed("agent").is_err());
    }
}
