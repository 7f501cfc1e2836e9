//! The workload of a scenario, whatever its kind.

use std::{collections::BTreeSet, fmt};

use api::WorkloadKind;
use e2e::fixtures;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};

use crate::scene::Scene;

/// A workload at a moment.
#[derive(Debug)]
pub struct State {
    pub generation: i64,
    /// Uids of its pods.
    pub pods: BTreeSet<String>,
    /// Why it is not at rest.
    pub unsettled: Option<&'static str>,
}

/// What a workload's controller tells of it.
struct Told {
    generation: Option<i64>,
    observed: Option<i64>,
    wanted: i32,
    /// Pods of any template.
    all: i32,
    /// Pods of the newest template.
    updated: i32,
    ready: i32,
}

impl State {
    pub async fn of(scene: &Scene, kind: WorkloadKind) -> Self {
        let (world, name) = (&scene.world, fixtures::COTURN);
        let told = match kind {
            WorkloadKind::StatefulSet => Told::stateful_set(&found(world.api().get(name).await)),
            WorkloadKind::Deployment => Told::deployment(&found(world.api().get(name).await)),
            WorkloadKind::DaemonSet => Told::daemon_set(&found(world.api().get(name).await)),
        };
        Self {
            generation: told.generation.expect("a generation"),
            pods: world.pod_uids().await.into_iter().collect(),
            unsettled: told.unsettled(),
        }
    }
}

fn found<K, E: fmt::Debug>(answer: Result<K, E>) -> K {
    answer.expect("the workload")
}

impl Told {
    fn stateful_set(workload: &StatefulSet) -> Self {
        let status = workload.status.clone().unwrap_or_default();
        // It tells a number of updated pods only while a rollout is under way.
        let is_done = status.current_revision == status.update_revision;
        Self {
            generation: workload.metadata.generation,
            observed: status.observed_generation,
            wanted: replicas(workload.spec.as_ref().and_then(|spec| spec.replicas)),
            all: status.replicas,
            updated: if is_done { status.replicas } else { 0 },
            ready: status.ready_replicas.unwrap_or(0),
        }
    }

    fn deployment(workload: &Deployment) -> Self {
        let status = workload.status.clone().unwrap_or_default();
        Self {
            generation: workload.metadata.generation,
            observed: status.observed_generation,
            wanted: replicas(workload.spec.as_ref().and_then(|spec| spec.replicas)),
            all: status.replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
        }
    }

    fn daemon_set(workload: &DaemonSet) -> Self {
        let status = workload.status.clone().unwrap_or_default();
        Self {
            generation: workload.metadata.generation,
            observed: status.observed_generation,
            wanted: status.desired_number_scheduled,
            all: status.current_number_scheduled,
            updated: status.updated_number_scheduled.unwrap_or(0),
            ready: status.number_ready,
        }
    }

    fn unsettled(&self) -> Option<&'static str> {
        if self.observed < self.generation {
            Some("the workload's controller has not seen the change")
        } else if self.ready != self.wanted {
            Some("not every pod is Ready")
        } else if self.updated != self.wanted || self.all != self.wanted {
            Some("the rollout has not ended")
        } else {
            None
        }
    }
}

/// As Kubernetes has it by default.
fn replicas(specified: Option<i32>) -> i32 {
    specified.unwrap_or(1)
}
