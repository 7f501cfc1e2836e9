//! How the agent starts, tells of itself, and ends.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    mount::{Mount, mismatched, pair},
    pod::{Agent, Pod},
};

/// Far less than Kubernetes gives a container to end.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn an_agent_that_sees_no_other_process_says_what_the_pod_lacks() {
    let folder = TempDir::new().unwrap();
    let mount = Mount::with(&folder.path().join("pair"), &pair());
    let agent = Agent::alone(folder.path(), &mount);
    agent.until_told("shareProcessNamespace: true");
    assert!(agent.counts("coturncert_agent_process_state{state=\"not-shared\"} 1"));
    assert_eq!(agent.get("/healthz").0, 200);
}

#[test]
fn it_ends_at_once_when_told_to_also_as_the_first_process_of_its_container() {
    let folder = TempDir::new().unwrap();
    let mount = Mount::with(&folder.path().join("pair"), &pair());
    let agent = Agent::alone(folder.path(), &mount);
    let started = Instant::now();
    assert!(agent.end(Signal::TERM).success());
    assert!(started.elapsed() < AT_ONCE);
}

#[test]
fn no_byte_of_a_key_is_logged_or_told() {
    let pod = Pod::new();
    let (first, broken, last) = (pair(), mismatched(), pair());
    let mount = Mount::with(&pod.path("pair"), &first);
    let coturn = pod.coturn("coturn.log");
    let agent = pod.agent(&[&mount]);
    mount.swap(&broken);
    let mut told = agent.until_told("no pair");
    mount.swap(&last);
    coturn.until_reloads(1);
    told += &agent.log();
    told += &agent.get("/metrics").1;
    assert!(told.contains("coturn was told to reload"));
    for pair in [first, broken, last] {
        let mut lines = pair.key.lines().filter(|line| !line.starts_with("--"));
        assert!(lines.all(|line| !told.contains(line)));
    }
}

#[test]
fn without_a_directory_to_watch_it_does_not_start() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_coturn-cert-operator"))
        .arg("agent")
        .env_remove("COTURNCERT_AGENT_WATCH")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--watch"), "{told}");
}
