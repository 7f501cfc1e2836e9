//! The agent's container.

use api::names::{self, AGENT};
use serde_json::{Value, json};

use super::{PORT, PostRenderArgs, workload::Place};
use crate::args;

/// A native sidecar (an init container that goes on; Kubernetes 1.29): it is there before coturn and ends
/// after it, also where coturn drains for hours, and its restarts are none of the pod's other containers'.
pub(super) fn container(args: &PostRenderArgs, place: &Place) -> Value {
    let mut ports = vec![json!({"name": PORT, "containerPort": args.port})];
    if !args.partners.is_empty() {
        ports.push(json!({"name": names::RELAY_PORT, "containerPort": args.relay_port}));
    }
    json!({
        "name": AGENT,
        "image": args.image,
        "args": arguments(args, &place.path),
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

/// What the agent is started with; what it does by itself is not said.
fn arguments(args: &PostRenderArgs, path: &str) -> Vec<String> {
    let mut arguments = vec!["agent".to_owned(), "--watch".to_owned(), path.to_owned()];
    let listen = |option: &str, port| [option.to_owned(), args::everywhere(port).to_string()];
    if args.port != args::PORT {
        arguments.extend(listen("--listen", args.port));
    }
    if args.relay_port != args::RELAY_PORT {
        arguments.extend(listen("--relay-listen", args.relay_port));
    }
    for partner in &args.partners {
        arguments.extend(["--partner".to_owned(), partner.to_string()]);
    }
    arguments
}
