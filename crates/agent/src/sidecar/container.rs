//! The agent's container.

use serde_json::{Value, json};

use super::{CONTAINER, PORT, PostRenderArgs, RELAY_PORT, workload::Place};

/// A native sidecar (an init container that goes on; Kubernetes 1.29): it is there before coturn and ends
/// after it, also where coturn drains for hours, and its restarts are none of the pod's other containers'.
pub(super) fn container(args: &PostRenderArgs, place: &Place) -> Value {
    let mut arguments = vec!["agent".to_owned(), "--watch".to_owned(), place.path.clone()];
    let mut ports = vec![json!({"name": PORT, "containerPort": 9797})];
    for partner in &args.partners {
        arguments.extend(["--partner".to_owned(), partner.to_string()]);
    }
    if !args.partners.is_empty() {
        ports.push(json!({"name": RELAY_PORT, "containerPort": 9798}));
    }
    json!({
        "name": CONTAINER,
        "image": args.image,
        "args": arguments,
        "restartPolicy": "Always",
        "ports": ports,
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 30},
        "resources": {
            "requests": {"cpu": "5m", "memory": "16Mi"},
            "limits": {"memory": "64Mi"},
        },
        "securityContext": {
            "runAsUser": place.uid,
            "runAsNonRoot": place.uid != 0,
            "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": place.volume, "mountPath": place.path, "readOnly": true}],
    })
}
