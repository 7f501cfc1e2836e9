//! A namespace of a test's own.

mod assertions;
mod diagnosis;
mod keys;
mod metrics;
mod secrecy;
mod views;
mod waits;
mod workload;

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use api::{CoturnCertificate, names};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Namespace, Pod, Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use pki::testing::TestCa;
use serde_json::{Value, json};

use crate::{
    Environment,
    audit::Mark,
    environment::{root, run},
    fixtures::{self, CA, COTURN, PUBLISHED},
    history::History,
    wait,
};
use keys::Keys;
use waits::is_ready;

pub use views::WorkloadState;

/// The operator's release in each namespace.
const RELEASE: &str = "coturn-cert-operator";

/// A namespace of a test's own. When a test fails, what can be seen there is printed.
pub struct World {
    /// The namespace.
    pub namespace: String,
    /// A client with all rights.
    pub client: Client,
    /// The CA in the Secret `coturn-ca`.
    pub ca: TestCa,
    environment: Arc<Environment>,
    keys: Keys,
    folder: PathBuf,
    started: Instant,
}

static WORLDS: AtomicUsize = AtomicUsize::new(0);

impl World {
    /// A namespace with a good CA, and nothing else.
    pub async fn with_ca(name: &str) -> Self {
        Self::with_ca_in(Environment::get(), name).await
    }

    /// The same in another cluster than the one that all tests share.
    pub async fn with_ca_in(environment: &Arc<Environment>, name: &str) -> Self {
        let world = Self::empty_in(environment, name).await;
        world
            .create_secret(&fixtures::ca_secret(&world.ca.secret()))
            .await;
        world
    }

    /// A namespace with nothing in it.
    pub async fn empty(name: &str) -> Self {
        Self::empty_in(Environment::get(), name).await
    }

    /// The same in another cluster than the one that all tests share.
    pub async fn empty_in(environment: &Arc<Environment>, name: &str) -> Self {
        let client = environment.client().await;
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        // Unique also where an earlier run of the same process id left one behind.
        let now = Timestamp::now().as_nanosecond();
        let namespace = format!("{name}-{now:x}-{number}");
        let object = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .expect("a namespace");
        let folder = environment.cluster().state().join("tests").join(&namespace);
        fs::create_dir_all(&folder).expect("a folder");
        let ca = TestCa::example();
        fs::write(folder.join("ca.crt"), ca.root()).expect("a file");
        Self {
            keys: Keys::of(Api::namespaced(client.clone(), &namespace)),
            namespace,
            client,
            environment: Arc::clone(environment),
            ca,
            folder,
            started: Instant::now(),
        }
    }

    /// The usual beginning: the operator by Helm, coturn-like pods, a resource, all Ready.
    pub async fn ready(name: &str, workload: &StatefulSet) -> Self {
        let world = Self::with_ca(name).await;
        world.install_operator();
        world.create_workload(workload).await;
        world.create_certificate(&json!({})).await;
        world.until_ready().await;
        world
    }

    /// A folder for the test's files.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// The file with the CA that vouches for what the pods serve.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// `kubectl` in the namespace.
    pub fn kubectl(&self) -> Command {
        let mut command = self.environment.cluster().kubectl();
        command.args(["--namespace", &self.namespace]);
        command
    }

    /// Installs the chart with the image of this tree.
    pub fn install_operator(&self) {
        self.install_operator_with(&[]);
    }

    /// The same, with more values of the chart.
    pub fn install_operator_with(&self, values: &[&str]) {
        let mut helm = self.environment.cluster().helm();
        helm.args(["install", RELEASE])
            .arg(root().join("charts/coturn-cert-operator"));
        helm.args(["--namespace", &self.namespace, "--wait", "--timeout", "3m"]);
        helm.args([
            "--set",
            "crds.install=false,image.repository=docker.io/local/coturn-cert-operator",
        ]);
        helm.args(["--set", "image.tag=dev,image.pullPolicy=Never"]);
        helm.args(["--set", "workloadKinds={StatefulSet,Deployment,DaemonSet}"]);
        for value in values {
            helm.args(["--set", value]);
        }
        run(&mut helm);
    }

    /// Replaces the operator's pod, as an upgrade of its node would.
    pub async fn restart_operator(&self) {
        let pods: Api<Pod> = self.api();
        let before = self.operator_pods().await;
        for pod in &before {
            pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0))
                .await
                .expect("a deletion");
        }
        let gone: Vec<_> = before.iter().map(ResourceExt::name_any).collect();
        wait::until("another operator that acts", async || {
            let now = self.operator_pods().await;
            let fresh = now
                .iter()
                .all(|pod| !gone.contains(&pod.name_any()) && is_ready(pod));
            (fresh && !now.is_empty()).then_some(())
        })
        .await;
    }

    /// An API of this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a Secret.
    pub async fn create_secret(&self, secret: &Secret) -> Secret {
        self.api()
            .create(&PostParams::default(), secret)
            .await
            .expect("a Secret")
    }

    /// Creates a workload of any kind.
    pub async fn create_workload<K>(&self, workload: &K)
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
            + Clone
            + serde::Serialize
            + serde::de::DeserializeOwned
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        self.api()
            .create(&PostParams::default(), workload)
            .await
            .expect("a workload");
    }

    /// Creates the resource.
    pub async fn create_certificate(&self, extra: &Value) {
        let certificate = fixtures::certificate(extra);
        self.api()
            .create(&PostParams::default(), &certificate)
            .await
            .expect("a CoturnCertificate");
    }

    /// Changes an object by a merge patch, as somebody else.
    pub async fn patch<K>(&self, name: &str, patch: Value)
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
            + Clone
            + serde::de::DeserializeOwned
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let params = PatchParams {
            field_manager: Some("somebody-else".to_owned()),
            ..PatchParams::default()
        };
        self.api::<K>()
            .patch(name, &params, &Patch::Merge(patch))
            .await
            .expect("a patch");
    }

    /// Asks for a renewal.
    pub async fn renew(&self, value: &str) {
        let patch = json!({"metadata": {"annotations": {names::RENEW: value}}});
        self.patch::<CoturnCertificate>(COTURN, patch).await;
    }

    /// What `kubectl get coturncertificates -o wide` shows.
    pub fn shown(&self) -> String {
        run(self
            .kubectl()
            .args(["get", "coturncertificates", "--output", "wide"]))
    }

    /// Deletes a Secret.
    pub async fn delete_secret(&self, name: &str) {
        self.api::<Secret>()
            .delete(name, &DeleteParams::default())
            .await
            .expect("a deletion");
    }

    /// Writes the CA Secret anew, whatever it held.
    pub async fn put_ca(&self, secret: &Secret) {
        // It may be missing.
        let _ = self
            .api::<Secret>()
            .delete(CA, &DeleteParams::default())
            .await;
        self.create_secret(secret).await;
    }

    /// A watch on the published Secret, which sees whatever happens after this.
    pub async fn history(&self) -> History {
        History::of(self.api(), PUBLISHED).await
    }

    /// A mark in the API server's audit log.
    pub fn mark(&self) -> Mark {
        Mark::now(self.environment.cluster().audit_log())
    }
}
