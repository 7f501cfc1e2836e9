//! A rollout that a pod holds up.

use std::time::Duration;

use api::CoturnCertificate;
use e2e::{World, fixtures, wait};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_a_pod_holds_up_is_not_stacked_on_and_not_ready() {
    let mut workload = fixtures::light(2);
    fixtures::gate(&mut workload);
    let policy = Some("OrderedReady".to_owned());
    workload.spec.as_mut().unwrap().pod_management_policy = policy;
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
