//! Deployments and their ReplicaSets as the API server returns them.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::workload::kinds::tests::{owned_pod, with};

fn deployment(spec: &Value, status: &Value) -> Deployment {
    let object = json!({
        "metadata": {"name": "coturn", "uid": "u", "generation": 3},
        "spec": {"selector": {}, "template": {}},
        "status": {"observedGeneration": 3},
    });
    let object = with(with(object, "spec", spec), "status", status);
    serde_json::from_value(object).unwrap()
}

fn replica_set(hash: &str, revision: &str, owner: &str) -> ObjectMeta {
    let metadata = json!({
        "name": format!("coturn-{hash}"), "uid": hash,
        "labels": {"pod-template-hash": hash},
        "annotations": {"deployment.kubernetes.io/revision": revision},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "coturn", "uid": owner}],
    });
    serde_json::from_value(metadata).unwrap()
}

fn lineage_of(deployment: &Deployment, replica_sets: &[ObjectMeta]) -> Lineage {
    lineage(deployment, replica_sets.iter())
}

#[test]
fn a_deployment_is_read_with_the_defaults_of_kubernetes() {
    let live = deployment(&json!({}), &json!({})).live();
    assert_eq!((live.replicas, live.partition), (1, 0));
    assert_eq!(live.replacement, Replacement::Automatic);
    assert!(live.observed);
}

#[test]
fn what_a_deployment_says_of_its_rollout_is_read() {
    let spec = json!({"replicas": 4, "paused": true, "minReadySeconds": 30});
    let live = deployment(&spec, &json!({"observedGeneration": 2})).live();
    assert_eq!(live.replicas, 4);
    assert_eq!(live.replacement, Replacement::Paused);
    assert_eq!(live.min_ready, SignedDuration::from_secs(30));
    assert!(!live.observed);
}

#[test]
fn the_newest_replica_set_names_the_revision_by_number_and_not_by_the_alphabet() {
    let sets = [replica_set("a", "9", "u"), replica_set("b", "10", "u")];
    let lineage = lineage_of(&deployment(&json!({}), &json!({})), &sets);
    assert_eq!(lineage.update_revision.as_deref(), Some("b"));
}

#[test]
fn pods_of_every_replica_set_of_a_deployment_are_its_own_and_no_others() {
    let sets = [
        replica_set("a", "1", "u"),
        replica_set("b", "2", "u"),
        replica_set("c", "3", "another"),
    ];
    let lineage = lineage_of(&deployment(&json!({}), &json!({})), &sets);
    let owns: BTreeSet<_> = ["a", "b", "c", "u"]
        .into_iter()
        .filter(|owner| lineage.has(&owned_pod(owner, "Running")))
        .collect();
    assert_eq!(owns, ["a", "b"].into());
    assert_eq!(lineage.update_revision.as_deref(), Some("b"));
}

#[test]
fn a_deployment_that_was_just_created_has_no_revision() {
    let lineage = lineage_of(&deployment(&json!({}), &json!({})), &[]);
    assert_eq!(lineage, Lineage::default());
}

#[test]
fn a_paused_deployment_whose_template_was_changed_has_no_revision_of_it() {
    let sets = [replica_set("a", "1", "u")];
    let revision = |updated: Option<i32>| {
        let status = json!({"updatedReplicas": updated});
        let paused = deployment(&json!({"paused": true}), &status);
        lineage_of(&paused, &sets).update_revision
    };
    assert_eq!(revision(None), None);
    assert_eq!(revision(Some(0)), None);
    assert_eq!(revision(Some(1)).as_deref(), Some("a"));
}
