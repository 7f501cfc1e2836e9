//! A namespace of a test's own.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use api::{CoturnCertificate, Fingerprint, Leaf, names};
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::{ControllerRevision, Deployment, StatefulSet},
        core::v1::{Namespace, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use pki::testing::TestCa;
use serde_json::{Value, json};

use crate::{
    Environment,
    audit::Mark,
    environment::{root, run},
    fixtures::{self, CA, COTURN, PUBLISHED, STORE},
    history::History,
    wait,
};

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
    folder: PathBuf,
    started: Instant,
}

static WORLDS: AtomicUsize = AtomicUsize::new(0);

impl World {
    /// A namespace with a good CA, and nothing else.
    pub async fn with_ca(name: &str) -> Self {
        let world = Self::empty(name).await;
        world
            .create_secret(&fixtures::ca_secret(&world.ca.secret()))
            .await;
        world
    }

    /// A namespace with nothing in it.
    pub async fn empty(name: &str) -> Self {
        let environment = Environment::get();
        let client = environment.client().await;
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{name}-{}-{number}", std::process::id());
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
        Self {
            namespace,
            client,
            ca: TestCa::example(),
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

    fn kubectl(&self) -> Command {
        let mut command = Environment::get().cluster().kubectl();
        command.args(["--namespace", &self.namespace]);
        command
    }

    /// Installs the chart with the image of this tree.
    pub fn install_operator(&self) {
        let mut helm = Environment::get().cluster().helm();
        helm.args(["install", RELEASE])
            .arg(root().join("charts/coturn-cert-operator"));
        helm.args(["--namespace", &self.namespace, "--wait", "--timeout", "3m"]);
        helm.args([
            "--set",
            "crds.install=false,image.repository=docker.io/local/coturn-cert-operator",
        ]);
        helm.args(["--set", "image.tag=dev,image.pullPolicy=Never"]);
        run(&mut helm);
    }

    /// Replaces the operator's pod, as an upgrade of its node would.
    pub async fn restart_operator(&self) {
        let pods: Api<Pod> = self.api();
        let params = ListParams::default().labels(&format!("app.kubernetes.io/name={RELEASE}"));
        let before = pods.list(&params).await.expect("pods").items;
        for pod in &before {
            pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0))
                .await
                .expect("a deletion");
        }
        let gone: Vec<_> = before.iter().map(ResourceExt::name_any).collect();
        wait::until("another operator that acts", async || {
            let now = pods.list(&params).await.ok()?.items;
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

    /// Creates a StatefulSet.
    pub async fn create_workload(&self, workload: &StatefulSet) {
        self.api()
            .create(&PostParams::default(), workload)
            .await
            .expect("a StatefulSet");
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

    /// The resource.
    pub async fn certificate(&self) -> CoturnCertificate {
        self.api().get(COTURN).await.expect("the CoturnCertificate")
    }

    /// A condition of the resource.
    pub async fn condition(&self, kind: &str) -> Option<Condition> {
        let status = self.certificate().await.status?;
        status
            .conditions
            .into_iter()
            .find(|condition| condition.type_ == kind)
    }

    /// Waits until a condition of the newest generation has this status and reason.
    pub async fn until_condition(&self, kind: &str, status: &str, reason: &str) -> Condition {
        wait::until(&format!("{kind}={status} ({reason})"), async || {
            let certificate: CoturnCertificate = self.api().get(COTURN).await.ok()?;
            let generation = certificate.metadata.generation;
            let condition = certificate
                .status?
                .conditions
                .into_iter()
                .find(|condition| condition.type_ == kind)?;
            (condition.status == status
                && condition.reason == reason
                && condition.observed_generation == generation)
                .then_some(condition)
        })
        .await
    }

    /// Waits until Ready, every pod on the certificate in service.
    pub async fn until_ready(&self) {
        self.until_condition("Ready", "True", "Ready").await;
        wait::until("RolledOut=True", async || {
            (self.condition("RolledOut").await?.status == "True").then_some(())
        })
        .await;
    }

    /// Waits until another certificate than the one of this serial is in service on every pod.
    pub async fn until_renewed(&self, before: &str) {
        wait::until("another certificate", async || {
            (self.serial().await? != before).then_some(())
        })
        .await;
        self.until_ready().await;
    }

    /// The serial number in status.
    pub async fn serial(&self) -> Option<String> {
        Some(self.certificate().await.status?.certificate?.serial_number)
    }

    /// A Secret, if it exists.
    pub async fn secret(&self, name: &str) -> Option<Secret> {
        self.api::<Secret>().get_opt(name).await.expect("an answer")
    }

    /// The published Secret's values.
    pub async fn published(&self) -> Option<std::collections::BTreeMap<String, ByteString>> {
        self.secret(PUBLISHED).await?.data
    }

    /// The leaf that is published, if it is a pair.
    pub async fn published_leaf(&self) -> Option<Leaf> {
        let data = self.published().await?;
        pki::inspect(&data.get(names::TLS_CRT)?.0, &data.get(names::TLS_KEY)?.0).ok()
    }

    /// The serial numbers of all certificates that were ever issued, from the store's record.
    pub async fn issued(&self) -> Vec<String> {
        let store = self.secret(STORE).await.expect("the store");
        let state: Value =
            serde_json::from_slice(&store.data.expect("data")["state.json"].0).expect("JSON");
        let history = state["history"].as_array().cloned().unwrap_or_default();
        history
            .iter()
            .map(|entry| entry["serial"].as_str().expect("a serial").to_owned())
            .collect()
    }

    /// The workload's pods.
    pub async fn pods(&self) -> Vec<Pod> {
        let params = ListParams::default().labels("app=coturn");
        self.api::<Pod>().list(&params).await.expect("pods").items
    }

    /// Waits until that many pods run.
    pub async fn until_running(&self, count: usize) {
        wait::until("pods that run", async || {
            (self.pods().await.iter().filter(|pod| is_ready(pod)).count() == count).then_some(())
        })
        .await;
    }

    /// Uids of the workload's pods: others after a restart.
    pub async fn pod_uids(&self) -> Vec<String> {
        let mut uids: Vec<_> = self
            .pods()
            .await
            .iter()
            .filter_map(ResourceExt::uid)
            .collect();
        uids.sort();
        uids
    }

    /// Waits until the workload's pods have run for so long that their start cannot be taken for
    /// one after a change of the Secret, whatever the clocks' seconds say.
    pub async fn until_settled(&self) {
        let tolerance = jiff::SignedDuration::from_secs(4);
        wait::until("pods that have run for a while", async || {
            let youngest = self
                .pods()
                .await
                .iter()
                .filter_map(|pod| pod.metadata.creation_timestamp.clone())
                .max()?;
            (jiff::Timestamp::now().duration_since(youngest.0) > tolerance).then_some(())
        })
        .await;
    }

    /// How many revisions the workload had: a rollout makes one.
    pub async fn revisions(&self) -> usize {
        let params = ListParams::default().labels("app=coturn");
        self.api::<ControllerRevision>()
            .list(&params)
            .await
            .expect("revisions")
            .items
            .len()
    }

    /// Stops the test unless every pod serves the leaf that is published.
    pub async fn assert_served(&self) -> Fingerprint {
        let published = self
            .published_leaf()
            .await
            .expect("a published pair")
            .fingerprint;
        for pod in self.pods().await {
            let address = pod
                .status
                .as_ref()
                .and_then(|status| status.pod_ip.clone())
                .expect("an address");
            let served = crate::dtls::dial(&address, fixtures::DTLS_PORT)
                .await
                .expect("a handshake");
            let leaf = leaf_fingerprint(&served);
            assert_eq!(leaf, published, "{} serves something else", pod.name_any());
        }
        published
    }

    /// A watch on the published Secret.
    pub fn history(&self) -> History {
        History::of(self.api(), PUBLISHED)
    }

    /// A mark in the API server's audit log.
    pub fn mark(&self) -> Mark {
        Mark::now(Environment::get().cluster().audit_log())
    }

    /// The operator's log.
    pub fn operator_log(&self) -> String {
        let output = self
            .kubectl()
            .args([
                "logs",
                "--tail=-1",
                "--prefix",
                "--selector",
                &format!("app.kubernetes.io/name={RELEASE}"),
            ])
            .output()
            .expect("kubectl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Stops the test if a line of a private key stands in the operator's log, in an Event, in the
    /// resource or in `more`.
    pub async fn assert_no_key_leaked(&self, more: &str) {
        let mut text = format!("{}{more}", self.operator_log());
        text += &run(self.kubectl().args(["get", "events", "--output", "yaml"]));
        text += &run(self.kubectl().args([
            "get",
            "coturncertificates,statefulsets,pods",
            "--output",
            "yaml",
        ]));
        for name in [CA, PUBLISHED, STORE] {
            let data = self
                .secret(name)
                .await
                .and_then(|secret| secret.data)
                .unwrap_or_default();
            for (_, value) in data.iter().filter(|(key, _)| key.ends_with("key")) {
                let pem = String::from_utf8_lossy(&value.0).into_owned();
                for line in pem
                    .lines()
                    .filter(|line| line.len() > 16 && !line.contains("-----"))
                {
                    assert!(
                        !text.contains(line),
                        "a line of the key in {name} stands where it must not"
                    );
                }
            }
        }
    }

    /// A Deployment, to look at its pods' limits.
    pub async fn operator_deployment(&self) -> Deployment {
        self.api()
            .get(RELEASE)
            .await
            .expect("the operator's Deployment")
    }
}

/// SHA-256 of the first certificate of a PEM text.
pub fn leaf_fingerprint(pem: &str) -> Fingerprint {
    let path = std::env::temp_dir().join(format!(
        "leaf-{}-{:?}.pem",
        std::process::id(),
        std::thread::current().id()
    ));
    fs::write(&path, pem).expect("a file");
    let line = run(Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&path));
    fs::remove_file(&path).expect("the file");
    let hex = line
        .trim()
        .rsplit('=')
        .next()
        .unwrap_or_default()
        .replace(':', "")
        .to_lowercase();
    hex.parse().expect("a fingerprint")
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .filter(|condition| condition.type_ == "Ready")
            .any(|condition| condition.status == "True")
}

impl Drop for World {
    fn drop(&mut self) {
        let show = |arguments: &[&str]| {
            if let Ok(output) = self.kubectl().args(arguments).output() {
                eprintln!(
                    "--- kubectl {}\n{}",
                    arguments.join(" "),
                    String::from_utf8_lossy(&output.stdout)
                );
            }
        };
        if std::thread::panicking() {
            eprintln!(
                "--- {} after {:.1} s",
                self.namespace,
                self.started.elapsed().as_secs_f64()
            );
            show(&["get", "coturncertificates,secrets,statefulsets,pods"]);
            show(&[
                "get",
                "coturncertificates",
                "--output",
                "jsonpath={.items[*].status}",
            ]);
            show(&["get", "events", "--sort-by=.lastTimestamp"]);
            show(&[
                "logs",
                "--tail=60",
                "--selector",
                &format!("app.kubernetes.io/name={RELEASE}"),
            ]);
            if let Ok(log) = fs::read_to_string(self.folder.join("operator.log")) {
                let lines: Vec<_> = log.lines().collect();
                eprintln!(
                    "--- operator.log\n{}",
                    lines[lines.len().saturating_sub(60)..].join("\n")
                );
            }
        }
        // What it leaves ends with the cluster.
        let _ = self
            .kubectl()
            .args(["delete", "namespace", &self.namespace, "--wait=false"])
            .output();
    }
}
