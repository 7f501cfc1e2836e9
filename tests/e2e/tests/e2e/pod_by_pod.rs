//! One pod after the other, by eviction.

use e2e::{World, fixtures};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Api, api::PostParams};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn pods_go_one_by_one_each_once_the_one_before_is_proven_and_the_workload_is_not_written() {
    let world = World::with_ca("one-by-one").await;
    world.install_operator();
    world.create_workload(&fixtures::coturn(3)).await;
    let resource = json!({
        "rollout": {"strategy": "PodByPod"},
        "verification": fixtures::dialled(),
    });
    world.create_certificate(&resource).await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    world.until_settled().await;
    let (mark, serial) = (world.mark(), world.serial().await.unwrap());
    let generation = world.workload().await.metadata.generation;
    let uids = world.pod_uids().await;

    world.renew("one by one").await;
    world.until_renewed(&serial).await;
    world.until_condition("Verified", "True", "Verified").await;

    world.assert_served().await;
    assert_eq!(world.workload().await.metadata.generation, generation);
    assert_eq!(world.stamp().await, None);
    let after = world.pod_uids().await;
    assert!(uids.iter().all(|uid| !after.contains(uid)));
    let evicted = world.evictions(&mark);
    assert_eq!(evicted, ["coturn-2", "coturn-1", "coturn-0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disruption_budget_that_lets_no_pod_go_is_named_and_holds() {
    let world = World::with_ca("budgeted").await;
    world.install_operator();
    world.create_workload(&fixtures::light(1)).await;
    world
        .create_certificate(&json!({"rollout": {"strategy": "PodByPod"}}))
        .await;
    world.until_ready().await;
    let budget: PodDisruptionBudget = serde_json::from_value(json!({
        "metadata": {"name": "coturn"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "coturn"}}},
    }))
    .unwrap();
    let budgets: Api<PodDisruptionBudget> = world.api();
    budgets
        .create(&PostParams::default(), &budget)
        .await
        .unwrap();
    world.until_settled().await;
    let (serial, uids) = (world.serial().await.unwrap(), world.pod_uids().await);

    let mark = world.mark();
    world.renew("held").await;
    world.until_an_eviction_is_refused(&mark).await;
    assert_eq!(world.pod_uids().await, uids);

    let none = json!({"spec": {"minAvailable": 0}});
    world.patch::<PodDisruptionBudget>("coturn", none).await;
    world.until_renewed(&serial).await;
    assert_ne!(world.pod_uids().await, uids);
}
