//! One pod restarted alone: deleted at exactly the revision that was judged, within its own grace
//! period. The workload's controller makes its successor.

use api::{Fingerprint, names};
use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::Eviction},
    apimachinery::pkg::apis::meta::v1::{self as meta, ObjectMeta},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::Status,
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
    api.create_subresource::<_, Status>(
        "eviction",
        pod,
        &PostParams::default(),
        &evicted(pod, version),
    )
    .await
    .map_err(|error| not_evicted(object, error.into()))?;
    context.metrics.pod_evicted();
    Ok(())
}

/// Built here: the body that kube 5.0 makes of `EvictParams` calls the options `delete_options`, which the
/// API server does not know and leaves out, and with them the revision.
fn evicted(pod: &str, version: &Version) -> Eviction {
    Eviction {
        metadata: ObjectMeta {
            name: Some(pod.to_owned()),
            ..ObjectMeta::default()
        },
        delete_options: Some(meta::DeleteOptions {
            preconditions: Some(meta::Preconditions {
                uid: Some(version.uid.clone()),
                resource_version: Some(version.resource_version.clone()),
            }),
            ..meta::DeleteOptions::default()
        }),
    }
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
    use std::convert::Infallible;

    use api::Reason;
    use axum::http::{Request, Response};
    use kube::{Client, client::Body};
    use serde_json::Value;

    use super::*;
    use crate::context::testing::{NAMESPACE, context};

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

    /// The API server's answer to an eviction, as an error.
    async fn refused(answer: fn(&Request<Body>) -> Value) -> Error {
        let context = context(&[], answer);
        let version = Version {
            uid: "uid".to_owned(),
            resource_version: "7".to_owned(),
        };
        evict(&context, "coturn-0", &version).await.unwrap_err()
    }

    fn status(code: u16, message: &str, causes: &Value) -> Value {
        json!({
            "kind": "Status", "status": "Failure", "code": code, "message": message,
            "details": {"causes": causes},
        })
    }

    #[tokio::test]
    async fn a_pod_is_evicted_at_the_revision_that_was_judged_with_its_own_grace_period() {
        let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: Request<Body>| {
            let sent = sent.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                sent.send((parts.uri.path().to_owned(), body)).unwrap();
                let answer = json!({"kind": "Status", "status": "Success"});
                let answer = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, Infallible>(Response::new(answer))
            }
        });
        let context = Context {
            client: Client::new(service, NAMESPACE),
            ..context(&[], |_| Value::Null)
        };
        let version = Version {
            uid: "uid".to_owned(),
            resource_version: "7".to_owned(),
        };
        evict(&context, "coturn-0", &version).await.unwrap();
        let (path, body) = seen.recv().await.unwrap();
        assert_eq!(path, "/api/v1/namespaces/wire/pods/coturn-0/eviction");
        assert_eq!(
            (&body["apiVersion"], &body["kind"]),
            (&json!("policy/v1"), &json!("Eviction"))
        );
        assert_eq!(body["metadata"]["name"], "coturn-0");
        let options = json!({"preconditions": {"uid": "uid", "resourceVersion": "7"}});
        assert_eq!(body["deleteOptions"], options);
    }

    #[tokio::test]
    async fn a_pod_that_may_not_go_now_is_its_budgets_matter_and_a_busy_server_is_not() {
        let budget = refused(|_| {
            let cause = "The disruption budget coturn needs 1 healthy pods and has 1 currently";
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            status(
                429,
                message,
                &json!([{"reason": "DisruptionBudget", "message": cause}]),
            )
        })
        .await;
        let told = super::super::refusal(&budget);
        assert_eq!(told.reason, Reason::DisruptionBudget);
        assert!(
            told.message.contains("needs 1 healthy pods and has 1"),
            "{}",
            told.message
        );
        assert!(
            told.message.contains("PodDisruptionBudget"),
            "{}",
            told.message
        );
        let busy = refused(|_| status(429, "too many requests", &json!([]))).await;
        assert_eq!(busy.reason(), Reason::ApiUnavailable);
    }

    #[tokio::test]
    async fn two_budgets_for_one_pod_are_to_be_made_one() {
        let two = refused(|_| {
            let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource \
                           does not support.";
            status(500, message, &json!([]))
        })
        .await;
        let told = super::super::refusal(&two);
        assert_eq!(told.reason, Reason::Refused);
        assert!(
            told.message.contains("leave one that selects the pod"),
            "{}",
            told.message
        );
    }

    #[tokio::test]
    async fn a_pod_that_changed_is_not_evicted_and_looked_at_again() {
        let stale = refused(|_| {
            let mut conflict = status(409, "the object might have been modified", &json!([]));
            conflict["reason"] = json!("Conflict");
            conflict
        })
        .await;
        assert!(matches!(stale, Error::Changed { .. }), "{stale}");
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
