//! One pod restarted alone: deleted at exactly the revision that was judged, within its own grace
//! period. The workload's controller makes its successor.

use api::{Fingerprint, names};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, EvictParams, Patch, PatchParams, Preconditions},
    runtime::events::EventType,
};
use plan::Version;
use serde_json::json;

use crate::{
    context::Context,
    error::{ApiFailure, Error, ObjectName},
    events::Notice,
    requests,
};

/// Deletes a pod. One that changed meanwhile is looked at again.
pub async fn restart(context: &Context, pod: &str, version: &Version) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &context.namespace);
    let object = ObjectName::new("Pod", &context.namespace, pod);
    api.delete(pod, &parameters(version))
        .await
        .map(drop)
        .map_err(|error| failed(object, error.into()))?;
    context.metrics.pod_restarted();
    Ok(())
}

/// No grace period is named: the pod's own holds.
fn parameters(version: &Version) -> DeleteParams {
    DeleteParams::default().preconditions(Preconditions {
        uid: Some(version.uid.clone()),
        resource_version: Some(version.resource_version.clone()),
    })
}

/// Evicts a pod, as far as its PodDisruptionBudget lets it go. One that changed meanwhile is looked at
/// again.
pub async fn evict(context: &Context, pod: &str, version: &Version) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &context.namespace);
    let object = ObjectName::new("Pod", &context.namespace, pod);
    let eviction = EvictParams {
        delete_options: Some(parameters(version)),
        ..EvictParams::default()
    };
    api.evict(pod, &eviction)
        .await
        .map_err(|error| not_evicted(object, error.into()))?;
    context.metrics.pod_evicted();
    Ok(())
}

fn not_evicted(object: ObjectName, failure: ApiFailure) -> Error {
    if failure.is_stale() {
        Error::Changed { object }
    } else {
        Error::Evict { object, failure }
    }
}

/// Has the kubelet look at the volumes of exactly this pod at once: any change of a pod does. Through the
/// subresource, which cannot change what the pod is.
pub async fn touch(
    context: &Context,
    pod: &str,
    version: &Version,
    leaf: Fingerprint,
) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &context.namespace);
    let object = ObjectName::new("Pod", &context.namespace, pod);
    let patch = json!({"metadata": {
        "uid": version.uid,
        "resourceVersion": version.resource_version,
        "annotations": {names::TOUCHED: leaf.to_string()},
    }});
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let touched = api.patch_status(pod, &params, &Patch::Merge(patch)).await;
    touched
        .map(drop)
        .map_err(|error| requests::write_failure(object, error.into()))
}

fn failed(object: ObjectName, failure: ApiFailure) -> Error {
    if failure.is_stale() {
        Error::Changed { object }
    } else {
        Error::Delete { object, failure }
    }
}

/// What a person is told.
pub fn notice(pod: &str) -> Notice {
    Notice {
        kind: EventType::Normal,
        reason: "PodRestarted".to_owned(),
        action: "RestartPod",
        note: format!(
            "pod {pod} is replaced alone: it held another file than the certificate in service"
        ),
    }
}

/// The same of a pod whose turn has come.
pub fn eviction(pod: &str) -> Notice {
    Notice {
        kind: EventType::Normal,
        reason: "PodEvicted".to_owned(),
        action: "EvictPod",
        note: format!("pod {pod} is evicted; its successor takes the certificate in service up"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_deleted_at_the_revision_that_was_judged_with_its_own_grace_period() {
        let version = Version {
            uid: "uid".to_owned(),
            resource_version: "7".to_owned(),
        };
        let body = serde_json::to_value(parameters(&version)).unwrap();
        let preconditions = serde_json::json!({"uid": "uid", "resourceVersion": "7"});
        assert_eq!(body["preconditions"], preconditions);
        assert_eq!(body.get("gracePeriodSeconds"), None);
    }

    #[test]
    fn a_pod_that_changed_is_no_failure_and_a_missing_permission_is() {
        let object = || ObjectName::new("Pod", "wire", "coturn-0");
        let stale = failed(object(), ApiFailure::Conflict);
        assert!(matches!(stale, Error::Changed { .. }));
        let forbidden = failed(object(), ApiFailure::Forbidden("no".to_owned()));
        let told = super::super::refusal(&forbidden).message;
        assert!(
            told.starts_with("cannot delete Pod wire/coturn-0: "),
            "{told}"
        );
        assert!(told.contains("restartPods=true"), "{told}");
    }
}
