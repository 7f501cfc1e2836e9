//! The cluster that the tests run on.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
};

use cluster::Cluster;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// The cluster that the tests run on, with the operator's CustomResourceDefinition in it.
pub struct Environment {
    cluster: Cluster,
}

/// The variable that names the operator's binary.
pub const BINARY_VARIABLE: &str = "COTURN_CERT_OPERATOR";

static ENVIRONMENT: OnceLock<Arc<Environment>> = OnceLock::new();

impl Environment {
    /// The cluster that the environment names; its CustomResourceDefinition is applied once.
    pub fn get() -> &'static Arc<Self> {
        ENVIRONMENT.get_or_init(|| {
            let state = env::var_os(cluster::STATE_VARIABLE).expect(
                "COTURN_CERT_CLUSTER is not set; run these tests by `cargo xtask test api` or `… e2e`",
            );
            Arc::new(Self::of(Path::new(&state)))
        })
    }

    /// The cluster that runs in this folder, as one that a test has for itself.
    pub fn of(state: &Path) -> Self {
        // The provider may have been chosen already; then this is the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let cluster = Cluster::attach(state).expect("the cluster's records");
        let environment = Self {
            cluster: cluster.expect("no cluster runs there"),
        };
        environment.apply_crds();
        environment
    }

    fn apply_crds(&self) {
        let crds = root().join("charts/coturn-cert-operator/files/crds.yaml");
        run(self
            .cluster
            .kubectl()
            .args(["apply", "--server-side", "--force-conflicts", "--filename"])
            .arg(crds));
        run(self.cluster.kubectl().args([
            "wait",
            "--for=condition=Established",
            "crd/coturncertificates.coturncert.dev",
            "--timeout=60s",
        ]));
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// A client with all rights, for the test.
    pub async fn client(&self) -> Client {
        Client::try_from(self.config().await).expect("a client")
    }

    /// A client with the rights of this user, and no others.
    pub async fn client_as(&self, user: &str) -> Client {
        let mut config = self.config().await;
        config.auth_info.impersonate = Some(user.to_owned());
        Client::try_from(config).expect("a client")
    }

    async fn config(&self) -> Config {
        let text = fs::read_to_string(self.cluster.kubeconfig()).expect("the kubeconfig");
        let kubeconfig = Kubeconfig::from_yaml(&text).expect("the kubeconfig is YAML");
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("the kubeconfig is complete");
        // The environment's proxy leads out of this machine.
        config.proxy_url = None;
        config
    }

    /// The operator's binary.
    pub fn binary() -> PathBuf {
        env::var_os(BINARY_VARIABLE)
            .expect("COTURN_CERT_OPERATOR names no binary")
            .into()
    }
}

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("two folders up")
        .to_owned()
}

/// Runs a command to its end; stops the test if it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
