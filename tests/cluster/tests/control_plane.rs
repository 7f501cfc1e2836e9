//! A control plane without a node, started and ended for real. Its programs have to be compiled
//! first, which takes minutes on a fresh checkout: hence ignored unless asked for.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::{
    env, fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use cluster::{Cluster, Options, Silent, up};

fn started(state: &Path) -> Cluster {
    up(&Options::control_plane(state), &Silent).unwrap()
}

fn succeeds(command: &mut Command) -> bool {
    command.output().unwrap().status.success()
}

/// Asks until there is an answer; stops the test if there is none for long.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            started.elapsed() < Duration::from_mins(2),
            "waited in vain for: {what}"
        );
        thread::sleep(Duration::from_millis(50));
    }
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
    // The line is written when the answer is on its way already.
    let line = until("the line in the audit log", || {
        let log = fs::read_to_string(cluster.audit_log()).unwrap();
        let mut lines = log.lines();
        lines
            .find(|line| line.contains(r#""name":"watched""#))
            .map(str::to_owned)
    });
    assert!(
        line.contains("kubernetes-admin") && line.contains(r#""verb":"create""#),
        "{line}"
    );
}

#[test]
#[ignore = "compiles Kubernetes on its first run"]
fn a_component_that_is_stopped_and_started_serves_what_it_served() {
    let state = tempfile::tempdir().unwrap();
    let mut cluster = started(state.path());
    let mut create = cluster.kubectl();
    assert!(succeeds(create.args(["create", "configmap", "kept"])));
    let mut get = cluster.kubectl();
    get.args(["get", "configmap", "kept", "--request-timeout=10s"]);

    for component in ["kube-apiserver", "etcd"] {
        cluster.stop(component).unwrap();
        assert!(!succeeds(&mut get), "{component} is stopped");
        cluster.start(component).unwrap();
        cluster.until_ready(Duration::from_mins(2)).unwrap();
        until("an answer", || succeeds(&mut get).then_some(()));
    }
    assert!(cluster.status().unwrap().iter().all(|one| one.running));
}

/// Tells a process that was started for it to hold a control plane in this folder.
const HELD: &str = "COTURN_CERT_TEST_HELD";

#[test]
#[ignore = "is started by the test below; alone, it does nothing"]
fn holds_a_control_plane_until_it_is_killed() {
    let Some(state) = env::var_os(HELD) else {
        return;
    };
    let _cluster = started(Path::new(&state));
    // Whoever started this process kills it long before.
    thread::sleep(Duration::from_mins(5));
}

#[test]
#[ignore = "compiles Kubernetes on its first run"]
fn an_owned_control_plane_ends_when_its_holder_is_killed() {
    let state = tempfile::tempdir().unwrap();
    let mut holder = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "holds_a_control_plane_until_it_is_killed",
            "--ignored",
        ])
        .env(HELD, state.path())
        .spawn()
        .unwrap();
    let held = until("the held control plane", || {
        let ended = holder.try_wait().unwrap();
        assert!(ended.is_none(), "the holder ended by itself: {ended:?}");
        Cluster::attach(state.path()).unwrap()
    });
    assert!(held.status().unwrap().iter().all(|one| one.running));

    holder.kill().unwrap();
    holder.wait().unwrap();

    until("the end of its processes", || {
        let status = held.status().unwrap();
        status.iter().all(|one| !one.running).then_some(())
    });
    assert!(Cluster::attach(state.path()).unwrap().is_none());
    let again = started(state.path());
    assert!(again.status().unwrap().iter().all(|one| one.running));
}
