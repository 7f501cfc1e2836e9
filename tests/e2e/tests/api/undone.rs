//! Somebody who undoes each rollout, as a tool does that puts the pod template back to what is in Git.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use api::names;
use e2e::{World, fixtures, proxy::Proxy, watch};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::watcher::{Config, Event},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::scene::Scene;

/// Takes the operator's annotation out of the pod template whenever it is there; counts how often
/// it was. Ends with the set.
fn undo_rollouts(world: &World) -> (JoinSet<()>, Arc<AtomicUsize>) {
    let workloads: Api<StatefulSet> = world.api();
    let counted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&counted);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut events = watch::events(workloads.clone(), Config::default());
        let annotation = names::fingerprint_annotation(fixtures::PUBLISHED);
        while let Some(event) = events.next().await {
            if let Event::Apply(workload) | Event::InitApply(workload) = event
                && carries(&workload, &annotation)
                && strip(&workloads, &workload, &annotation).await
            {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (tasks, counted)
}

fn carries(workload: &StatefulSet, annotation: &str) -> bool {
    let template = workload.spec.as_ref().map(|spec| &spec.template);
    let metadata = template.and_then(|template| template.metadata.as_ref());
    let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
    annotations.is_some_and(|annotations| annotations.contains_key(annotation))
}

/// Whether the annotation was there: of an object that has moved on, the next event tells more.
async fn strip(workloads: &Api<StatefulSet>, seen: &StatefulSet, annotation: &str) -> bool {
    // Who only removes a field owns none: such a tool notes when it did its work.
    let synced = jiff::Timestamp::now().to_string();
    let nothing = json!({
        "metadata": {
            "resourceVersion": seen.metadata.resource_version,
            "annotations": {"example.com/synced": synced},
        },
        "spec": {"template": {"metadata": {"annotations": {annotation: null}}}},
    });
    let params = PatchParams {
        field_manager: Some("argocd-controller".to_owned()),
        ..PatchParams::default()
    };
    let reply = workloads
        .patch(fixtures::COTURN, &params, &Patch::Merge(nothing))
        .await;
    match reply {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.is_conflict() => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_undoes_each_rollout_is_named_and_given_way_to() {
    let scene = Scene::of("undone", &[fixtures::COTURN]).await;
    let proxy = Proxy::start(scene.world.client.clone()).await;
    let _operator = scene.start(&proxy);
    let world = &scene.world;
    // So many that the first rollout is not over before it is undone.
    world.create_workload(&fixtures::light(5)).await;
    world.create_certificate(&json!({})).await;
    world.until_ready().await;
    let (_undoing, undone) = undo_rollouts(world);

    world.renew("please").await;

    let told = world
        .until_condition("RolledOut", "False", "Contested")
        .await;
    assert!(
        told.message.starts_with("argocd-controller "),
        "{}",
        told.message
    );
    world
        .until_condition("Contested", "True", "Contested")
        .await;
    scene.until_calm(&proxy).await;
    // One rollout, and one that put right what was undone.
    assert_eq!(undone.load(Ordering::SeqCst), 2);
    assert_eq!(scene.issued().await.len(), 2);
}
