//! Pods and StatefulSets as the API server returns them.

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
    let mut starts = pod(&kube_pod(spec, status)).started;
    starts.retain(|_, starts| !starts.is_empty());
    starts
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
        pod(&kube_pod(&spec, &status)).ready_since,
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
    assert_eq!(pod(&kube_pod(&spec, &status)).ready_since, None);
}

fn stateful_set(extra: &Value) -> StatefulSet {
    let mut set = json!({
        "metadata": {
            "name": "coturn", "uid": "u", "resourceVersion": "7", "generation": 3, "creationTimestamp": time(0),
            "managedFields": [
                {"manager": "helm", "operation": "Update", "time": time(10)},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": time(99)},
            ],
        },
        "spec": {
            "serviceName": "", "selector": {},
            "template": {
                "metadata": {"annotations": {"fingerprint.coturncert.dev/tls": "ab", "other": "c"}},
                "spec": {"containers": [], "volumes": [{"name": "certs", "secret": {"secretName": "tls"}}]},
            },
        },
        "status": {"replicas": 0, "observedGeneration": 3, "updateRevision": "coturn-2"},
    });
    let target = set["spec"].as_object_mut().unwrap();
    target.extend(extra.as_object().unwrap().clone());
    serde_json::from_value(set).unwrap()
}

#[test]
fn a_stateful_set_is_read_with_the_defaults_of_kubernetes() {
    let live = live(&stateful_set(&json!({})), Vec::new());
    assert_eq!(
        (live.replicas, live.partition, live.on_delete),
        (1, 0, false)
    );
    assert!(live.observed);
    assert_eq!(live.update_revision.as_deref(), Some("coturn-2"));
    assert_eq!(live.mounts, ["tls".to_owned()].into());
}

#[test]
fn only_fingerprints_are_taken_from_the_templates_annotations() {
    let live = live(&stateful_set(&json!({})), Vec::new());
    assert_eq!(live.template, [("tls".to_owned(), "ab".to_owned())].into());
}

#[test]
fn a_write_of_the_status_is_no_change_of_the_specification() {
    assert_eq!(
        live(&stateful_set(&json!({})), Vec::new()).changed,
        second(10)
    );
}

#[test]
fn a_change_of_the_replicas_through_their_subresource_is_one() {
    let mut scaled = stateful_set(&json!({}));
    let fields = scaled.metadata.managed_fields.as_mut().unwrap();
    fields[1].subresource = Some("scale".to_owned());
    assert_eq!(live(&scaled, Vec::new()).changed, second(99));
}

#[test]
fn update_strategy_and_partition_are_read() {
    let on_delete = stateful_set(&json!({"updateStrategy": {"type": "OnDelete"}}));
    assert!(live(&on_delete, Vec::new()).on_delete);
    let partition =
        json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}});
    assert_eq!(live(&stateful_set(&partition), Vec::new()).partition, 2);
}

#[test]
fn the_grace_period_is_that_of_the_template_or_the_one_the_api_server_fills_in() {
    let default = live(&stateful_set(&json!({})), Vec::new());
    assert_eq!(default.grace_period, SignedDuration::from_secs(30));
    let pod = json!({"containers": [], "terminationGracePeriodSeconds": 43_200});
    let drains = stateful_set(&json!({"template": {"spec": pod}}));
    let grace = live(&drains, Vec::new()).grace_period;
    assert_eq!(grace, SignedDuration::from_hours(12));
}

#[test]
fn pods_are_numbered_from_where_the_workload_says() {
    let first = |extra: &Value| live(&stateful_set(extra), Vec::new()).first_ordinal;
    assert_eq!(first(&json!({})), 0);
    assert_eq!(first(&json!({"ordinals": {"start": 5}})), 5);
}

#[test]
fn a_pod_may_be_deleted_only_where_somebody_says_so() {
    let read = live(&stateful_set(&json!({})), Vec::new());
    assert_eq!(read.single_restarts, SingleRestarts::NotAllowed);
}

#[test]
fn a_pod_is_known_by_its_own_revision() {
    let mut read = kube_pod(&json!({}), &json!({}));
    read.metadata.uid = Some("uid".to_owned());
    read.metadata.resource_version = Some("7".to_owned());
    let version = pod(&read).version;
    assert_eq!(
        (version.uid.as_str(), version.resource_version.as_str()),
        ("uid", "7")
    );
}

#[test]
fn a_generation_that_the_controller_did_not_see_is_told() {
    let mut unseen = stateful_set(&json!({}));
    unseen.metadata.generation = Some(4);
    assert!(!live(&unseen, Vec::new()).observed);
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
    let set = stateful_set(&json!({}));
    assert!(settled(&set, &[&ready]));
    assert!(!settled(&set, &[]));
    for unsettled in [&ending, &lost_its_readiness, &waiting] {
        assert!(!settled(&set, &[unsettled]));
    }
}
