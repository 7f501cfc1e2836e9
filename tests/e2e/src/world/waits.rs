//! Waiting for a state of the world.

use std::time::Duration;

use api::{CoturnCertificate, names};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Condition};

use super::World;
use crate::{
    audit::Mark,
    fixtures::{COTURN, PUBLISHED},
    wait,
};

/// An operator that has been silent for this long has done what it had to do.
const CALM: Duration = Duration::from_secs(3);

impl World {
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

    /// Waits until the operator has asked for nothing in a while: its Event about a change comes
    /// after the status that tells of the change.
    pub async fn until_calm(&self) {
        wait::until("an operator that asks for nothing", async || {
            let mark = self.mark();
            tokio::time::sleep(CALM).await;
            let requests = mark.requests(&self.namespace, names::FIELD_MANAGER);
            requests.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until an operator that started after the mark has looked at what is published.
    pub async fn until_a_pass_since(&self, mark: &Mark) {
        wait::until("a pass of the new operator", async || {
            let reads = mark.requests(&self.namespace, names::FIELD_MANAGER);
            let mut reads = reads.iter().filter(|request| request.verb == "get");
            reads.any(|read| read.name == PUBLISHED).then_some(())
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

    /// Waits until that many pods run.
    pub async fn until_running(&self, count: usize) {
        wait::until("pods that run", async || {
            (self.pods().await.iter().filter(|pod| is_ready(pod)).count() == count).then_some(())
        })
        .await;
    }

    /// Waits until the workload's pods have run for so long that their start cannot be taken for
    /// one after a change of the Secret, whatever the clocks' seconds say.
    pub async fn until_settled(&self) {
        let tolerance = SignedDuration::from_secs(4);
        wait::until("pods that have run for a while", async || {
            let pods = self.pods().await;
            let youngest = pods.iter().filter_map(started).max()?;
            (Timestamp::now().duration_since(youngest) > tolerance).then_some(())
        })
        .await;
    }
}

/// Whether a pod is Ready and not about to end.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .filter(|condition| condition.type_ == "Ready")
            .any(|condition| condition.status == "True")
}

/// When the last of a pod's containers started.
fn started(pod: &Pod) -> Option<Timestamp> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    containers
        .filter_map(|container| {
            container
                .state
                .as_ref()?
                .running
                .as_ref()?
                .started_at
                .as_ref()
        })
        .map(|time| time.0)
        .max()
}
