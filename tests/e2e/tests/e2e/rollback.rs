//! Secrets that a backup tool puts back to an earlier state.

use std::time::Duration;

use api::{HistoryEvent, names};
use e2e::{World, fixtures, wait};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::api::PostParams;
use serde_json::json;

const OPERATOR: &str = "coturn-cert-operator";

/// Two certificates after each other on the pods of a world, and both Secrets of the first.
async fn renewed(name: &str) -> (World, [Secret; 2]) {
    let world = World::ready(name, &fixtures::light(2)).await;
    let first = [
        world.secret(fixtures::STORE).await.unwrap(),
        world.secret(fixtures::PUBLISHED).await.unwrap(),
    ];
    let before = world.serial().await.unwrap();
    world.renew("once").await;
    world.until_renewed(&before).await;
    world.until_calm().await;
    (world, first)
}

/// Puts a Secret's content and annotations of earlier back, whatever is there.
async fn put_back(world: &World, older: &Secret) {
    let name = older.metadata.name.as_deref().unwrap();
    let mut restored = world.secret(name).await.unwrap();
    restored.data.clone_from(&older.data);
    let annotations = &older.metadata.annotations;
    restored.metadata.annotations.clone_from(annotations);
    let params = PostParams {
        field_manager: Some("backup".to_owned()),
        dry_run: false,
    };
    let api = world.api::<Secret>();
    api.replace(name, &params, &restored).await.unwrap();
}

async fn scale_operator(world: &World, replicas: usize) {
    let patch = json!({"spec": {"replicas": replicas}});
    world.patch::<Deployment>(OPERATOR, patch).await;
    wait::until("the operator's pods", async || {
        (world.operator_pods().await.len() == replicas).then_some(())
    })
    .await;
}

async fn nothing_more_happens(world: &World) {
    let before = (world.published().await, world.serial().await);
    wait::throughout("nothing changes", Duration::from_secs(3), async || {
        (world.published().await, world.serial().await) == before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_store_does_not_bring_an_older_certificate_back() {
    let (world, [older_store, _]) = renewed("older-store").await;
    let (published, serial) = (world.published().await.unwrap(), world.serial().await);
    let workload = world.workload_state().await;

    put_back(&world, &older_store).await;
    wait::until("the store has the newer pair again", async || {
        let store = world.secret(fixtures::STORE).await?.data?;
        (store["current.crt"] == published[names::TLS_CRT]).then_some(())
    })
    .await;

    nothing_more_happens(&world).await;
    assert_eq!(world.published().await.unwrap(), published);
    assert_eq!(world.serial().await, serial);
    world.assert_no_restart_since(&workload).await;
    assert_ne!(world.condition("Ready").await.unwrap().status, "False");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_published_secret_is_replaced_by_the_newer_one() {
    let (world, [_, older]) = renewed("older-published").await;
    let (published, workload) = (world.published().await, world.workload_state().await);

    put_back(&world, &older).await;
    wait::until("the newer pair", async || {
        (world.published().await == published).then_some(())
    })
    .await;

    world.until_ready().await;
    world.assert_no_restart_since(&workload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_older_secrets_are_left_the_lost_certificate_is_told_of() {
    let (world, [older_store, older]) = renewed("older-both").await;
    let (lost, workload) = (world.serial().await, world.workload_state().await);

    scale_operator(&world, 0).await;
    put_back(&world, &older_store).await;
    put_back(&world, &older).await;
    scale_operator(&world, 1).await;
    world
        .until_condition("RolledOut", "Unknown", "PodUnknown")
        .await;

    nothing_more_happens(&world).await;
    assert_eq!(world.published().await, older.data);
    world.assert_no_restart_since(&workload).await;
    let status = world.certificate().await.status.unwrap();
    assert_eq!(status.history[0].what, HistoryEvent::Lost);
    assert_eq!(Some(status.history[0].serial_number.clone()), lost);
}
