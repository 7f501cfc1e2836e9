//! What differs between the kinds of workloads: where their specification stands, how their pods are
//! known, and which revision their pods are to be of. Reads, and decides nothing.

mod daemon_set;
mod deployment;
mod stateful_set;

use std::fmt::Debug;

use api::WorkloadKind;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        core::v1::Pod as KubePod,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::{Api, Resource, api::ListParams, core::Selector};
use plan::rollout::Live;
use serde::de::DeserializeOwned;

use crate::{
    context::Context,
    error::{Error, ObjectName},
    watches::Known,
};

/// A kind of workload.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Its name.
    const KIND: WorkloadKind;
    /// What is said of its watch.
    const PLURAL: &'static str;
    /// What its pods are called in messages.
    const PODS: &'static str;
    /// What the operator's Role has to allow for it to be observed.
    const NEEDS: &'static str;
    /// Label of a pod that names the revision that it was made of.
    const REVISION_LABEL: &'static str;

    /// What is known of those of its kind.
    fn known(workloads: &Workloads) -> Option<&Known<Self>>;

    /// Which pods may be its own.
    fn selector(&self) -> LabelSelector;

    /// What it tells of itself: all but its pods, and the revision that they are to be of.
    fn live(&self) -> Live;

    /// What its pods are owned by, and which revision they are to be of.
    fn lineage(&self, context: &Context) -> impl Future<Output = Result<Lineage, Error>> + Send;
}

/// How a workload's pods are told from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Uids of what its pods are owned by.
    pub owners: Vec<String>,
    /// Revision that pods of its template are made of, if there is one.
    pub update_revision: Option<String>,
}

impl Lineage {
    /// Whether a pod is the workload's. One that has ended for good serves nothing, and another is made
    /// in its place.
    pub fn has(&self, pod: &KubePod) -> bool {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Failed" | "Succeeded"))
            && self
                .owners
                .iter()
                .any(|owner| is_owned(&pod.metadata, owner))
    }
}

/// Whether an object is owned by that of this uid.
fn is_owned(metadata: &ObjectMeta, uid: &str) -> bool {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.uid == uid)
}

/// The objects that a workload's selector selects, as its controller lists them.
pub fn selected(workload: &impl Kind) -> ListParams {
    // The API server admits no workload whose selector cannot be parsed.
    let selector = Selector::try_from(workload.selector()).unwrap_or_default();
    ListParams::default().labels_from(&selector)
}

/// The workloads of the namespace, as of their watches; none for a kind that the operator was not
/// given.
pub struct Workloads {
    /// StatefulSets.
    pub stateful_sets: Option<Known<StatefulSet>>,
    /// Deployments.
    pub deployments: Option<Known<Deployment>>,
    /// DaemonSets.
    pub daemon_sets: Option<Known<DaemonSet>>,
}

impl Workloads {
    /// Whether the operator was given this kind.
    pub const fn watches(&self, kind: WorkloadKind) -> bool {
        match kind {
            WorkloadKind::StatefulSet => self.stateful_sets.is_some(),
            WorkloadKind::Deployment => self.deployments.is_some(),
            WorkloadKind::DaemonSet => self.daemon_sets.is_some(),
        }
    }
}

/// One for each kind.
#[derive(Clone, Debug, Default)]
pub struct PerKind<T> {
    /// Of StatefulSets.
    pub stateful_sets: T,
    /// Of Deployments.
    pub deployments: T,
    /// Of DaemonSets.
    pub daemon_sets: T,
}

impl<T> PerKind<T> {
    /// That of a kind.
    pub const fn of(&self, kind: WorkloadKind) -> &T {
        match kind {
            WorkloadKind::StatefulSet => &self.stateful_sets,
            WorkloadKind::Deployment => &self.deployments,
            WorkloadKind::DaemonSet => &self.daemon_sets,
        }
    }
}

/// Name of a workload in messages.
pub fn object_name<K: Kind>(workload: &K) -> ObjectName {
    named::<K>(K::KIND.as_str(), workload)
}

/// Name of what belongs to a workload, in messages.
fn named<K: Kind>(what: &'static str, workload: &K) -> ObjectName {
    let metadata = workload.meta();
    ObjectName::new(
        what,
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

/// The pods that may be a workload's.
pub async fn candidates<K: Kind>(context: &Context, workload: &K) -> Result<Vec<KubePod>, Error> {
    let api: Api<KubePod> = Api::namespaced(context.client.clone(), &context.namespace);
    let listed = api.list(&selected(workload)).await;
    let listed = listed.map_err(|error| Error::Read {
        object: named(K::PODS, workload),
        failure: error.into(),
    })?;
    Ok(listed.items)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An object with these values in one of its parts.
    pub fn with(mut object: Value, part: &str, values: &Value) -> Value {
        let values = values.as_object().unwrap().clone();
        object[part].as_object_mut().unwrap().extend(values);
        object
    }

    /// A pod in a phase, owned by the object of this uid.
    pub fn owned_pod(owner: &str, phase: &str) -> KubePod {
        let pod = json!({
            "metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "X", "name": "x", "uid": owner}]},
            "status": {"phase": phase},
        });
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn a_pod_that_has_ended_for_good_is_none_of_a_workloads() {
        let lineage = Lineage {
            owners: vec!["u".to_owned()],
            update_revision: None,
        };
        assert!(lineage.has(&owned_pod("u", "Pending")));
        for evicted in ["Failed", "Succeeded"] {
            assert!(!lineage.has(&owned_pod("u", evicted)));
        }
    }
}
