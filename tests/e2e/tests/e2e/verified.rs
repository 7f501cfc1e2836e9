//! What handshakes with pods tell.

use std::net::UdpSocket;

use e2e::{World, fixtures};
use serde_json::json;

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

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_cannot_be_dialled_are_unknown_with_the_reason_and_nothing_is_restarted() {
    let world = World::with_ca("unreached").await;
    world.install_operator();
    world.create_workload(&fixtures::coturn(1)).await;
    let nobody = json!({"endpoints": [{"protocol": "DTLS", "port": fixtures::DTLS_PORT + 7}]});
    world
        .create_certificate(&json!({"verification": nobody}))
        .await;
    world.until_ready().await;
    let before = world.workload_state().await;
    let told = world
        .until_condition("Verified", "Unknown", "Unreachable")
        .await;
    assert!(
        told.message.contains("nothing listens there"),
        "{}",
        told.message
    );
    world.until_condition("Ready", "True", "Ready").await;
    world.assert_no_restart_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_behind_a_firewall_is_unknown_and_stays() {
    let world = World::with_ca("firewalled").await;
    world.install_operator();
    world.create_workload(&fixtures::coturn(1)).await;
    // Bound, and read by nobody: as a firewall that drops what it does not let through.
    let silent = UdpSocket::bind("0.0.0.0:0").unwrap();
    let (here, port) = (world.here().await, silent.local_addr().unwrap().port());
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
    world.until_condition("Ready", "True", "Ready").await;
    world.assert_no_restart_since(&before).await;
}
