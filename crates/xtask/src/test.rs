//! `cargo xtask test`: the layers of tests, from fast to real.

use std::{env, path::PathBuf, process::Command, time::Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use cluster::Options as ClusterOptions;

use crate::{
    ending, generate, image,
    mutants::{self, Unbroken},
    own_cluster::OwnCluster,
    shell,
};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Options {
    /// Only these layers.
    #[arg(value_enum)]
    layers: Vec<Layer>,
    /// Only tests whose name contains this, in the layers that run tests.
    #[arg(long)]
    filter: Option<String>,
}

/// A layer of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layer {
    /// rustfmt, and generated files.
    Format,
    /// clippy.
    Lint,
    /// Unit and property tests of all crates.
    Unit,
    /// Tests on a real kube-apiserver, some with the operator as a process.
    Api,
    /// Scenarios on a real cluster with real coturn pods.
    E2e,
    /// The quick set of mutants.
    Mutants,
}

const ALL: [Layer; 6] = [
    Layer::Format,
    Layer::Lint,
    Layer::Unit,
    Layer::Api,
    Layer::E2e,
    Layer::Mutants,
];

/// Runs the layers; the first that fails ends it.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let layers = if options.layers.is_empty() {
        ALL.to_vec()
    } else {
        options.layers.clone()
    };
    shell::provide(&["openssl", "git"])?;
    shell::provide_build_tools()?;
    let mut summary = Vec::new();
    let mut unbroken = Unbroken::NotKnown;
    for layer in layers {
        eprintln!("\n== {layer:?}");
        let started = Instant::now();
        run_layer(layer, options.filter.as_deref(), unbroken)?;
        if layer == Layer::Unit && options.filter.is_none() {
            unbroken = Unbroken::Green;
        }
        let took = format!("{layer:?}: {:.0} s", started.elapsed().as_secs_f64());
        eprintln!("== {took}");
        summary.push(took);
    }
    eprintln!("\nall passed: {}", summary.join(", "));
    Ok(())
}

fn run_layer(layer: Layer, filter: Option<&str>, unbroken: Unbroken) -> anyhow::Result<()> {
    match layer {
        Layer::Format => {
            shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))?;
            generate::run(true)
        }
        Layer::Lint => shell::run(&mut shell::cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ])),
        Layer::Unit => {
            let all = ["--workspace", "--exclude", "e2e"];
            tests(&all, filter, &MODEL_CHECK.map(|it| ["--skip", it]).concat())?;
            let model_check = ["--package", "plan", "--test", "situations"];
            tests(&model_check, filter, &["--nocapture"])?;
            // Its other tests need a cluster.
            tests(&["--package", "e2e", "--lib"], filter, &[])
        }
        Layer::Api => api(filter),
        Layer::E2e => e2e(filter),
        Layer::Mutants => mutants::quick(unbroken),
    }
}

/// How the names of the model check's tests begin. It runs by itself, as it prints what it went through.
const MODEL_CHECK: [&str; 2] = ["scenarios::", "scenarios_with_proofs::"];

fn tests(selection: &[&str], filter: Option<&str>, options: &[&str]) -> anyhow::Result<()> {
    let mut command = shell::cargo(&["test", "--locked", "--quiet"]);
    command.args(selection).arg("--").args(filter).args(options);
    shell::run(&mut command)
}

/// A control plane of their own, which ends with them; then those of the cluster crate, which start
/// control planes themselves.
fn api(filter: Option<&str>) -> anyhow::Result<()> {
    let binary = operator()?;
    let state = shell::target().join("cluster").join("api");
    let cluster = OwnCluster::fresh(&ClusterOptions::control_plane(&state))?;
    let mut command = shell::cargo(&["test", "--locked", "--package", "e2e", "--test", "api"]);
    command.args(["--", "--test-threads", "6"]).args(filter);
    command
        .env("RUST_BACKTRACE", "0")
        .env(cluster::STATE_VARIABLE, &state)
        .env("COTURN_CERT_OPERATOR", binary);
    let outcome = shell::run(&mut command);
    cluster.end(outcome)?;
    shell::run(clusters_own("control_plane").args(filter))
}

/// The operator's binary for tests that need no image of it. Its dependencies are those of its tests, which
/// are compiled already; in the image it has its own.
fn operator() -> anyhow::Result<PathBuf> {
    binary(&["operator", "workspace-hack"], image::BINARY)
}

/// The kubectl plugin, with the dependencies that it has where its users compile it.
fn plugin() -> anyhow::Result<PathBuf> {
    binary(&["cli"], "kubectl-coturn_cert")
}

/// A binary of one of these packages, which are compiled together.
fn binary(packages: &[&str], name: &str) -> anyhow::Result<PathBuf> {
    let packages = packages.iter().flat_map(|it| ["--package", it]);
    shell::run(shell::cargo(&["build", "--locked"]).args(packages))?;
    Ok(shell::target().join("debug").join(name))
}

/// Tests of the cluster crate that start clusters themselves.
fn clusters_own(name: &str) -> Command {
    let mut command = shell::cargo(&["test", "--locked", "--package", "cluster"]);
    command.args(["--test", name, "--", "--ignored"]);
    command
}

/// The scenarios run on a cluster of their own, which ends with them whatever they end with; then
/// the tests of clusters with a node.
fn e2e(filter: Option<&str>) -> anyhow::Result<()> {
    let built = image::dev()?;
    let plugin = plugin()?;
    let state = shell::target().join("cluster").join("e2e");
    let cluster = OwnCluster::fresh(&ClusterOptions::real(&state))?;
    cluster.load_image(&built.archive)?;
    let mut command = shell::cargo(&["test", "--locked", "--package", "e2e", "--test", "e2e"]);
    command.args(["--", "--test-threads", "6"]).args(filter);
    command
        .env("RUST_BACKTRACE", "0")
        .env(cluster::STATE_VARIABLE, &state)
        .env("COTURN_CERT_OPERATOR", &built.binary)
        .env("COTURN_CERT_PLUGIN", &plugin);
    let outcome = shell::run(&mut command);
    cluster.end(outcome)?;
    node(filter)
}

/// The test of a cluster that ends badly: whatever this one ends with, that cluster does not outlive it.
fn node(filter: Option<&str>) -> anyhow::Result<()> {
    let state = shell::target().join("cluster").join("node");
    cluster::down(&state)?;
    let _on_signal = ending::cluster_with_this_process(&state)?;
    let mut command = clusters_own("node");
    command
        .args(filter)
        .env("COTURN_CERT_NODE_STATE", &state)
        .env(
            "COTURN_CERT_SUPERVISOR",
            env::current_exe().context("this program has no path")?,
        );
    shell::run(&mut command)
}
