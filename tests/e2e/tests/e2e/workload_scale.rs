//! Workloads that are scaled, with and without a rollout under way.

use api::names;
use e2e::{World, fixtures, wait};
use kube::ResourceExt as _;
use serde_json::json;

/// Waits until the template carries the leaf that is published.
async fn until_stamped(world: &World) -> String {
    wait::until("the stamp", async || {
        let leaf = world.published_leaf().await?.fingerprint.to_string();
        (world.stamp().await.as_ref() == Some(&leaf)).then_some(leaf)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_without_pods_is_stamped_and_pods_that_come_later_are_not_restarted() {
    let world = World::ready("no-pods", &fixtures::light(2)).await;
    let serial = world.serial().await.unwrap();
    world.change_workload(json!({"replicas": 0})).await;
    until_stamped(&world).await;
    wait::until("no pod", async || {
        world.pods().await.is_empty().then_some(())
    })
    .await;

    world.renew("please").await;
    world.until_renewed(&serial).await;
    let leaf = until_stamped(&world).await;
    let rollout = world.certificate().await.status.unwrap().rollout;
    assert_eq!(rollout.unwrap().total, 0);

    world.change_workload(json!({"replicas": 2})).await;
    world.until_running(2).await;
    world.until_ready().await;
    let workload = world.workload_state().await;
    world.assert_no_restart_since(&workload).await;
    // Two changes of the replicas, and a stamp for each certificate while there was no pod.
    assert_eq!(workload.generation, Some(5));
    let key = names::fingerprint_annotation(fixtures::PUBLISHED);
    for pod in world.pods().await {
        assert_eq!(pod.annotations().get(&key), Some(&leaf));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_is_scaled_during_its_rollout_still_has_one() {
    let mut workload = fixtures::light(2);
    fixtures::gate(&mut workload);
    let world = World::with_ca("scaled").await;
    world.install_operator();
    world.create_workload(&workload).await;
    world.create_certificate(&json!({})).await;
    world.until_ready_with_gates().await;
    let before = world.pod_uid("coturn-1").await.unwrap();
    let until_total = async |total| {
        wait::until(&format!("a rollout over {total} pods"), async || {
            let rollout = world.certificate().await.status?.rollout?;
            (rollout.total == total).then_some(())
        })
        .await;
    };

    world.renew("please").await;
    world.until_replaced("coturn-1", &before).await;
    world.change_workload(json!({"replicas": 3})).await;
    until_total(3).await;
    world
        .until_condition("RolledOut", "False", "RollingOut")
        .await;
    wait::until("a third pod", async || world.pod_uid("coturn-2").await).await;
    world.change_workload(json!({"replicas": 1})).await;
    until_total(1).await;
    world.until_ready_with_gates().await;
    // One that has ended serves nothing, but is listed until it is deleted.
    wait::until("one pod", async || {
        (world.pods().await.len() == 1).then_some(())
    })
    .await;

    let after = world.workload_state().await;
    // Two changes of the replicas and one stamp.
    assert_eq!((after.generation, after.pods.len()), (Some(4), 1));
    assert_eq!(world.revisions().await, 2);
    assert_eq!(world.issued().await.len(), 2);
    world.assert_no_restart_since(&after).await;
}
