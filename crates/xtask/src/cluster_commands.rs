//! `cargo xtask cluster`.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Subcommand;
use cluster::{Cluster, Lifetime, Lines, NodeMode, Options};

use crate::shell;

/// What to do with the cluster.
#[derive(Subcommand)]
pub enum Command {
    /// Starts it, or finds it running.
    Up {
        /// Control plane only: no pods, no root needed.
        #[arg(long)]
        no_node: bool,
    },
    /// Ends it; nothing of it stays but its logs.
    Down,
    /// Shows its components.
    Status,
    /// Prints shell commands that set KUBECONFIG and PATH.
    Env,
    /// Loads an image from a docker-archive.
    LoadImage {
        /// The archive.
        archive: PathBuf,
    },
    /// Runs kubectl on it.
    #[command(trailing_var_arg = true)]
    Kubectl {
        /// What follows `kubectl`.
        #[arg(allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs Helm on it.
    #[command(trailing_var_arg = true)]
    Helm {
        /// What follows `helm`.
        #[arg(allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// The state folder that is used: the environment's, or the default.
pub fn state() -> PathBuf {
    env::var_os(cluster::STATE_VARIABLE).map_or_else(cluster::default_state, PathBuf::from)
}

/// The cluster that runs there.
pub fn attach(state: &Path) -> anyhow::Result<Cluster> {
    Cluster::attach(state)?.context("no cluster runs; start one with `cargo xtask cluster up`")
}

/// Does what is asked.
pub fn run(command: &Command) -> anyhow::Result<()> {
    let state = state();
    match command {
        Command::Up { no_node } => up(state, *no_node),
        Command::Down => Ok(cluster::down(&state)?),
        Command::Status => status(&state),
        Command::Env => {
            print_environment(&attach(&state)?);
            Ok(())
        }
        Command::LoadImage { archive } => attach(&state)?
            .load_image(archive)
            .map(drop)
            .map_err(Into::into),
        Command::Kubectl { arguments } => {
            shell::become_program(attach(&state)?.kubectl().args(arguments))
        }
        Command::Helm { arguments } => {
            shell::become_program(attach(&state)?.helm().args(arguments))
        }
    }
}

/// The cluster's kubectl and helm come first: others may be of versions that do not fit.
fn print_environment(cluster: &Cluster) {
    for (name, value) in cluster.env() {
        println!("export {name}='{}'", value.display());
    }
    let mut folders = Vec::new();
    for program in ["kubectl", "helm"] {
        if let Some(folder) = cluster.program(program).parent()
            && !folders.contains(&folder.to_owned())
        {
            folders.push(folder.to_owned());
        }
    }
    for folder in folders.iter().rev() {
        println!("export PATH='{}':\"$PATH\"", folder.display());
    }
}

fn up(state: PathBuf, no_node: bool) -> anyhow::Result<()> {
    let real = Options::real(state);
    let options = if no_node {
        Options {
            node: NodeMode::None,
            lifetime: Lifetime::Kept,
            ..real
        }
    } else {
        real
    };
    let cluster = cluster::up(&options, &Lines)?;
    println!("export KUBECONFIG='{}'", cluster.kubeconfig().display());
    Ok(())
}

fn status(state: &Path) -> anyhow::Result<()> {
    for component in attach(state)?.status()? {
        let word = if component.running {
            "running"
        } else {
            "stopped"
        };
        println!(
            "{:<26} {word}, {} restarts",
            component.name, component.restarts
        );
    }
    Ok(())
}
