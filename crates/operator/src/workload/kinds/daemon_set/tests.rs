//! DaemonSets and their ControllerRevisions as the API server returns them.

use plan::rollout::Replacement;
use serde_json::{Value, json};

use super::*;
use crate::workload::kinds::tests::{owned_pod, with};

fn daemon_set(spec: &Value, status: &Value) -> DaemonSet {
    let object = json!({
        "metadata": {"name": "coturn", "uid": "u", "generation": 3},
        "spec": {"selector": {}, "template": {}},
        "status": {
            "currentNumberScheduled": 2, "desiredNumberScheduled": 3, "numberMisscheduled": 0,
            "numberReady": 1, "observedGeneration": 3,
        },
    });
    let object = with(with(object, "spec", spec), "status", status);
    serde_json::from_value(object).unwrap()
}

fn revision(hash: &str, revision: i64, owner: &str) -> ControllerRevision {
    let object = json!({
        "metadata": {
            "name": format!("coturn-{hash}"),
            "labels": {"controller-revision-hash": hash},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "coturn", "uid": owner}],
        },
        "revision": revision,
    });
    serde_json::from_value(object).unwrap()
}

#[test]
fn a_daemon_set_shall_have_a_pod_on_each_node_that_its_controller_counts() {
    let live = daemon_set(&json!({}), &json!({})).live();
    assert_eq!(live.replicas, 3);
    assert_eq!(live.replacement, Replacement::Automatic);
    assert!(live.observed);
}

#[test]
fn a_pod_that_stays_on_a_node_where_no_other_would_come_is_counted() {
    let tainted = json!({"numberMisscheduled": 1});
    assert_eq!(daemon_set(&json!({}), &tainted).live().replicas, 4);
}

#[test]
fn a_daemon_set_that_its_controller_did_not_see_yet_is_told_from_one_without_nodes() {
    let mut unseen = daemon_set(&json!({}), &json!({}));
    unseen.status = None;
    assert_eq!(unseen.live().replicas, 0);
    assert!(!unseen.live().observed);
    let without_nodes = json!({"desiredNumberScheduled": 0});
    assert!(daemon_set(&json!({}), &without_nodes).live().observed);
}

#[test]
fn the_update_strategy_of_a_daemon_set_is_read() {
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    let live = daemon_set(&on_delete, &json!({})).live();
    assert_eq!(live.replacement, Replacement::OnDelete);
}

#[test]
fn the_revision_counted_last_is_the_one_that_pods_are_to_be_of() {
    let revisions = [
        revision("a", 3, "u"),
        revision("b", 2, "u"),
        revision("c", 9, "another"),
    ];
    let lineage = lineage(&daemon_set(&json!({}), &json!({})), &revisions);
    assert_eq!(lineage.update_revision.as_deref(), Some("a"));
    assert!(lineage.has(&owned_pod("u", "Running")));
    assert!(!lineage.has(&owned_pod("another", "Running")));
}
