//! Command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use coturn::Version;

use crate::{finding::Severity, guideline::Policy, read::Workload};

/// Looks after the certificates of coturn servers.
#[derive(Parser, Clone, Debug)]
#[command(name = "kubectl coturn-cert", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Says what of a coturn does not hold against a policy: how it is configured, and what its listeners
    /// accept. Ends with 0 if nothing was found, 1 if something was, 2 if it could not look.
    Audit(Audit),
    /// Prints the lines of turnserver.conf for a policy, with the reason of each.
    Harden(Harden),
}

/// Options of `audit`.
#[derive(clap::Args, Clone, Debug)]
pub struct Audit {
    /// What runs coturn: statefulset/NAME, deployment/NAME, daemonset/NAME or pod/NAME. Default: the one
    /// workload of the namespace that does.
    pub workload: Option<Workload>,
    /// Namespace; default: that of the kubeconfig's context.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig.
    #[arg(long)]
    pub context: Option<String>,
    /// Container that runs coturn, if it cannot be told by its image or command.
    #[arg(short, long)]
    pub container: Option<String>,
    /// Addresses at which to scan in place of the pod's own (repeat). Each is scanned as the listener that
    /// is configured for its port, or as TLS and as DTLS.
    #[arg(long = "address", value_name = "HOST:PORT")]
    pub addresses: Vec<String>,
    /// How to reach the pod.
    #[arg(long, value_enum, default_value_t)]
    pub via: Via,
    /// Policy of Mozilla's guideline to hold it against.
    #[arg(long, value_enum, default_value_t)]
    pub policy: Policy,
    /// Names that the certificate has to have (repeat).
    #[arg(long = "name")]
    pub names: Vec<String>,
    /// PEM file with the roots that clients or partners trust: the chain has to lead to one.
    #[arg(long)]
    pub trusted: Option<PathBuf>,
    /// Version of coturn, if the image's tag does not tell, nor the server itself: 4.6.1.
    #[arg(long = "coturn-version", value_parser = version)]
    pub version: Option<Version>,
    /// Findings of this severity or a graver one make it end with 1.
    #[arg(long, value_enum, default_value_t = Severity::High)]
    pub fail_on: Severity,
    /// How it is told.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// Options of `harden`.
#[derive(clap::Args, Clone, Debug)]
pub struct Harden {
    /// Policy of Mozilla's guideline.
    #[arg(long, value_enum, default_value_t)]
    pub policy: Policy,
    /// Version of coturn: 4.6, 4.17.1, or 4.6.2-federation for Wire's fork.
    #[arg(long = "for", value_name = "VERSION", default_value = "4.17", value_parser = build)]
    pub build: coturn::Build,
}

/// How to reach a pod.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// At its own address; TLS by a port-forward where that is out of reach.
    #[default]
    Auto,
    /// At its own address alone.
    Direct,
    /// By a port-forward alone, which cannot carry DTLS.
    PortForward,
}

/// How a report is told.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// For a person's eyes.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For an issue or a wiki.
    Markdown,
}

fn version(text: &str) -> Result<Version, String> {
    let version = Version::parse(text).filter(|version| version.major == 4);
    version.ok_or_else(|| "a version of coturn is 4 and two numbers: 4.6.1".to_owned())
}

/// The first version that has the options of those that came after it.
const HARDENABLE: Version = Version::new(4, 5, 1).with_revision(2);

fn build(text: &str) -> Result<coturn::Build, String> {
    let version = version(text)?;
    if version.is_at_least(HARDENABLE) == Some(false) {
        return Err(format!(
            "no lines are known for a coturn before {HARDENABLE}"
        ));
    }
    Ok(coturn::Build {
        version: Some(version),
        is_fork: text.contains("federation"),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_version_may_be_of_the_fork() {
        assert!(build("4.6.2-federation-wireapp.49").unwrap().is_fork);
        assert_eq!(build("4.6").unwrap().version, Version::parse("4.6"));
        assert!(build("4.5.1.1").is_err() && build("4.5.1.2").is_ok() && build("4.5").is_ok());
        assert!(build("5.0").is_err());
    }
}
