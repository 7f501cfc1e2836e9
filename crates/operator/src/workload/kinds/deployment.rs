//! Deployments own ReplicaSets, one for each template that they ever had, and these own the pods.

use api::WorkloadKind;
use k8s_openapi::{
    api::apps::v1::{Deployment, ReplicaSet},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::Api;
use plan::rollout::{Live, Replacement};

use super::{Kind, Lineage, Workloads, is_owned, named, selected};
use crate::{
    context::Context,
    error::Error,
    watches::Known,
    workload::read::{common, seconds},
};

/// Annotation by which the Deployment's controller counts templates: the newest has the highest.
const REVISION: &str = "deployment.kubernetes.io/revision";

impl Kind for Deployment {
    const KIND: WorkloadKind = WorkloadKind::Deployment;
    const PLURAL: &'static str = "Deployments";
    const PODS: &'static str = "Pods of Deployment";
    const NEEDS: &'static str = "get Deployments and to list ReplicaSets and pods";
    const REVISION_LABEL: &'static str = "pod-template-hash";

    fn known(workloads: &Workloads) -> Option<&Known<Self>> {
        workloads.deployments.as_ref()
    }

    fn selector(&self) -> LabelSelector {
        let spec = self.spec.as_ref();
        spec.map(|spec| spec.selector.clone()).unwrap_or_default()
    }

    fn live(&self) -> Live {
        let spec = self.spec.clone().unwrap_or_default();
        let observed = self
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        Live {
            replicas: spec.replicas.unwrap_or(1),
            replacement: match spec.paused {
                Some(true) => Replacement::Paused,
                Some(false) | None => Replacement::Automatic,
            },
            min_ready: seconds(spec.min_ready_seconds),
            ..common(&self.metadata, &spec.template, observed)
        }
    }

    async fn lineage(&self, context: &Context) -> Result<Lineage, Error> {
        let api: Api<ReplicaSet> = Api::namespaced(context.client.clone(), &context.namespace);
        let listed = api.list_metadata(&selected(self)).await;
        let listed = listed.map_err(|error| Error::Read {
            object: named("ReplicaSets of Deployment", self),
            failure: error.into(),
        })?;
        Ok(lineage(
            self,
            listed.items.iter().map(|item| &item.metadata),
        ))
    }
}

/// The lineage of a Deployment, from the metadata of ReplicaSets.
fn lineage<'a>(
    deployment: &Deployment,
    replica_sets: impl Iterator<Item = &'a ObjectMeta>,
) -> Lineage {
    let uid = deployment.metadata.uid.as_deref().unwrap_or_default();
    let owned: Vec<_> = replica_sets
        .filter(|replica_set| is_owned(replica_set, uid))
        .collect();
    let newest = owned
        .iter()
        .filter(|_| is_of_its_template(deployment))
        .max_by_key(|replica_set| revision(replica_set));
    let label = |newest: &&ObjectMeta| {
        let labels = newest.labels.as_ref()?;
        labels.get(Deployment::REVISION_LABEL).cloned()
    };
    Lineage {
        update_revision: newest.and_then(label),
        owners: owned.iter().filter_map(|it| it.uid.clone()).collect(),
    }
}

/// Whether the newest ReplicaSet is of the Deployment's template. One that is paused gets none for a
/// template that was changed meanwhile, and counts no pod as updated then.
fn is_of_its_template(deployment: &Deployment) -> bool {
    let paused = deployment
        .spec
        .as_ref()
        .is_some_and(|spec| spec.paused == Some(true));
    let updated = deployment
        .status
        .as_ref()
        .and_then(|status| status.updated_replicas);
    !paused || updated.is_some_and(|updated| updated > 0)
}

fn revision(replica_set: &ObjectMeta) -> Option<i64> {
    let annotations = replica_set.annotations.as_ref()?;
    annotations.get(REVISION)?.parse().ok()
}

#[cfg(test)]
mod tests;
