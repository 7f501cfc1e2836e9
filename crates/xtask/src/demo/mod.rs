//! `cargo xtask demo`: the main job on a real cluster, from nothing to a renewal, and the checks
//! that the guide has people do by hand, done from outside the operator.

mod authority;
mod diagnosis;
mod installation;
mod openssl;
mod proof;
mod timeline;

use std::time::Instant;

use anyhow::ensure;
use cluster::{Cluster, Options as ClusterOptions};
use serde_json::Value;

use crate::{image, own_cluster::OwnCluster, shell};
use proof::Proof;

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Options {
    /// Leave the cluster running.
    #[arg(long)]
    keep: bool,
}

const NAMESPACE: &str = "demo";
const CERTIFICATE: &str = "coturn";
const SECRET: &str = "coturn-dtls-certificate";
const PODS: [&str; 3] = ["coturn-0", "coturn-1", "coturn-2"];
/// Where coturn's DTLS listener is.
const PORT: u16 = 5349;

/// Runs the demo; succeeds only if everything that it shows held.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let started = Instant::now();
    shell::provide(&["openssl"])?;
    let state = shell::target().join("cluster").join("demo");
    step("A Kubernetes cluster on this machine");
    let built = image::dev()?;
    let cluster = OwnCluster::up(&ClusterOptions::real(&state))?;
    let demo = Demo {
        cluster: &cluster,
        started: Instant::now(),
    };
    let outcome = show(&demo, &built.archive);
    if outcome.is_err() {
        diagnosis::print(&demo);
    }
    if options.keep {
        commands_to_try(&cluster);
        cluster.keep();
        outcome?;
    } else {
        cluster.end(outcome)?;
    }
    println!(
        "\nEverything held; {:.0} s in all.",
        started.elapsed().as_secs_f64()
    );
    if !options.keep {
        println!("Run `cargo xtask demo --keep` to look around in the cluster afterwards.");
    }
    Ok(())
}

/// What the steps share.
struct Demo<'a> {
    cluster: &'a Cluster,
    /// When the cluster was up: what the timeline counts from.
    started: Instant,
}

fn show(demo: &Demo<'_>, archive: &std::path::Path) -> anyhow::Result<()> {
    step("A CA as Wire's guide makes it: RSA 2048, ten years");
    demo.cluster.load_image(archive)?;
    installation::namespace(demo)?;
    authority::make(demo)?;

    step("The operator, by Helm, from the image of this tree");
    installation::operator(demo)?;

    step("Three coturn servers that wait for their Secret, and one CoturnCertificate");
    installation::coturn(demo)?;
    installation::certificate(demo)?;
    timeline::until_ready(demo, None)?;

    step("The checks of the guide, from outside the operator");
    let first = proof::take(demo)?;
    first.print();
    first.check()?;

    step("A renewal");
    let rollouts = rollouts(demo)?;
    renew(demo)?;
    timeline::until_ready(demo, Some(first.serial()))?;
    let second = proof::take(demo)?;
    second.print();
    second.check()?;
    compare(&first, &second)?;
    let more = self::rollouts(demo)? - rollouts;
    ensure!(more == 1, "the renewal made {more} rollouts, not one");
    println!("  one rollout; every pod serves the renewed certificate");
    Ok(())
}

fn compare(first: &Proof, second: &Proof) -> anyhow::Result<()> {
    ensure!(
        first.serial() != second.serial(),
        "the serial number did not change"
    );
    for pod in PODS {
        ensure!(
            first.served_by(pod) != second.served_by(pod),
            "{pod} serves the old certificate"
        );
    }
    println!("\n  serial {} became {}", first.serial(), second.serial());
    Ok(())
}

fn renew(demo: &Demo<'_>) -> anyhow::Result<()> {
    let annotation = format!(
        "coturncert.dev/renew={}",
        jiff::Timestamp::now().as_second()
    );
    let resource = format!("coturncertificate/{CERTIFICATE}");
    shell::run(
        demo.kubectl()
            .args(["annotate", "--overwrite", &resource, &annotation]),
    )
}

/// Revisions that the StatefulSet ever had: each rollout makes one.
fn rollouts(demo: &Demo<'_>) -> anyhow::Result<i64> {
    let revisions = demo.get(&["controllerrevisions", "--selector", "app=coturn"])?;
    let newest = revisions["items"].as_array().into_iter().flatten();
    Ok(newest
        .filter_map(|revision| revision["revision"].as_i64())
        .max()
        .unwrap_or_default())
}

impl Demo<'_> {
    fn kubectl(&self) -> std::process::Command {
        let mut command = self.cluster.kubectl();
        command.args(["--namespace", NAMESPACE]);
        command
    }

    /// `kubectl get … -o json`, parsed.
    fn get(&self, what: &[&str]) -> anyhow::Result<Value> {
        let text = shell::read(
            self.kubectl()
                .arg("get")
                .args(what)
                .args(["--output", "json"]),
        )?;
        Ok(serde_json::from_str(&text)?)
    }
}

fn step(title: &str) {
    println!("\n\x1b[1m{title}\x1b[0m");
}

fn commands_to_try(cluster: &Cluster) {
    println!("\nThe cluster is left running. To look around:");
    println!(
        "  eval \"$(COTURN_CERT_CLUSTER='{}' cargo xtask cluster env)\"",
        cluster.state().display()
    );
    println!("  kubectl -n {NAMESPACE} get coturncertificates -o wide");
    println!("  kubectl -n {NAMESPACE} describe coturncertificate {CERTIFICATE}");
    println!(
        "  kubectl -n {NAMESPACE} delete secret {SECRET}      # it comes back, with the same key"
    );
    println!("  kubectl -n {NAMESPACE} logs deployment/coturn-cert-operator");
    println!("  cargo xtask cluster down");
}
