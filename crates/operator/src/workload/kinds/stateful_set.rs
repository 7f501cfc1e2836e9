//! StatefulSets own their pods, and name the revision that these are to be of.

use api::WorkloadKind;
use k8s_openapi::{
    api::apps::v1::{StatefulSet, StatefulSetOrdinals},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use plan::rollout::Live;

use super::{Kind, Lineage, Workloads};
use crate::{
    context::Context,
    error::Error,
    watches::Known,
    workload::read::{common, replacement, seconds},
};

impl Kind for StatefulSet {
    const KIND: WorkloadKind = WorkloadKind::StatefulSet;
    const PLURAL: &'static str = "StatefulSets";
    const PODS: &'static str = "Pods of StatefulSet";
    const NEEDS: &'static str = "get StatefulSets and to list pods";
    const REVISION_LABEL: &'static str = "controller-revision-hash";

    fn known(workloads: &Workloads) -> Option<&Known<Self>> {
        workloads.stateful_sets.as_ref()
    }

    fn selector(&self) -> LabelSelector {
        let spec = self.spec.as_ref();
        spec.map(|spec| spec.selector.clone()).unwrap_or_default()
    }

    fn live(&self) -> Live {
        let spec = self.spec.clone().unwrap_or_default();
        let strategy = spec.update_strategy.unwrap_or_default();
        let observed = self
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        Live {
            replicas: spec.replicas.unwrap_or(1),
            partition: strategy
                .rolling_update
                .and_then(|rolling| rolling.partition)
                .unwrap_or(0),
            replacement: replacement(strategy.type_.as_deref()),
            // The API server fills in what is not specified.
            ordered: spec.pod_management_policy.as_deref() != Some("Parallel"),
            min_ready: seconds(spec.min_ready_seconds),
            first_ordinal: first_ordinal(spec.ordinals.as_ref()),
            ..common(&self.metadata, &spec.template, observed)
        }
    }

    async fn lineage(&self, _: &Context) -> Result<Lineage, Error> {
        let status = self.status.as_ref();
        Ok(Lineage {
            owners: self.metadata.uid.iter().cloned().collect(),
            update_revision: status.and_then(|status| status.update_revision.clone()),
        })
    }
}

fn first_ordinal(ordinals: Option<&StatefulSetOrdinals>) -> u32 {
    let start = ordinals.and_then(|ordinals| ordinals.start);
    start
        .and_then(|start| u32::try_from(start).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
