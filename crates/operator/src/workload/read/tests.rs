//! Pods as the API server returns them.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn time(second: i64) -> Value {
    json!(self::second(second).to_string())
}

fn mounting(name: &str, volumes: &[&str]) -> Value {
    let mounts: Vec<_> = volumes
        .iter()
        .map(|volume| json!({"name": volume, "mountPath": format!("/{volume}")}))
        .collect();
    json!({"name": name, "volumeMounts": mounts})
}

fn running(name: &str, since: i64) -> Value {
    status(name, &json!({"running": {"startedAt": time(since)}}))
}

fn status(name: &str, state: &Value) -> Value {
    json!({
        "name": name, "state": state, "image": "coturn", "imageID": "", "ready": true, "restartCount": 0,
    })
}

/// A pod with the Secret `tls` as volume `certs` and the Secret `other`, projected, as volume `all`.
fn kube_pod(spec: &Value, status: &Value) -> KubePod {
    let mut pod = json!({
        "metadata": {"name": "coturn-0", "creationTimestamp": time(0)},
        "spec": {"containers": [], "volumes": [
            {"name": "certs", "secret": {"secretName": "tls"}},
            {"name": "all", "projected": {"sources": [
                {"configMap": {"name": "settings"}}, {"secret": {"name": "other"}},
            ]}},
            {"name": "scratch", "emptyDir": {}},
        ]},
        "status": status,
    });
    let target = pod["spec"].as_object_mut().unwrap();
    target.extend(spec.as_object().unwrap().clone());
    serde_json::from_value(pod).unwrap()
}

type Starts = BTreeMap<String, Vec<Option<Timestamp>>>;

/// The starts of the containers that mount each Secret that some container mounts.
fn started_of(containers: &[Value], statuses: &[Value]) -> Starts {
    let spec = json!({"containers": containers});
    starts(&spec, &json!({"containerStatuses": statuses}))
}

fn starts(spec: &Value, status: &Value) -> Starts {
    pod(&kube_pod(spec, status), "").started
}

fn at_seconds(secret: &str, starts: &[Option<i64>]) -> Starts {
    let starts = starts.iter().map(|start| start.map(second)).collect();
    [(secret.to_owned(), starts)].into()
}

#[test]
fn a_secret_is_read_when_the_container_that_mounts_it_starts() {
    let containers = [
        mounting("coturn", &["certs"]),
        mounting("exporter", &["scratch"]),
    ];
    let statuses = [running("coturn", 5), running("exporter", 3)];
    assert_eq!(
        started_of(&containers, &statuses),
        at_seconds("tls", &[Some(5)])
    );
}

#[test]
fn of_several_containers_that_mount_a_secret_each_start_counts() {
    let containers = [
        mounting("coturn", &["certs"]),
        mounting("proxy", &["certs"]),
    ];
    let statuses = [running("proxy", 9), running("coturn", 5)];
    assert_eq!(
        started_of(&containers, &statuses),
        at_seconds("tls", &[Some(5), Some(9)])
    );
}

#[test]
fn a_container_that_mounts_a_secret_and_does_not_run_is_told() {
    let containers = [
        mounting("coturn", &["certs"]),
        mounting("proxy", &["certs"]),
    ];
    let waiting = status("proxy", &json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    for statuses in [
        vec![running("coturn", 5), waiting],
        vec![running("coturn", 5)],
    ] {
        assert_eq!(
            started_of(&containers, &statuses),
            at_seconds("tls", &[Some(5), None])
        );
    }
}

#[test]
fn a_container_that_does_not_mount_a_secret_does_not_hold_it_back() {
    let containers = [
        mounting("coturn", &["certs"]),
        mounting("exporter", &["scratch"]),
    ];
    assert_eq!(
        started_of(&containers, &[running("coturn", 5)]),
        at_seconds("tls", &[Some(5)])
    );
}

#[test]
fn a_projected_secret_is_mounted_as_well() {
    let containers = [mounting("coturn", &["all"])];
    assert_eq!(
        started_of(&containers, &[running("coturn", 5)]),
        at_seconds("other", &[Some(5)])
    );
}

#[rstest]
#[case::needed(&[None], false)]
#[case::needed_expressly(&[Some(false)], false)]
#[case::optional(&[Some(true)], true)]
#[case::needed_by_another_volume(&[Some(true), None], false)]
fn a_pod_starts_without_a_secret_that_all_its_volumes_call_optional(
    #[case] volumes: &[Option<bool>],
    #[case] expected: bool,
) {
    let volumes: Vec<_> = (0..)
        .zip(volumes)
        .map(|(number, optional)| {
            let secret = json!({"secretName": "tls", "optional": optional});
            json!({"name": format!("certs-{number}"), "secret": secret})
        })
        .collect();
    let spec = json!({"containers": [mounting("coturn", &["certs-0"])], "volumes": volumes});
    let pod = pod(&kube_pod(&spec, &json!({})), "");
    assert_eq!(pod.optional.contains("tls"), expected);
}

#[test]
fn a_volume_that_no_container_mounts_is_none_of_the_workloads() {
    let template: PodTemplateSpec = serde_json::from_value(json!({
        "spec": {
            "containers": [mounting("coturn", &["scratch"])],
            "initContainers": [mounting("copy", &["all"])],
            "volumes": kube_pod(&json!({}), &json!({})).spec.unwrap().volumes,
        },
    }))
    .unwrap();
    let live = common(&ObjectMeta::default(), &template, None);
    assert_eq!(live.mounts, ["other".to_owned()].into());
}

#[test]
fn a_volume_that_no_container_mounts_is_read_by_nobody() {
    let containers = [mounting("coturn", &["scratch"])];
    assert_eq!(
        started_of(&containers, &[running("coturn", 5)]),
        BTreeMap::new()
    );
}

#[test]
fn a_secret_that_an_init_container_copies_is_read_when_that_starts() {
    let spec = json!({
        "initContainers": [mounting("copy", &["certs"])],
        "containers": [mounting("coturn", &["scratch"])],
    });
    let ended = json!({"terminated": {"startedAt": time(2), "exitCode": 0}});
    let statuses = json!({
        "initContainerStatuses": [status("copy", &ended)],
        "containerStatuses": [running("coturn", 5)],
    });
    assert_eq!(starts(&spec, &statuses), at_seconds("tls", &[Some(2)]));
}

#[rstest]
#[case::ready("True", 9, Some(9))]
#[case::not_ready_since_its_start("False", 1, None)]
#[case::not_ready_in_the_second_of_its_start("False", 5, None)]
#[case::lost_its_readiness_while_running("False", 700, Some(5))]
fn a_pod_that_was_ready_since_its_containers_started_counts_as_rolled_out(
    #[case] ready: &str,
    #[case] changed: i64,
    #[case] expected: Option<i64>,
) {
    let spec = json!({"containers": [mounting("coturn", &["certs"])]});
    let status = json!({
        "containerStatuses": [running("coturn", 5)],
        "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": time(changed)}],
    });
    assert_eq!(
        pod(&kube_pod(&spec, &status), "").ready_since,
        expected.map(second)
    );
}

#[test]
fn a_crashed_pod_is_not_ready() {
    let spec = json!({"containers": [mounting("coturn", &["certs"])]});
    let waiting = status(
        "coturn",
        &json!({"waiting": {"reason": "CrashLoopBackOff"}}),
    );
    let status = json!({
        "containerStatuses": [waiting],
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": time(700)}],
    });
    assert_eq!(pod(&kube_pod(&spec, &status), "").ready_since, None);
}

#[test]
fn a_pod_is_known_by_its_own_revision() {
    let mut read = kube_pod(&json!({}), &json!({}));
    read.metadata.uid = Some("uid".to_owned());
    read.metadata.resource_version = Some("7".to_owned());
    let version = pod(&read, "").version;
    assert_eq!(
        (version.uid.as_str(), version.resource_version.as_str()),
        ("uid", "7")
    );
}

#[test]
fn a_workload_is_settled_once_every_pod_is_there_and_ready() {
    let spec = json!({"containers": [mounting("coturn", &["certs"])]});
    let status = |ready: &str| {
        json!({
            "containerStatuses": [running("coturn", 5)],
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": time(9)}],
        })
    };
    let ready = kube_pod(&spec, &status("True"));
    let mut ending = ready.clone();
    ending.metadata.deletion_timestamp = Some(Time(second(50)));
    let lost_its_readiness = kube_pod(&spec, &status("False"));
    let waiting = kube_pod(&spec, &json!({}));
    assert!(settled(1, std::slice::from_ref(&ready)));
    assert!(!settled(1, &[]));
    for unsettled in [ending, lost_its_readiness, waiting] {
        assert!(!settled(1, &[unsettled]));
    }
}

#[test]
fn a_workload_with_a_pod_more_than_it_shall_have_is_not_settled() {
    let spec = json!({"containers": [mounting("coturn", &["certs"])]});
    let ready = json!({
        "containerStatuses": [running("coturn", 5)],
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": time(9)}],
    });
    let pod = kube_pod(&spec, &ready);
    assert!(!settled(1, &[pod.clone(), pod]));
}

#[rstest]
#[case::no_node("False", "Unschedulable", true)]
#[case::gated_by_its_owner("False", "SchedulingGated", false)]
#[case::scheduled("True", "", false)]
fn a_pod_that_no_node_takes_is_told(
    #[case] scheduled: &str,
    #[case] reason: &str,
    #[case] expected: bool,
) {
    let condition = json!({"type": "PodScheduled", "status": scheduled, "reason": reason});
    let pending = kube_pod(&json!({}), &json!({"conditions": [condition]}));
    assert_eq!(pod(&pending, "").unschedulable, expected);
}

#[test]
fn a_pods_revision_is_the_label_of_its_kind() {
    let mut labelled = kube_pod(&json!({}), &json!({}));
    let labels = [
        ("controller-revision-hash", "a"),
        ("pod-template-hash", "b"),
    ];
    labelled.metadata.labels = Some(
        labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    );
    for (key, value) in labels {
        assert_eq!(pod(&labelled, key).revision.as_deref(), Some(value));
    }
}

#[rstest]
#[case::in_the_network_of_the_host(&json!([{"containerPort": 3478, "hostPort": 3478}]), true)]
#[case::of_its_own(&json!([{"containerPort": 3478}]), false)]
#[case::none(&json!(null), false)]
fn ports_of_the_host_are_told(#[case] ports: &Value, #[case] expected: bool) {
    let spec = json!({"containers": [{"name": "coturn", "ports": ports}]});
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    assert_eq!(takes_host_ports(Some(&spec)), expected);
}

#[rstest]
#[case::wires("containers", "coturn-cert-reloader", json!({}), Some(true))]
#[case::the_agent("initContainers", "coturn-cert-agent", json!({"shareProcessNamespace": false}), Some(true))]
#[case::in_one_namespace("containers", "coturn-cert-reloader", json!({"shareProcessNamespace": true}), Some(false))]
#[case::in_the_nodes("containers", "coturn-cert-reloader", json!({"hostPID": true}), Some(false))]
#[case::none("containers", "exporter", json!({}), None)]
fn a_reloader_that_does_not_see_coturn_is_blind(
    #[case] kind: &str,
    #[case] name: &str,
    #[case] more: Value,
    #[case] is_blind: Option<bool>,
) {
    let mut spec = json!({"containers": [{"name": "coturn"}], "initContainers": []});
    spec[kind]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": name}));
    spec.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let template = serde_json::from_value(json!({"spec": spec})).unwrap();
    let live = common(&ObjectMeta::default(), &template, None);
    let expected = match is_blind {
        None => Reloader::NotKnown,
        Some(false) => Reloader::Sees,
        Some(true) => Reloader::Blind {
            container: name.to_owned(),
        },
    };
    assert_eq!(live.reloader, expected);
}
