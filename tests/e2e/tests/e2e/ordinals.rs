//! A StatefulSet is scaled: names come, and only who lacks one is restarted.

use std::{collections::BTreeSet, time::Duration};

use api::names;
use e2e::{World, audit::Request, fixtures, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::json;

use crate::single::scale_operator;

const TEMPLATE: &str = "coturn-{ordinal}.example.com";

async fn scale(world: &World, replicas: usize) {
    let patch = json!({"spec": {"replicas": replicas}});
    world.patch::<StatefulSet>(fixtures::COTURN, patch).await;
    wait::until("the pods", async || {
        (world.pods().await.len() == replicas).then_some(())
    })
    .await;
    world.until_running(replicas).await;
}

/// Two pods with a name for each.
async fn with_names(name: &str) -> World {
    let world = World::with_ca(name).await;
    world.install_operator_with(&["restartPods=true"]);
    world.create_workload(&fixtures::light(2)).await;
    world
        .create_certificate(&json!({"ordinalDNSNames": {"template": TEMPLATE}}))
        .await;
    world.until_ready().await;
    assert_eq!(named(&world).await, expected(2));
    world.until_settled().await;
    world
}

async fn uids(world: &World) -> BTreeSet<String> {
    world.pod_uids().await.into_iter().collect()
}

/// Names of the pods that the operator deleted. It may have asked twice for one.
fn restarted(writes: &[Request]) -> Vec<&str> {
    let restarts = writes
        .iter()
        .filter(|it| it.resource == "pods" && it.code < 300);
    restarts.map(|it| it.name.as_str()).collect()
}

async fn named(world: &World) -> BTreeSet<String> {
    let leaf = world.published_leaf().await.unwrap();
    leaf.content.unwrap().dns_names
}

fn expected(replicas: u32) -> BTreeSet<String> {
    let own = (0..replicas).map(|ordinal| format!("coturn-{ordinal}.example.com"));
    own.chain(["coturn.example.com".to_owned()]).collect()
}

/// Zero writes for a while.
async fn assert_idle(world: &World) {
    world.until_calm().await;
    let mark = world.mark();
    wait::throughout("no write", Duration::from_secs(5), async || {
        mark.writes(&world.namespace, names::FIELD_MANAGER)
            .is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_restarts_alone_who_lacks_a_name_and_shrinkage_changes_nothing() {
    let world = with_names("ordinals").await;
    let first = uids(&world).await;

    let mark = world.mark();
    scale(&world, 3).await;
    wait::until("a name for the third pod", async || {
        (named(&world).await == expected(3)).then_some(())
    })
    .await;
    world.until_ready().await;
    assert_idle(&world).await;

    assert!(
        uids(&world).await.is_superset(&first),
        "a pod that has its name was restarted"
    );
    assert_eq!(world.issued().await.len(), 2);
    assert_eq!(world.revisions().await, 1, "the template was changed");
    let writes = mark.writes(&world.namespace, names::FIELD_MANAGER);
    let restarted = restarted(&writes);
    assert!(
        [vec![], vec!["coturn-2"]].contains(&restarted),
        "{writes:?}"
    );
    assert!(!writes.iter().any(|it| it.resource == "statefulsets"));

    let mark = world.mark();
    scale(&world, 2).await;
    assert_idle(&world).await;
    let writes = mark.writes(&world.namespace, names::FIELD_MANAGER);
    assert!(
        !writes.iter().any(|it| it.resource == "secrets"),
        "{writes:?}"
    );
    assert_eq!(world.issued().await.len(), 2);
    assert_eq!(named(&world).await, expected(3));
    assert_eq!(uids(&world).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_started_before_its_name_was_in_the_certificate_is_restarted_alone() {
    let world = with_names("nameless").await;
    scale_operator(&world, 0).await;
    scale(&world, 3).await;
    world.until_settled().await;
    let (old, mark) = (uids(&world).await, world.mark());

    scale_operator(&world, 1).await;
    wait::until("another pod in its place", async || {
        (uids(&world).await.intersection(&old).count() == 2).then_some(())
    })
    .await;
    world.until_running(3).await;
    world.until_ready().await;

    assert_eq!(named(&world).await, expected(3));
    assert_idle(&world).await;
    let writes = mark.writes(&world.namespace, names::FIELD_MANAGER);
    assert_eq!(restarted(&writes), ["coturn-2"]);
    assert_eq!(uids(&world).await.intersection(&old).count(), 2);
    assert_eq!(world.issued().await.len(), 2);
    assert_eq!(world.revisions().await, 1, "the template was changed");
}
