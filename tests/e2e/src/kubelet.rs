//! Plays the kubelet for the pods of a namespace on a cluster without a node: a pod runs as soon as
//! the Secrets exist that it mounts. Everything else is done by Kubernetes' own controllers.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::watcher::{Config, Event},
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use crate::watch::events;

/// How often a kubelet looks for a Secret that is missing, and tries what failed.
const RETRY: Duration = Duration::from_millis(100);

/// Runs pods until dropped.
pub struct Kubelet {
    works: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Kubelet {
    /// Runs the pods of a namespace.
    pub fn of(pods: Api<Pod>, secrets: Api<Secret>) -> Self {
        let (works, mut may_work) = watch::channel(true);
        let task = tokio::spawn(async move {
            let mut events = events(pods.clone(), Config::default());
            while let Some(event) = events.next().await {
                if let Event::Apply(pod) | Event::InitApply(pod) = event
                    && !is_running(&pod)
                {
                    // An error means that the test has ended.
                    let _ = may_work.wait_for(|works| *works).await;
                    start(&pods, &secrets, &pod).await;
                }
            }
        });
        Self { works, task }
    }

    /// Starts no more pods.
    pub fn pause(&self) {
        self.works.send_replace(false);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.works.send_replace(true);
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_ref());
    phase.is_some_and(|phase| phase == "Running")
}

/// Starts a pod once its Secrets are there, unless it is gone by then.
async fn start(pods: &Api<Pod>, secrets: &Api<Secret>, pod: &Pod) {
    while !is_gone(pods, pod).await {
        if can_mount(secrets, pod).await && tell_that_it_runs(pods, pod).await {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Whether it does not exist, or another by its name does. Without an answer it may be there.
async fn is_gone(pods: &Api<Pod>, pod: &Pod) -> bool {
    let found = pods.get_opt(&pod.name_any()).await;
    found.is_ok_and(|found| found.is_none_or(|found| found.uid() != pod.uid()))
}

/// Whether the API server has taken it.
async fn tell_that_it_runs(pods: &Api<Pod>, pod: &Pod) -> bool {
    let (name, patch) = (pod.name_any(), Patch::Merge(running(pod)));
    let params = PatchParams::default();
    pods.patch_status(&name, &params, &patch).await.is_ok()
}

async fn can_mount(secrets: &Api<Secret>, pod: &Pod) -> bool {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    for name in volumes.filter_map(|volume| volume.secret.as_ref()?.secret_name.as_ref()) {
        if !secrets
            .get_opt(name)
            .await
            .is_ok_and(|found| found.is_some())
        {
            return false;
        }
    }
    true
}

/// The status of a pod whose containers started a moment ago.
fn running(pod: &Pod) -> Value {
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("a time");
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let statuses: Vec<_> = containers
        .map(|container| {
            json!({
                "name": container.name,
                "image": container.image,
                "imageID": "",
                "ready": true,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            })
        })
        .collect();
    json!({
        "metadata": {"uid": pod.uid()},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
            "containerStatuses": statuses,
        },
    })
}
