//! What users and Kubernetes do to the workload and its pods.

use api::names;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::World;
use crate::{
    audit::Mark,
    fixtures::{COTURN, GATE, PUBLISHED},
    wait,
};

impl World {
    /// The StatefulSet.
    pub async fn workload(&self) -> StatefulSet {
        self.api().get(COTURN).await.expect("the StatefulSet")
    }

    /// Changes the StatefulSet's specification.
    pub async fn change_workload(&self, spec: Value) {
        self.patch::<StatefulSet>(COTURN, json!({"spec": spec}))
            .await;
    }

    /// Deletes the StatefulSet, and waits until its pods are gone.
    pub async fn delete_workload(&self) {
        let api = self.api::<StatefulSet>();
        let params = DeleteParams::background();
        api.delete(COTURN, &params).await.expect("a deletion");
        wait::until("no workload and no pod", async || {
            let workload = api.get_opt(COTURN).await.ok()?;
            (workload.is_none() && self.pods().await.is_empty()).then_some(())
        })
        .await;
    }

    /// Deletes one pod.
    pub async fn delete_pod(&self, name: &str) {
        let pods = self.api::<Pod>();
        let params = DeleteParams::default();
        pods.delete(name, &params).await.expect("a deletion");
    }

    /// Uid of a pod; none while it does not exist.
    pub async fn pod_uid(&self, name: &str) -> Option<String> {
        let pod = self.api::<Pod>().get_opt(name).await.expect("an answer");
        pod?.uid()
    }

    /// Waits until another pod has taken the place of the one of this uid, and runs.
    pub async fn until_replaced(&self, name: &str, before: &str) -> String {
        wait::until(&format!("another {name} that runs"), async || {
            let pod = self.api::<Pod>().get_opt(name).await.ok()??;
            let runs = pod.status.as_ref()?.phase.as_deref() == Some("Running");
            pod.uid().filter(|uid| runs && uid != before)
        })
        .await
    }

    /// Names of the pods that the operator evicted since a mark, in their order.
    pub fn evictions(&self, since: &Mark) -> Vec<String> {
        let requests = since.requests(&self.namespace, names::FIELD_MANAGER);
        let done = requests
            .into_iter()
            .filter(|it| it.resource == "pods/eviction" && it.code < 300);
        done.map(|it| it.name).collect()
    }

    /// Waits until an eviction was refused, as a PodDisruptionBudget does.
    pub async fn until_an_eviction_is_refused(&self, since: &Mark) {
        wait::until("an eviction that is refused", async || {
            let requests = since.requests(&self.namespace, names::FIELD_MANAGER);
            let mut evictions = requests.iter().filter(|it| it.resource == "pods/eviction");
            evictions.any(|it| it.code == 429).then_some(())
        })
        .await;
    }

    /// The fingerprint of the published Secret that the pod template carries: the operator's stamp.
    pub async fn stamp(&self) -> Option<String> {
        let template = self.workload().await.spec.expect("a spec").template;
        let mut annotations = template.metadata?.annotations?;
        annotations.remove(&names::fingerprint_annotation(PUBLISHED))
    }

    /// Opens the gate of every pod that there is; see [`gate`](crate::fixtures::gate).
    pub async fn let_in(&self) {
        let open = json!({"status": {"conditions": [{"type": GATE, "status": "True"}]}});
        for pod in self.pods().await {
            // It may end at this moment.
            let _ = self
                .api::<Pod>()
                .patch_status(
                    &pod.name_any(),
                    &PatchParams::default(),
                    &Patch::Strategic(&open),
                )
                .await;
        }
    }

    /// Waits until Ready, and opens each gate meanwhile.
    pub async fn until_ready_with_gates(&self) {
        wait::until("Ready behind open gates", async || {
            self.let_in().await;
            let workload = self.workload().await;
            let replicas = workload.spec?.replicas;
            let ready = workload.status?.ready_replicas;
            (ready.unwrap_or(0) == replicas.unwrap_or(1)).then_some(())
        })
        .await;
        wait::until("RolledOut behind open gates", async || {
            self.let_in().await;
            let ready = self.condition("Ready").await?;
            let rolled_out = self.condition("RolledOut").await?;
            let newest = self.certificate().await.metadata.generation;
            (ready.status == "True"
                && ready.observed_generation == newest
                && rolled_out.status == "True")
                .then_some(())
        })
        .await;
    }

    /// Waits until a pod that is created cannot be taken for one of the time before the certificate
    /// in service was published.
    pub async fn until_its_publication_is_past(&self) {
        wait::until("the second of the publication is over", async || {
            let age = Timestamp::now().duration_since(self.published_at().await?);
            (age > SignedDuration::from_secs(2)).then_some(())
        })
        .await;
    }

    /// When the published Secret was written last.
    async fn published_at(&self) -> Option<Timestamp> {
        let secret = self.secret(PUBLISHED).await?;
        let written = secret.managed_fields().iter();
        written
            .filter_map(|entry| Some(entry.time.as_ref()?.0))
            .max()
    }
}
