//! What is not the operator's stays as it is.

use std::time::Duration;

use api::names;
use e2e::{World, fixtures, wait};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

/// A pair of the world's CA, made by hand.
fn hand_made(world: &World) -> Secret {
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    let authority = pki::Authority::load(&world.ca.secret().as_secret(), now).unwrap();
    let request = pki::testing::request(&["coturn.example.com"]);
    let pair = pki::issue(&authority, &request, now).unwrap();
    fixtures::tls_secret(fixtures::PUBLISHED, &pair.certificate, &pair.key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_workload_with_a_hand_made_secret_is_refused_and_not_touched() {
    let world = World::with_ca("hand-made").await;
    let secret = world.create_secret(&hand_made(&world)).await;
    world.create_workload(&fixtures::light(2)).await;
    world.until_running(2).await;
    let workload = world.workload_state().await;
    let mark = world.mark();

    world.install_operator();
    world.create_certificate(&json!({})).await;
    let refused = world
        .until_condition("Ready", "False", "SecretNotOwned")
        .await;

    assert!(
        refused.message.contains(fixtures::PUBLISHED),
        "{}",
        refused.message
    );
    wait::throughout("nothing is touched", Duration::from_secs(5), async || {
        assert_eq!(world.secret(fixtures::PUBLISHED).await.unwrap(), secret);
        assert!(world.secret(fixtures::STORE).await.is_none());
        assert_eq!(world.workload_state().await, workload);
        true
    })
    .await;
    assert_eq!(workload.generation, Some(1));
    let writes = mark.writes(&world.namespace, names::FIELD_MANAGER);
    let status = "coturncertificates/status";
    assert!(
        writes.iter().any(|write| write.resource == status),
        "the log tells of nothing that the operator did: {writes:?}"
    );
    let about_itself = [status, "events"];
    assert!(
        writes
            .iter()
            .all(|write| about_itself.contains(&write.resource.as_str())),
        "{writes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_outside_secret_names_is_told_with_the_value_to_set() {
    let world = World::with_ca("outside").await;
    world.install_operator();
    world
        .create_certificate(&json!({"secretName": "elsewhere", "workloadRef": null}))
        .await;

    let refused = world
        .until_condition("Published", "Unknown", "Forbidden")
        .await;

    assert!(
        refused.message.contains("elsewhere") && refused.message.contains("secretNames"),
        "{}",
        refused.message
    );
}
