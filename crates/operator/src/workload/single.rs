//! One pod restarted alone: deleted at exactly the revision that was judged, within its own grace
//! period. The workload's controller makes its successor.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, Preconditions},
    runtime::events::EventType,
};
use plan::Version;

use crate::{
    context::Context,
    error::{ApiFailure, Error, ObjectName},
    events::Notice,
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
