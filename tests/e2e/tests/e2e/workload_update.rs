//! Update strategies by which a user keeps Kubernetes from replacing pods.

use e2e::{World, fixtures, wait};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_an_on_delete_workload_are_left_to_the_user_who_deletes_them() {
    let mut workload = fixtures::light(2);
    let strategy = json!({"type": "OnDelete"});
    workload.spec.as_mut().unwrap().update_strategy = serde_json::from_value(strategy).ok();
    let world = World::ready("on-delete", &workload).await;
    let before = world.workload_state().await;

    world.renew("please").await;
    let told = world
        .until_condition("Ready", "False", "UpdateStrategyOnDelete")
        .await;
    assert!(told.message.contains("delete its pods"), "{}", told.message);
    world
        .until_condition("Stalled", "True", "UpdateStrategyOnDelete")
        .await;
    world.assert_no_restart_since(&before).await;

    world.until_its_publication_is_past().await;
    for (pod, current) in [("coturn-0", 1), ("coturn-1", 2)] {
        let uid = world.pod_uid(pod).await.unwrap();
        world.delete_pod(pod).await;
        world.until_replaced(pod, &uid).await;
        wait::until(&format!("{current} pods that are current"), async || {
            let rollout = world.certificate().await.status?.rollout?;
            (rollout.current == current && rollout.total == 2).then_some(())
        })
        .await;
    }
    world.until_ready().await;
    assert_eq!(world.workload().await.metadata.generation, Some(1));
    assert_eq!(world.issued().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_below_the_partition_wait_for_the_user_who_set_it() {
    let mut workload = fixtures::light(2);
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    workload.spec.as_mut().unwrap().update_strategy = serde_json::from_value(strategy).ok();
    let world = World::ready("partition", &workload).await;
    world.until_settled().await;
    let below = world.pod_uid("coturn-0").await;
    let above = world.pod_uid("coturn-1").await.unwrap();

    world.renew("please").await;
    world.until_replaced("coturn-1", &above).await;
    let told = world
        .until_condition("Ready", "False", "RestartNeeded")
        .await;
    assert!(
        told.message.contains("1 of 2 pods are current; coturn-0"),
        "{}",
        told.message
    );
    let half_way = world.workload_state().await;
    world.assert_no_restart_since(&half_way).await;
    assert_eq!(world.pod_uid("coturn-0").await, below);

    let partition = json!({"updateStrategy": {"rollingUpdate": {"partition": 0}}});
    world.change_workload(partition).await;
    world.until_ready().await;
    assert_ne!(world.pod_uid("coturn-0").await, below);
    assert_eq!(world.revisions().await, 2);
}
