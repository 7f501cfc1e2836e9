//! StatefulSets as the API server returns them; what all kinds have in common is shown by them.

use jiff::{SignedDuration, Timestamp};
use plan::rollout::{Replacement, SingleRestarts};
use serde_json::{Value, json};

use super::*;

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn time(second: i64) -> Value {
    json!(self::second(second).to_string())
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
                "spec": {
                    "containers": [{"name": "coturn", "volumeMounts": [{"name": "certs", "mountPath": "/certs"}]}],
                    "volumes": [{"name": "certs", "secret": {"secretName": "tls"}}],
                },
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
    let live = stateful_set(&json!({})).live();
    assert_eq!((live.replicas, live.partition), (1, 0));
    assert_eq!(live.replacement, Replacement::Automatic);
    assert!(live.observed && live.ordered);
    assert_eq!(live.mounts, ["tls".to_owned()].into());
}

#[test]
fn pods_that_are_started_in_parallel_do_not_wait_for_each_other() {
    let parallel = stateful_set(&json!({"podManagementPolicy": "Parallel"}));
    assert!(!parallel.live().ordered);
}

#[test]
fn only_fingerprints_are_taken_from_the_templates_annotations() {
    let live = stateful_set(&json!({})).live();
    assert_eq!(live.template, [("tls".to_owned(), "ab".to_owned())].into());
}

#[test]
fn a_write_of_the_status_is_no_change_of_the_specification() {
    assert_eq!(stateful_set(&json!({})).live().changed, second(10));
}

#[test]
fn a_change_of_the_replicas_through_their_subresource_is_one() {
    let mut scaled = stateful_set(&json!({}));
    let fields = scaled.metadata.managed_fields.as_mut().unwrap();
    fields[1].subresource = Some("scale".to_owned());
    assert_eq!(scaled.live().changed, second(99));
}

#[test]
fn update_strategy_and_partition_are_read() {
    let on_delete = stateful_set(&json!({"updateStrategy": {"type": "OnDelete"}}));
    assert!(on_delete.live().replacement == Replacement::OnDelete);
    let partition =
        json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}});
    assert_eq!(stateful_set(&partition).live().partition, 2);
}

#[test]
fn a_generation_that_the_controller_did_not_see_is_told() {
    let mut unseen = stateful_set(&json!({}));
    unseen.metadata.generation = Some(4);
    assert!(!unseen.live().observed);
}

#[test]
fn the_grace_period_is_that_of_the_template_or_the_one_the_api_server_fills_in() {
    let grace = |extra: &Value| stateful_set(extra).live().grace_period;
    assert_eq!(grace(&json!({})), SignedDuration::from_secs(30));
    let pod = json!({"containers": [], "terminationGracePeriodSeconds": 43_200});
    let drains = grace(&json!({"template": {"spec": pod}}));
    assert_eq!(drains, SignedDuration::from_hours(12));
}

#[test]
fn pods_are_numbered_from_where_the_workload_says() {
    let first = |extra: &Value| stateful_set(extra).live().first_ordinal;
    assert_eq!(first(&json!({})), 0);
    assert_eq!(first(&json!({"ordinals": {"start": 5}})), 5);
}

#[test]
fn a_pod_may_be_deleted_only_where_somebody_says_so() {
    let read = stateful_set(&json!({})).live();
    assert_eq!(read.single_restarts, SingleRestarts::NotAllowed);
}
