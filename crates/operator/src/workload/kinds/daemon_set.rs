//! DaemonSets own their pods, one a node, and a ControllerRevision for each template that they ever
//! had; their status names none of these.

use api::WorkloadKind;
use k8s_openapi::{
    api::apps::v1::{ControllerRevision, DaemonSet},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::Api;
use plan::rollout::Live;

use super::{Kind, Lineage, Workloads, is_owned, named, selected};
use crate::{
    context::Context,
    error::Error,
    watches::Known,
    workload::read::{common, replacement, seconds},
};

impl Kind for DaemonSet {
    const KIND: WorkloadKind = WorkloadKind::DaemonSet;
    const PLURAL: &'static str = "DaemonSets";
    const PODS: &'static str = "Pods of DaemonSet";
    const NEEDS: &'static str = "get DaemonSets and to list ControllerRevisions and pods";
    const REVISION_LABEL: &'static str = "controller-revision-hash";

    fn known(workloads: &Workloads) -> Option<&Known<Self>> {
        workloads.daemon_sets.as_ref()
    }

    fn selector(&self) -> LabelSelector {
        let spec = self.spec.as_ref();
        spec.map(|spec| spec.selector.clone()).unwrap_or_default()
    }

    fn live(&self) -> Live {
        let spec = self.spec.clone().unwrap_or_default();
        let strategy = spec.update_strategy.unwrap_or_default();
        let status = self.status.as_ref();
        // A pod stays on a node that was tainted after it came; no other would come there.
        let nodes = status.map_or(0, |status| {
            status.desired_number_scheduled + status.number_misscheduled
        });
        Live {
            replicas: nodes,
            replacement: replacement(strategy.type_.as_deref()),
            min_ready: seconds(spec.min_ready_seconds),
            ..common(
                &self.metadata,
                &spec.template,
                status.and_then(|status| status.observed_generation),
            )
        }
    }

    async fn lineage(&self, context: &Context) -> Result<Lineage, Error> {
        let api: Api<ControllerRevision> =
            Api::namespaced(context.client.clone(), &context.namespace);
        let listed = api.list(&selected(self)).await;
        let listed = listed.map_err(|error| Error::Read {
            object: named("ControllerRevisions of DaemonSet", self),
            failure: error.into(),
        })?;
        Ok(lineage(self, &listed.items))
    }
}

/// The lineage of a DaemonSet. A template that it had before has its revision counted anew.
fn lineage(daemon_set: &DaemonSet, revisions: &[ControllerRevision]) -> Lineage {
    let uid = daemon_set.metadata.uid.as_deref().unwrap_or_default();
    let newest = revisions
        .iter()
        .filter(|revision| is_owned(&revision.metadata, uid))
        .max_by_key(|revision| revision.revision);
    let label = |newest: &ControllerRevision| {
        let labels = newest.metadata.labels.as_ref()?;
        labels.get(DaemonSet::REVISION_LABEL).cloned()
    };
    Lineage {
        owners: vec![uid.to_owned()],
        update_revision: newest.and_then(label),
    }
}

#[cfg(test)]
mod tests;
