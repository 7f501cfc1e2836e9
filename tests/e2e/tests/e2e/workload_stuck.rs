//! A rollout that a pod holds up.

use std::time::Duration;

use api::CoturnCertificate;
use e2e::{World, fixtures, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

/// Two pods, none of which Kubernetes replaces before all are Ready.
fn ordered() -> StatefulSet {
    let mut workload = fixtures::light(2);
    let policy = Some("OrderedReady".to_owned());
    workload.spec.as_mut().unwrap().pod_management_policy = policy;
    workload
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_a_pod_holds_up_is_not_stacked_on_and_not_ready() {
    let mut workload = ordered();
    fixtures::gate(&mut workload);
    let world = World::with_ca("held-up").await;
    world.install_operator();
    world.create_workload(&workload).await;
    world.create_certificate(&json!({})).await;
    world.until_ready_with_gates().await;
    let last = world.pod_uid("coturn-1").await.unwrap();

    let names = json!({"dnsNames": ["coturn.example.com", "turn.example.com"]});
    world
        .patch::<CoturnCertificate>(fixtures::COTURN, json!({"spec": names}))
        .await;
    world.until_replaced("coturn-1", &last).await;
    world.until_condition("Ready", "False", "RollingOut").await;
    world
        .until_condition("Reconciling", "True", "InProgress")
        .await;
    world.renew("in spite of it").await;
    let waits = world
        .until_condition("Issued", "False", "RolloutInProgress")
        .await;
    assert!(
        waits.message.contains("of 2 pods are current"),
        "{}",
        waits.message
    );

    let held_up = world.workload_state().await;
    let published = world.published().await;
    wait::throughout("nothing moves", Duration::from_secs(5), async || {
        world.workload_state().await == held_up && world.published().await == published
    })
    .await;
    world.until_condition("Ready", "False", "RollingOut").await;
    assert_eq!(world.issued().await.len(), 2);

    wait::until("the renewal that waited, behind open gates", async || {
        world.let_in().await;
        (world.issued().await.len() == 3).then_some(())
    })
    .await;
    world.until_ready_with_gates().await;
    wait::until("three revisions", async || {
        (world.revisions().await == 3).then_some(())
    })
    .await;
    assert_eq!(world.workload().await.metadata.generation, Some(3));
}

/// The template with these gates, or with none.
fn readiness_gates(gates: &Value) -> Value {
    json!({"template": {"spec": {"readinessGates": gates}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_stays_although_its_broken_template_was_mended_is_named_as_the_one_to_delete() {
    let world = World::ready("forced", &ordered()).await;
    let before = world.serial().await.unwrap();
    let sound = world.pod_uid("coturn-1").await.unwrap();

    // Nobody ever opens it.
    let broken = json!([{"conditionType": fixtures::GATE}]);
    world.change_workload(readiness_gates(&broken)).await;
    world.until_replaced("coturn-1", &sound).await;
    world.renew("although nothing moves").await;
    world
        .until_condition("Issued", "False", "RolloutInProgress")
        .await;
    let told = world.condition("RolledOut").await.unwrap();
    // Its successor would be as broken.
    assert!(!told.message.contains("delete pod"), "{}", told.message);

    world.change_workload(readiness_gates(&Value::Null)).await;
    let held_up = world.workload_state().await;
    // Kubernetes waits for the pod to become Ready: what it takes is what its documentation calls a
    // forced rollback.
    wait::throughout("nothing moves", Duration::from_secs(5), async || {
        world.workload_state().await == held_up
    })
    .await;
    wait::until("the pod to delete", async || {
        let told = world.condition("RolledOut").await?;
        told.message.contains("delete pod coturn-1").then_some(())
    })
    .await;
    world.delete_pod("coturn-1").await;

    world.until_renewed(&before).await;
    assert_eq!(world.issued().await.len(), 2);
    // Created, broken, mended, stamped.
    assert_eq!(world.workload().await.metadata.generation, Some(4));
}
