//! A control plane without a node, started and ended for real. Its programs have to be compiled
//! first, which takes minutes on a fresh checkout: hence ignored unless asked for.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::{path::Path, process::Command};

use cluster::{Cluster, Options, Silent, up};

fn started(state: &Path) -> Cluster {
    up(&Options::control_plane(state), &Silent).unwrap()
}

fn succeeds(command: &mut Command) -> bool {
    command.output().unwrap().status.success()
}

#[test]
#[ignore = "compiles Kubernetes on its first run"]
fn an_owned_control_plane_serves_until_it_is_dropped() {
    let state = tempfile::tempdir().unwrap();
    let cluster = started(state.path());
    let mut namespaces = cluster.kubectl();
    namespaces.args(["get", "namespaces"]);
    assert!(succeeds(&mut namespaces));
    drop(cluster);
    assert!(!succeeds(&mut namespaces));
    assert!(Cluster::attach(state.path()).unwrap().is_none());
}

#[test]
#[ignore = "compiles Kubernetes on its first run"]
fn a_second_start_finds_the_running_cluster() {
    let state = tempfile::tempdir().unwrap();
    let first = started(state.path());
    let second = started(state.path());
    assert_eq!(first.status().unwrap(), second.status().unwrap());
}

#[test]
#[ignore = "compiles Kubernetes on its first run"]
fn requests_are_written_to_the_audit_log_with_their_user() {
    let state = tempfile::tempdir().unwrap();
    let cluster = started(state.path());
    let mut create = cluster.kubectl();
    assert!(succeeds(create.args(["create", "configmap", "watched"])));
    let log = std::fs::read_to_string(cluster.audit_log()).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains(r#""name":"watched""#))
        .unwrap();
    assert!(
        line.contains("kubernetes-admin") && line.contains(r#""verb":"create""#),
        "{line}"
    );
}
