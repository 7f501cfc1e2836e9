//! What handshakes with pods tell.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use e2e::{World, fixtures, wait};
use rstest::rstest;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_done_once_every_pod_was_seen_to_serve_it() {
    let world = World::with_ca("verified").await;
    world.install_operator();
    world.create_workload(&fixtures::coturn(2)).await;
    world
        .create_certificate(&json!({"verification": fixtures::dialled()}))
        .await;
    world.until_ready().await;
    let told = world.until_condition("Verified", "True", "Verified").await;
    assert_eq!(told.message, "2 of 2 pods were seen to serve it");
    world.until_settled().await;

    let serial = world.serial().await.unwrap();
    world.renew("again").await;
    world.until_renewed(&serial).await;
    world.until_condition("Verified", "True", "Verified").await;
    world.assert_served().await;
    world.until_calm().await;

    // Another operator dials them again, and has nothing to write for it.
    let (before, mark) = (world.certificate().await.status, world.mark());
    world.restart_operator().await;
    world.until_calm().await;
    assert_eq!(world.certificate().await.status, before);
    let writes = mark.writes(&world.namespace, api::names::FIELD_MANAGER);
    let of_ours = writes
        .iter()
        .filter(|it| it.resource.starts_with("coturncertificates"));
    assert_eq!(of_ours.count(), 0, "{writes:?}");
}

/// With these the operator could restart a pod by each of its ways: by deletion, by eviction, by a touch.
const MAY_RESTART: [&str; 2] = ["restartPods=true", "touchPods=true"];

/// Where nobody listens, so that a handshake fails at once.
fn nobody() -> Value {
    json!({"endpoints": [{"protocol": "DTLS", "port": fixtures::DTLS_PORT + 7}]})
}

/// A coturn by this strategy, and an operator that may restart it.
async fn one_pod(name: &str, strategy: &str, verification: &Value) -> World {
    let world = World::with_ca(name).await;
    world.install_operator_with(&MAY_RESTART);
    world.create_workload(&fixtures::coturn(1)).await;
    let resource = json!({"rollout": {"strategy": strategy}, "verification": verification});
    world.create_certificate(&resource).await;
    world.until_ready().await;
    world
}

#[rstest]
#[case::rolling_restart("RollingRestart")]
#[case::pod_by_pod("PodByPod")]
#[case::reload("Reload")]
#[tokio::test(flavor = "multi_thread")]
async fn pods_that_cannot_be_dialled_are_unknown_with_the_reason_and_nothing_is_restarted(
    #[case] strategy: &str,
) {
    let world = one_pod("unreached", strategy, &nobody()).await;
    let before = world.workload_state().await;
    let told = world
        .until_condition("Verified", "Unknown", "Unreachable")
        .await;
    assert!(
        told.message.contains("nothing listens there"),
        "{}",
        told.message
    );
    // What is seen for ten seconds counts: this is twice as long.
    world.until_probed_again("closed", 13).await;
    world.until_condition("Ready", "True", "Ready").await;
    world.assert_no_restart_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_behind_a_firewall_is_unknown_and_stays() {
    // Bound, and read by nobody: as a firewall that drops what it does not let through.
    let silent = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let world = World::with_ca("firewalled").await;
    world.install_operator_with(&MAY_RESTART);
    world.create_workload(&fixtures::coturn(1)).await;
    let here = world.here().await;
    let endpoint = json!({"endpoints": [{"protocol": "DTLS", "port": port, "address": here}]});
    world
        .create_certificate(&json!({"verification": endpoint}))
        .await;
    world.until_ready().await;
    let before = world.workload_state().await;
    let told = world
        .until_condition("Verified", "Unknown", "Unreachable")
        .await;
    assert!(told.message.contains("NetworkPolicy"), "{}", told.message);
    // Each takes five seconds, and the pauses grow: together half a minute.
    world.until_probed_again("silent", 4).await;
    world.until_condition("Ready", "True", "Ready").await;
    world.assert_no_restart_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_no_handshake_can_prove_evicts_nobody() {
    let world = one_pod("unproven", "Reload", &nobody()).await;
    world.until_settled().await;
    let (serial, mark) = (world.serial().await.unwrap(), world.mark());
    let before = world.workload_state().await;

    world.renew("nobody sees it").await;
    wait::until("another certificate", async || {
        (world.serial().await? != serial).then_some(())
    })
    .await;
    // A pod that was seen not to reload is evicted after a minute.
    let begun = Instant::now();
    wait::until("more than the time that a reload is given", async || {
        (begun.elapsed() > Duration::from_secs(90)).then_some(())
    })
    .await;
    world.until_probed_again("closed", 1).await;
    let told = world
        .until_condition("RolledOut", "Unknown", "PodUnknown")
        .await;
    assert!(
        told.message.contains("cannot be dialled"),
        "{}",
        told.message
    );
    assert!(world.evictions(&mark).is_empty());
    world.assert_no_restart_since(&before).await;
}
