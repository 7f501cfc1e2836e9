//! Resources that are deleted, and made anew, while the operator is at work for them.

use std::time::Duration;

use api::{CoturnCertificate, names};
use e2e::{fixtures, proxy::Proxy, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    ResourceExt as _,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use crate::scene::Scene;

const BYSTANDER: &str = "bystander";

async fn delete(scene: &Scene) {
    let api = scene.world.api::<CoturnCertificate>();
    let params = DeleteParams::default();
    api.delete(fixtures::COTURN, &params).await.unwrap();
}

/// Makes another resource, and waits until the operator has issued for it: by then it knows whatever
/// happened to resources before.
async fn until_the_operator_knows(scene: &Scene) {
    let spec = json!({"secretName": BYSTANDER, "workloadRef": null});
    let mut bystander = fixtures::certificate(&spec);
    bystander.metadata.name = Some(BYSTANDER.to_owned());
    let api = scene.world.api::<CoturnCertificate>();
    api.create(&PostParams::default(), &bystander)
        .await
        .unwrap();
    wait::until("the bystander's certificate", async || {
        scene.world.secret(BYSTANDER).await
    })
    .await;
}

fn without_workload(dns_name: &str) -> Value {
    json!({"dnsNames": [dns_name], "workloadRef": null})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_under_way_writes_nothing_once_its_resource_is_another() {
    let scene = Scene::of("anew", &[fixtures::COTURN]).await;
    let proxy = Proxy::start(scene.world.client.clone()).await;
    let _operator = scene.start(&proxy);
    scene
        .world
        .create_certificate(&without_workload("old.example.com"))
        .await;
    scene.world.until_ready().await;
    scene.until_calm(&proxy).await;

    // The last but one read that the renewal is decided on.
    let mut hold = proxy.hold("GET", "/secrets/coturn-coturn-cert-store");
    scene.world.renew("for the old one").await;
    hold.until_held().await;
    delete(&scene).await;
    scene
        .world
        .create_certificate(&without_workload("new.example.com"))
        .await;
    until_the_operator_knows(&scene).await;
    hold.release();
    scene.world.until_ready().await;
    scene.until_calm(&proxy).await;

    let names = scene
        .world
        .published_leaf()
        .await
        .unwrap()
        .content
        .unwrap()
        .dns_names;
    assert_eq!(names, ["new.example.com".to_owned()].into());
    let serials = scene.issued().await;
    assert_eq!(serials.len(), 2, "one each: {serials:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_deleted_during_its_rollout_leaves_the_secret_and_its_successor_takes_it_up() {
    let scene = Scene::of("midway", &[fixtures::COTURN]).await;
    let proxy = Proxy::start(scene.world.client.clone()).await;
    let _operator = scene.start(&proxy);
    let world = &scene.world;
    world.create_workload(&fixtures::light(2)).await;
    world.create_certificate(&json!({})).await;
    world.until_ready().await;
    let first = world.workload_state().await;

    scene.kubelet.pause();
    world.renew("please").await;
    wait::until("a pod that is replaced", async || {
        let pods = world.pods().await;
        let stamp = names::fingerprint_annotation(fixtures::PUBLISHED);
        pods.iter()
            .any(|pod| pod.annotations().contains_key(&stamp))
            .then_some(())
    })
    .await;
    let secrets = async || {
        let store = world.secret(fixtures::STORE).await;
        (store, world.secret(fixtures::PUBLISHED).await)
    };
    let before = secrets().await;
    delete(&scene).await;
    wait::throughout("the Secrets stay", Duration::from_secs(2), async || {
        secrets().await == before
    })
    .await;
    world.create_certificate(&json!({})).await;
    let told = world
        .until_condition("RolledOut", "False", "RollingOut")
        .await;
    assert!(
        told.message.contains("of 2 pods are current"),
        "{}",
        told.message
    );
    scene.kubelet.resume();
    world.until_ready().await;

    scene.until_calm(&proxy).await;
    assert_eq!(secrets().await, before);
    let workload: StatefulSet = world.api().get(fixtures::COTURN).await.unwrap();
    let generation = first.generation.map(|generation| generation + 1);
    assert_eq!(workload.metadata.generation, generation, "one stamp");
    assert_eq!(scene.issued().await.len(), 2);
    let after = world.workload_state().await;
    assert!(after.pods.iter().all(|pod| !first.pods.contains(pod)));
}
