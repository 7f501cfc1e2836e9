//! `cargo xtask`: everything that is done with this repository, by one entry point. Prints what it
//! runs.

mod cluster_commands;
mod demo;
mod ending;
mod generate;
mod image;
mod mutants;
mod own_cluster;
mod shell;
mod test;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Works on coturn-cert-operator.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the operator at work on a cluster of its own, from nothing to a renewal.
    Demo(demo::Options),
    /// Runs the tests; without a layer, all of them.
    Test(test::Options),
    /// Applies each patch of tests/mutants to a copy and shows which test goes red.
    Mutants(mutants::Options),
    /// Starts, ends and uses the cluster of the tests.
    Cluster {
        #[command(subcommand)]
        command: cluster_commands::Command,
    },
    /// Writes the operator's image as a docker-archive, without a Docker daemon.
    Image(image::Options),
    /// Writes the generated files: the chart's CustomResourceDefinitions.
    Gen {
        /// Write nothing; fail if a file is not as it would be generated.
        #[arg(long)]
        check: bool,
    },
    /// The first process of a cluster; started by `cluster up`.
    #[command(hide = true)]
    ClusterSupervisor { state: PathBuf },
}

fn main() -> ExitCode {
    let result = match Xtask::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Cluster { command } => cluster_commands::run(&command),
        Command::Image(options) => image::run(&options),
        Command::Gen { check } => generate::run(check),
        Command::ClusterSupervisor { state } => {
            cluster::supervisor::run(&state).map_err(Into::into)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
