//! Who is signalled when.

use std::net::TcpListener;

use pki::IssuedPair;
use rustix::process::Signal;

use crate::{
    coturn::{Coturn, notes, script},
    mount::{Mount, mismatched, pair},
    pod::{Agent, Pod},
    wait::{throughout, until},
};

/// A pod with a pair, a coturn that has read it, and an agent.
struct World {
    agent: Agent,
    coturn: Coturn,
    mount: Mount,
    pod: Pod,
    first: IssuedPair,
}

impl World {
    fn new() -> Self {
        let (pod, first) = (Pod::new(), pair());
        let mount = Mount::with(&pod.path("pair"), &first);
        let coturn = pod.coturn("coturn.log");
        let agent = pod.agent(&[&mount]);
        agent.until_ready();
        Self {
            agent,
            coturn,
            mount,
            pod,
            first,
        }
    }

    fn stays_at(&self, reloads: usize) {
        throughout("no more signals", || self.coturn.reloads() == reloads);
    }
}

#[test]
fn coturn_is_signalled_once_for_each_change() {
    let world = World::new();
    world.stays_at(0);
    for count in 1..=3 {
        let next = pair();
        world.mount.swap(&next);
        world.coturn.until_reloads(count);
        world.stays_at(count);
        let (directory, leaf) = (world.mount.path().display(), next.leaf.fingerprint);
        assert!(world.agent.counts(&format!(
            "coturncert_agent_pair_leaf{{directory=\"{directory}\",fingerprint=\"{leaf}\"}} 1"
        )));
    }
    assert!(world.agent.counts("coturncert_agent_reloads_total 3"));
}

#[test]
fn a_swap_that_leaves_the_same_pair_is_no_change() {
    let world = World::new();
    world.mount.swap(&world.first);
    world.stays_at(0);
    world.mount.swap(&pair());
    world.coturn.until_reloads(1);
}

#[test]
fn coturn_is_never_signalled_for_a_key_of_another_certificate() {
    let world = World::new();
    world.mount.swap(&mismatched());
    let told = world
        .agent
        .until_told("does not belong to the first certificate");
    assert!(told.contains("/pair"), "{told}");
    let directory = world.mount.path().display();
    assert!(world.agent.counts(&format!(
        "coturncert_agent_pair_state{{directory=\"{directory}\",state=\"mismatched\"}} 1"
    )));
    assert_eq!(world.agent.get("/healthz").0, 200);
    world.stays_at(0);
    assert!(world.agent.log().contains("does not belong"));

    world.mount.swap(&pair());
    world.coturn.until_reloads(1);
    world.agent.until_ready();
}

#[test]
fn nothing_is_signalled_before_both_files_are_there_as_a_whole() {
    let pod = Pod::new();
    let mount = Mount::empty(&pod.path("pair"));
    let coturn = pod.coturn("coturn.log");
    let agent = pod.agent(&[&mount]);
    let pair = pair();
    agent.until_told("tls.crt is missing");

    mount.write("tls.crt", pair.certificate.as_bytes());
    agent.until_told("tls.key is missing");
    let key = pair.key.as_bytes();
    mount.write("tls.key", &key[..key.len() / 2]);
    agent.until_told("cannot read the private key");
    throughout("no signal", || coturn.reloads() == 0);

    mount.write("tls.key", key);
    coturn.until_reloads(1);
    agent.until_ready();
    throughout("no more", || coturn.reloads() == 1);
}

#[test]
fn a_broken_pair_holds_up_the_signal_for_another_as_coturn_would_read_both() {
    let pod = Pod::new();
    let turn = Mount::with(&pod.path("turn"), &pair());
    let federation = Mount::with(&pod.path("federation"), &pair());
    let coturn = pod.coturn("coturn.log");
    let agent = pod.agent(&[&federation, &turn]);
    agent.until_ready();

    turn.swap(&mismatched());
    agent.until_told("turn holds no pair");
    federation.swap(&pair());
    throughout("no signal", || coturn.reloads() == 0);

    turn.swap(&pair());
    coturn.until_reloads(1);
    throughout("no more", || coturn.reloads() == 1);
}

#[test]
fn a_change_that_came_while_no_agent_ran_is_not_lost() {
    let world = World::new();
    let World {
        agent,
        coturn,
        mount,
        pod,
        ..
    } = world;
    assert!(!agent.end(Signal::KILL).success());
    mount.swap(&pair());

    let agent = pod.agent(&[&mount]);
    coturn.until_reloads(1);
    agent.until_ready();
    throughout("no more", || coturn.reloads() == 1);
}

#[test]
fn a_start_of_the_agent_alone_signals_nobody() {
    let World {
        agent,
        coturn,
        mount,
        pod,
        ..
    } = World::new();
    assert!(!agent.end(Signal::KILL).success());
    let agent = pod.agent(&[&mount]);
    agent.until_ready();
    throughout("no signal", || coturn.reloads() == 0);
}

#[test]
fn a_coturn_that_started_with_the_pair_is_signalled_for_the_next_one_alone() {
    let World {
        agent,
        coturn,
        mount,
        pod,
        ..
    } = World::new();
    mount.swap(&pair());
    coturn.until_reloads(1);
    mount.age();
    coturn.end();
    agent.until_told("no process named turnserver");

    let next = pod.coturn("next.log");
    agent.until_ready();
    throughout("no signal", || next.reloads() == 0);
    mount.swap(&pair());
    next.until_reloads(1);
}

#[test]
fn a_coturn_without_its_handler_is_not_signalled_before_it_has_it() {
    let pod = Pod::new();
    let mount = Mount::empty(&pod.path("pair"));
    let mut coturn = Coturn::without_handler(&pod, "coturn.log", &[]);
    let agent = pod.agent(&[&mount]);
    mount.swap(&pair());
    agent.until_told("has no handler for SIGUSR2 yet");
    throughout("it is not ended", || coturn.runs());

    coturn.let_in();
    coturn.until_reloads(1);
    agent.until_ready();
}

#[test]
fn a_process_that_has_nothing_but_the_name_is_left_alone() {
    let pod = Pod::new();
    let mut script = script(&pod);
    let mount = Mount::empty(&pod.path("pair"));
    let agent = pod.agent(&[&mount]);
    mount.swap(&pair());
    agent.until_told("no process named turnserver");
    throughout("it is not ended", || script.try_wait().unwrap().is_none());
    assert!(agent.counts("coturncert_agent_reloads_total 0"));
}

#[test]
fn of_a_coturn_and_its_child_the_parent_is_signalled() {
    let pod = Pod::new();
    let mount = Mount::with(&pod.path("pair"), &pair());
    let child_log = pod.path("child.log");
    let coturn = Coturn::start(&pod, "coturn.log", &[&child_log]);
    until("the child", || {
        (notes(&child_log, "ready") == 1).then_some(())
    });
    let agent = pod.agent(&[&mount]);
    agent.until_ready();

    mount.swap(&pair());
    coturn.until_reloads(1);
    throughout("no signal to the child", || {
        notes(&child_log, "reload") == 0
    });
}

#[test]
fn two_coturns_in_a_pod_are_both_signalled() {
    let pod = Pod::new();
    let mount = Mount::with(&pod.path("pair"), &pair());
    let (one, other) = (pod.coturn("one.log"), pod.coturn("other.log"));
    let agent = pod.agent(&[&mount]);
    agent.until_ready();
    mount.swap(&pair());
    one.until_reloads(1);
    other.until_reloads(1);
}

#[test]
fn a_directory_that_is_made_anew_is_watched_again() {
    let world = World::new();
    world.mount.remove();
    world.agent.until_told("is missing");
    let mount = Mount::empty(world.mount.path());
    mount.swap(&pair());
    world.coturn.until_reloads(1);
    mount.swap(&pair());
    world.coturn.until_reloads(2);
}

#[test]
fn who_has_the_agents_port_keeps_nobody_from_reloading() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let pod = Pod::new();
    let mount = Mount::with(&pod.path("pair"), &pair());
    let coturn = pod.coturn("coturn.log");
    let mut agent = pod.deaf_agent(&mount, taken.local_addr().unwrap());
    for count in 1..=2 {
        mount.swap(&pair());
        coturn.until_reloads(count);
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
}
