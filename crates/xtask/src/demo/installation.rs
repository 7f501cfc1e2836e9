//! What a user installs: the operator, coturn, a `CoturnCertificate`.

use super::{Demo, NAMESPACE};
use crate::{image, shell};

/// An empty namespace; what an earlier demo left in it goes.
pub fn namespace(demo: &Demo<'_>) -> anyhow::Result<()> {
    let mut delete = demo.cluster.kubectl();
    delete.args([
        "delete",
        "namespace",
        NAMESPACE,
        "--ignore-not-found",
        "--wait",
    ]);
    shell::read(&mut delete)?;
    shell::run(
        demo.cluster
            .kubectl()
            .args(["create", "namespace", NAMESPACE]),
    )
}

/// The operator, by Helm.
pub fn operator(demo: &Demo<'_>) -> anyhow::Result<()> {
    let (repository, tag) = image::TAG
        .rsplit_once(':')
        .unwrap_or((image::TAG, "latest"));
    let chart = "charts/coturn-cert-operator";
    let mut helm = demo.cluster.helm();
    helm.args(["upgrade", "--install", "coturn-cert-operator"])
        .arg(chart);
    helm.args(["--namespace", NAMESPACE, "--wait", "--timeout", "3m"]);
    helm.arg("--set").arg(format!(
        "image.repository={repository},image.tag={tag},image.pullPolicy=Never"
    ));
    helm.current_dir(shell::root())
        .stdout(std::process::Stdio::null());
    shell::run(&mut helm)
}

/// The coturn servers of the samples.
pub fn coturn(demo: &Demo<'_>) -> anyhow::Result<()> {
    apply(demo, "deploy/samples/coturn-statefulset.yaml")
}

/// The certificate of the samples.
pub fn certificate(demo: &Demo<'_>) -> anyhow::Result<()> {
    apply(demo, "deploy/samples/coturncertificate.yaml")
}

fn apply(demo: &Demo<'_>, file: &str) -> anyhow::Result<()> {
    shell::run(
        demo.kubectl()
            .args(["apply", "--filename", file])
            .current_dir(shell::root()),
    )
}
