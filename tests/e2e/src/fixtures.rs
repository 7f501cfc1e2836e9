//! Objects that tests create.

use std::collections::BTreeMap;

use api::{CoturnCertificate, CoturnCertificateSpec, names};
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        core::v1::{
            ConfigMapVolumeSource, ContainerPort, PodReadinessGate, PodTemplateSpec, Secret,
            SecretVolumeSource, Volume, VolumeMount,
        },
    },
};
use kube::core::ObjectMeta;
use pki::testing::TestSecret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Name of the resource, and of its workload.
pub const COTURN: &str = "coturn";
/// Name of the CA Secret.
pub const CA: &str = "coturn-ca";
/// Name of the published Secret.
pub const PUBLISHED: &str = "coturn-dtls-certificate";
/// Name of the store Secret.
pub const STORE: &str = "coturn-coturn-cert-store";
/// Where coturn's DTLS listener is.
pub const DTLS_PORT: u16 = 5349;

/// Condition of a pod that its readiness waits for, where a test asks for that.
pub const GATE: &str = "test.coturncert.dev/let-in";

/// A resource with one name and the workload `coturn`; what `extra` says comes on top.
pub fn certificate(extra: &Value) -> CoturnCertificate {
    let mut spec = json!({
        "issuer": {"ca": {"secretName": CA}},
        "dnsNames": ["coturn.example.com"],
        "workloadRef": {"kind": "StatefulSet", "name": COTURN},
    });
    let extra = extra.as_object().expect("an object").clone();
    spec.as_object_mut().expect("an object").extend(extra);
    let spec: CoturnCertificateSpec = serde_json::from_value(spec).expect("a specification");
    CoturnCertificate::new(COTURN, spec)
}

/// A Secret with a pair, as `kubectl create secret tls` makes it.
pub fn tls_secret(name: &str, certificate: &str, key: &str) -> Secret {
    let data = [(names::TLS_CRT, certificate), (names::TLS_KEY, key)];
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some(names::TLS_SECRET_TYPE.to_owned()),
        data: Some(
            data.into_iter()
                .map(|(key, value)| (key.to_owned(), text(value)))
                .collect(),
        ),
        ..Secret::default()
    }
}

/// A CA Secret; Opaque, so that a test may half-write it.
pub fn ca_secret(ca: &TestSecret) -> Secret {
    let data: BTreeMap<_, _> = [
        (names::TLS_CRT, &ca.certificate),
        (names::TLS_KEY, &ca.key),
        (names::CA_CRT, &ca.root),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), text(value)))
    .collect();
    Secret {
        metadata: ObjectMeta {
            name: Some(CA.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..Secret::default()
    }
}

/// Bytes of a Secret's value.
pub fn text(value: &str) -> ByteString {
    ByteString(value.as_bytes().to_vec())
}

/// The samples' StatefulSet of real coturn servers.
pub fn coturn(replicas: i32) -> StatefulSet {
    let samples = include_str!("../../../deploy/samples/coturn-statefulset.yaml");
    let mut workload: StatefulSet = sample(samples);
    workload.spec.as_mut().expect("a spec").replicas = Some(replicas);
    workload
}

/// The samples' Deployment of real coturn servers.
pub fn deployment(replicas: i32) -> Deployment {
    let samples = include_str!("../../../deploy/samples/coturn-deployment.yaml");
    let mut workload: Deployment = sample(samples);
    workload.spec.as_mut().expect("a spec").replicas = Some(replicas);
    workload
}

/// The samples' DaemonSet of real coturn servers.
pub fn daemon_set() -> DaemonSet {
    sample(include_str!(
        "../../../deploy/samples/coturn-daemonset.yaml"
    ))
}

/// The workload of a file of samples: its last document.
fn sample<K: DeserializeOwned>(samples: &str) -> K {
    let document = samples.split("\n---\n").last().expect("a document");
    serde_saphyr::from_str(document).expect("a workload")
}

/// The same with a process that starts and ends at once in the place of coturn, for tests that do
/// not look at what is served.
pub fn light(replicas: i32) -> StatefulSet {
    let mut workload = coturn(replicas);
    lighten(&mut workload.spec.as_mut().expect("a spec").template);
    workload
}

/// As [`light`].
pub fn light_deployment(replicas: i32) -> Deployment {
    let mut workload = deployment(replicas);
    lighten(&mut workload.spec.as_mut().expect("a spec").template);
    workload
}

/// As [`light`].
pub fn light_daemon_set() -> DaemonSet {
    let mut workload = daemon_set();
    lighten(&mut workload.spec.as_mut().expect("a spec").template);
    workload
}

fn lighten(template: &mut PodTemplateSpec) {
    let pod = template.spec.as_mut().expect("a pod");
    pod.termination_grace_period_seconds = Some(1);
    let container = &mut pod.containers[0];
    container.command = Some(
        ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"]
            .map(str::to_owned)
            .into(),
    );
    container.args = None;
    container.readiness_probe = None;
}

/// Name of the ConfigMap that holds the configuration of [`federating`] coturn servers.
pub const SETTINGS: &str = "coturn-settings";
/// Name of the Secret that they mount as `/coturn-ca-certificate`, as those of Wire's chart have it.
pub const BUNDLE: &str = "coturn-ca-certificate";

/// As [`light`], with a command that says which configuration coturn would have.
pub fn federating(replicas: i32) -> StatefulSet {
    let mut workload = light(replicas);
    mount(&mut workload, BUNDLE);
    let template = &mut workload.spec.as_mut().expect("a spec").template;
    let pod = template.spec.as_mut().expect("a pod");
    pod.volumes.get_or_insert_default().push(Volume {
        name: SETTINGS.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: SETTINGS.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
    let container = &mut pod.containers[0];
    let mounts = container.volume_mounts.get_or_insert_default();
    mounts.push(VolumeMount {
        name: SETTINGS.to_owned(),
        mount_path: format!("/{SETTINGS}"),
        ..VolumeMount::default()
    });
    let command = container.command.as_mut().expect("a command");
    let script = command.last_mut().expect("a script");
    *script = format!("{script}; exec turnserver -c /{SETTINGS}/turnserver.conf");
    workload
}

/// Name of the ConfigMap by which [`switched`] coturn servers find their certificate.
pub const SWITCH: &str = "coturn-switch";

/// Real coturn servers that look up where their certificate lies, whenever they start.
pub fn switched(replicas: i32) -> StatefulSet {
    let mut workload = coturn(replicas);
    let template = &mut workload.spec.as_mut().expect("a spec").template;
    let pod = template.spec.as_mut().expect("a pod");
    pod.volumes.get_or_insert_default().push(Volume {
        name: SWITCH.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: SWITCH.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
    let container = &mut pod.containers[0];
    container
        .volume_mounts
        .get_or_insert_default()
        .push(VolumeMount {
            name: SWITCH.to_owned(),
            mount_path: "/switch".to_owned(),
            ..VolumeMount::default()
        });
    let mut arguments = container.args.take().expect("arguments");
    arguments.retain(|it| !it.starts_with("--cert=") && !it.starts_with("--pkey="));
    let command = format!(
        "exec turnserver {} --cert=\"$(cat /switch/certificate)\" --pkey=\"$(cat /switch/key)\" $(cat /switch/more)",
        arguments.join(" ")
    );
    container.command = Some(["sh", "-c"].map(str::to_owned).into());
    container.args = Some(vec![command]);
    workload
}

/// Where [`switched`] coturn servers find their certificate, and what else they are told.
pub fn switch(folder: &str, more: &str) -> BTreeMap<String, String> {
    [
        ("certificate", format!("{folder}/tls.crt")),
        ("key", format!("{folder}/tls.key")),
        ("more", more.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Where the published Secret is mounted.
pub const MOUNTED: &str = "/coturn-dtls-certificate";

/// What has the operator dial coturn's DTLS listener.
pub fn dialled() -> Value {
    json!({"endpoints": [{"protocol": "DTLS", "port": DTLS_PORT}], "interval": "1h"})
}

/// Has the agent run beside coturn, as the kustomize component does, under the uid of the samples.
pub fn with_agent(mut workload: StatefulSet) -> StatefulSet {
    let component = include_str!("../../../deploy/agent/sidecar.yaml");
    let mut sidecar: StatefulSet = serde_saphyr::from_str(&patched(component)).expect("a patch");
    let patch = sidecar.spec.as_mut().expect("a spec").template.spec.take();
    let template = &mut workload.spec.as_mut().expect("a spec").template;
    let (patch, pod) = (
        patch.expect("a pod"),
        template.spec.as_mut().expect("a pod"),
    );
    pod.share_process_namespace = patch.share_process_namespace;
    pod.init_containers
        .get_or_insert_default()
        .extend(patch.init_containers.into_iter().flatten());
    workload
}

/// Where the agent relays, unless it is told otherwise.
const RELAY_PORT: i32 = 9798;

/// The same, with an agent that relays to a partner, `HOST:PORT`.
pub fn with_relay(workload: StatefulSet, partner: &str) -> StatefulSet {
    let mut workload = with_agent(workload);
    let template = &mut workload.spec.as_mut().expect("a spec").template;
    let pod = template.spec.as_mut().expect("a pod");
    let mut containers = pod.init_containers.iter_mut().flatten();
    let agent = containers
        .find(|it| it.name == names::AGENT)
        .expect("the agent");
    let arguments = agent.args.get_or_insert_default();
    arguments.extend(["--partner".to_owned(), partner.to_owned()]);
    agent.ports.get_or_insert_default().push(ContainerPort {
        name: Some(names::RELAY_PORT.to_owned()),
        container_port: RELAY_PORT,
        ..ContainerPort::default()
    });
    workload
}

/// The component with this tree's image, as the uid that the samples run coturn as, and with what a
/// StatefulSet must have.
fn patched(component: &str) -> String {
    component
        .replace(
            "image: coturn-cert-operator",
            "image: docker.io/local/coturn-cert-operator:dev",
        )
        .replace("runAsUser: 65534", "runAsUser: 31338")
        .replace(
            "spec:\n  template:",
            "spec:\n  serviceName: coturn\n  selector: {}\n  template:",
        )
}

/// Has the pods of a workload mount one more Secret.
pub fn mount(workload: &mut StatefulSet, secret: &str) {
    let pod = workload
        .spec
        .as_mut()
        .and_then(|spec| spec.template.spec.as_mut())
        .expect("a pod");
    pod.volumes.get_or_insert_default().push(Volume {
        name: secret.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    let mounts = pod.containers[0].volume_mounts.get_or_insert_default();
    mounts.push(VolumeMount {
        name: secret.to_owned(),
        mount_path: format!("/{secret}"),
        ..VolumeMount::default()
    });
}

/// Has each pod wait for [`World::let_in`](crate::World::let_in) before it is Ready.
pub fn gate(workload: &mut StatefulSet) {
    let pod = workload
        .spec
        .as_mut()
        .and_then(|spec| spec.template.spec.as_mut())
        .expect("a pod");
    pod.readiness_gates = Some(vec![PodReadinessGate {
        condition_type: GATE.to_owned(),
    }]);
}
