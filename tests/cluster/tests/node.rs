//! A cluster with a node that ends as badly as it can. `cargo xtask test e2e` runs this: it needs
//! root and a program that can be the supervisor.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use cluster::{Cluster, NODE, Options, Silent, up};
use rustix::process::{Pid, Signal, kill_process};

/// Where the cluster's files are: `cargo xtask test e2e` names it, and ends what an interrupted run left.
const STATE: &str = "COTURN_CERT_NODE_STATE";
/// The program whose command `cluster-supervisor` is the supervisor.
const SUPERVISOR: &str = "COTURN_CERT_SUPERVISOR";

/// A state folder whose cluster ends with this value, also after a panic.
struct Ended(PathBuf);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Err(error) = cluster::down(&self.0) {
            eprintln!("the cluster did not end: {error}");
        }
    }
}

fn started(state: &Path) -> Cluster {
    let program = env::var_os(SUPERVISOR).unwrap();
    let supervisor = vec![program, "cluster-supervisor".into()];
    let real = Options::real(state);
    up(&Options { supervisor, ..real }, &Silent).unwrap()
}

/// The supervisor's process id, from the cluster's records.
fn supervisor(state: &Path) -> i32 {
    let record = fs::read(state.join("supervisor.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    i32::try_from(record["supervisor"]["pid"].as_i64().unwrap()).unwrap()
}

/// The cluster's control group: all that runs below the supervisor is in it.
fn group(supervisor: i32) -> String {
    let groups = fs::read_to_string(format!("/proc/{supervisor}/cgroup")).unwrap();
    let mut parts = groups.split(['/', '\n']);
    let group = parts.find(|part| part.starts_with("coturn-cert-"));
    group.unwrap().to_owned()
}

/// The processes of a control group: the id and the start of each.
fn members(group: &str) -> BTreeSet<(i32, String)> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| {
            // A process that has ended meanwhile is no member.
            let groups = fs::read_to_string(process.path().join("cgroup")).ok()?;
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            let pid = process.file_name().to_str()?.parse().ok()?;
            let (_, fields) = stat.rsplit_once(')')?;
            let since_boot = fields.split_whitespace().nth(19)?.to_owned();
            let is_member = groups.split(['/', '\n']).any(|part| part == group);
            is_member.then_some((pid, since_boot))
        })
        .collect()
}

fn is_node_ready(cluster: &Cluster) -> bool {
    let mut get: Command = cluster.kubectl();
    let ready = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}";
    let answer = get.args(["get", "node", NODE, ready]).output().unwrap();
    answer.stdout == b"True"
}

/// Something of the cluster's own that runs in its pod's namespaces, which the next start must not
/// find again.
fn run_a_pod(cluster: &Cluster) {
    let mut run = cluster.kubectl();
    run.args(["run", "left", "--image", cluster::COTURN_IMAGE])
        .args(["--image-pull-policy=Never", "--command", "--"])
        .args(["sleep", "100000"]);
    assert!(run.output().unwrap().status.success());
    let mut wait = cluster.kubectl();
    wait.args(["wait", "pod/left", "--for=condition=Ready", "--timeout=60s"]);
    assert!(wait.output().unwrap().status.success());
}

#[test]
#[ignore = "needs root, a supervisor and a state folder"]
fn a_cluster_starts_again_after_its_supervisor_was_killed() {
    let state = Ended(env::var_os(STATE).unwrap().into());
    let state = state.0.as_path();
    let cluster = started(state);
    run_a_pod(&cluster);
    let killed = supervisor(state);
    let group = group(killed);
    let before = members(&group);
    assert!(before.len() > 8, "{before:?}");

    kill_process(Pid::from_raw(killed).unwrap(), Signal::KILL).unwrap();
    let killing = Instant::now();
    while Cluster::attach(state).unwrap().is_some() {
        assert!(killing.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(20));
    }
    let again = started(state);

    let left: Vec<_> = before.intersection(&members(&group)).cloned().collect();
    assert!(left.is_empty(), "these still run: {left:?}");
    assert!(is_node_ready(&again));
    let pods = again.kubectl().args(["get", "pods", "-o", "name"]).output();
    assert!(pods.unwrap().stdout.is_empty());
}
