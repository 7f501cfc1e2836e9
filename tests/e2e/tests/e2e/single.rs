//! A pod that read a foreign file is restarted alone, where the operator may.

use std::time::Duration;

use api::names;
use e2e::{World, fixtures, wait};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, ResourceExt as _, api::DeleteParams};
use pki::testing::TestCa;
use serde_json::json;

/// Longer than the rounding of times, and what clocks may be apart.
const CLEARLY: SignedDuration = SignedDuration::from_secs(3);

/// Two pods whose template carries the certificate in service.
async fn rolled_out(name: &str, values: &[&str]) -> World {
    let world = World::with_ca(name).await;
    world.install_operator_with(values);
    world.create_workload(&fixtures::light(2)).await;
    world.create_certificate(&json!({})).await;
    world.until_ready().await;
    let before = world.serial().await.unwrap();
    world.renew("stamped").await;
    world.until_renewed(&before).await;
    // What the pods read cannot be taken for what comes after it.
    world.until_settled().await;
    world
}

/// Sends the operator away, or back.
pub async fn scale_operator(world: &World, replicas: usize) {
    let patch = json!({"spec": {"replicas": replicas}});
    world
        .patch::<Deployment>("coturn-cert-operator", patch)
        .await;
    wait::until("the operator scaled", async || {
        (world.operator_pods().await.len() == replicas).then_some(())
    })
    .await;
}

/// While no operator looks, somebody overwrites the Secret and a pod starts with that: its uid.
async fn mislead(world: &World, pod: &str) -> Option<String> {
    scale_operator(world, 0).await;
    let other = TestCa::example();
    let data = json!({
        names::TLS_CRT: fixtures::text(&other.certificate()),
        names::TLS_KEY: fixtures::text(&other.key()),
    });
    world
        .patch::<k8s_openapi::api::core::v1::Secret>(fixtures::PUBLISHED, json!({"data": data}))
        .await;
    // A pod of the same second may have read what was there before.
    let overwritten = Timestamp::now();
    wait::until("another second", async || {
        (Timestamp::now().duration_since(overwritten) > CLEARLY).then_some(())
    })
    .await;
    let pods: Api<Pod> = world.api();
    let before = pods.get(pod).await.unwrap().uid();
    pods.delete(pod, &DeleteParams::default()).await.unwrap();
    wait::until("the successor", async || {
        let found = pods.get_opt(pod).await.unwrap()?;
        (found.uid() != before).then_some(())
    })
    .await;
    world.until_running(2).await;
    // It has run for so long that it did not read what is put back.
    world.until_settled().await;
    let misled = pods.get(pod).await.unwrap().uid();
    scale_operator(world, 1).await;
    misled
}

/// Uid and start of each container of a pod.
async fn life(world: &World, pod: &str) -> (Option<String>, Vec<String>) {
    let pod = world.api::<Pod>().get(pod).await.unwrap();
    let statuses = pod.status.iter().flat_map(|it| &it.container_statuses);
    let ids = statuses.flatten().filter_map(|it| it.container_id.clone());
    (pod.uid(), ids.collect())
}

/// Names of what the operator deleted. It may have asked twice for one.
fn deleted(world: &World, mark: &e2e::audit::Mark) -> Vec<String> {
    let writes = mark.writes(&world.namespace, names::FIELD_MANAGER);
    let deletions = writes
        .into_iter()
        .filter(|it| it.verb == "delete" && it.code < 300);
    deletions.map(|it| it.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_read_a_foreign_file_is_restarted_alone() {
    let world = rolled_out("single", &["restartPods=true"]).await;
    let (first, generation) = (
        life(&world, "coturn-0").await,
        world.workload_state().await.generation,
    );
    let mark = world.mark();

    let misled = mislead(&world, "coturn-1").await;
    wait::until("another pod in its place", async || {
        let pod = world.api::<Pod>().get_opt("coturn-1").await.unwrap()?;
        (pod.uid() != misled).then_some(())
    })
    .await;
    world.until_ready().await;

    assert_eq!(life(&world, "coturn-0").await, first);
    assert_eq!(world.workload_state().await.generation, generation);
    assert_eq!(deleted(&world, &mark), ["coturn-1"]);
    assert_eq!(world.issued().await.len(), 2);
    world.until_calm().await;
    let mark = world.mark();
    wait::throughout("no write", Duration::from_secs(5), async || {
        mark.writes(&world.namespace, names::FIELD_MANAGER)
            .is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_such_a_pod_is_told_of_and_left_alone() {
    let world = rolled_out("told", &[]).await;
    let mark = world.mark();

    mislead(&world, "coturn-1").await;
    let workload = world.workload_state().await;
    let told = world
        .until_condition("RolledOut", "False", "RestartNeeded")
        .await;

    assert!(told.message.contains("coturn-1"), "{}", told.message);
    assert!(
        told.message.contains("restartPods=true"),
        "{}",
        told.message
    );
    // By now it would have been deleted.
    world.until_calm().await;
    world.assert_no_restart_since(&workload).await;
    assert_eq!(deleted(&world, &mark), Vec::<String>::new());
}
