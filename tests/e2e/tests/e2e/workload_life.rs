//! Workloads that come late, go, come back, or do not mount what is published.

use e2e::{World, fixtures, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_comes_after_its_certificate_is_not_restarted() {
    let world = World::with_ca("late-workload").await;
    world.install_operator();
    world.create_certificate(&json!({})).await;

    let told = world
        .until_condition("Ready", "False", "WorkloadNotFound")
        .await;
    assert!(told.message.contains("create it"), "{}", told.message);
    world
        .until_condition("Stalled", "True", "WorkloadNotFound")
        .await;
    world
        .until_condition("Published", "True", "Published")
        .await;

    world.create_workload(&fixtures::light(2)).await;
    world.until_ready().await;

    let workload = world.workload_state().await;
    assert_eq!((workload.generation, workload.pods.len()), (Some(1), 2));
    world.assert_no_restart_since(&workload).await;
    assert_eq!(world.issued().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_deleted_during_its_rollout_and_made_anew_is_not_restarted() {
    let mut workload = fixtures::light(2);
    fixtures::gate(&mut workload);
    let world = World::with_ca("anew-workload").await;
    world.install_operator();
    world.create_workload(&workload).await;
    world.create_certificate(&json!({})).await;
    world.until_ready_with_gates().await;
    let before = world.pod_uid("coturn-1").await.unwrap();
    let kept = world.pod_uid("coturn-0").await;

    world.renew("please").await;
    world.until_replaced("coturn-1", &before).await;
    let published = world.published().await;
    assert_eq!(world.pod_uid("coturn-0").await, kept, "one after the other");
    world.delete_workload().await;
    world
        .until_condition("Ready", "False", "WorkloadNotFound")
        .await;
    world.until_its_publication_is_past().await;

    world.create_workload(&workload).await;
    world.until_ready_with_gates().await;

    let anew = world.workload_state().await;
    assert_eq!((anew.generation, anew.pods.len()), (Some(1), 2));
    world.assert_no_restart_since(&anew).await;
    assert_eq!(world.published().await, published);
    assert_eq!(world.issued().await.len(), 2);
}

/// The StatefulSet without the volume.
fn without_the_volume() -> StatefulSet {
    let mut workload = fixtures::light(2);
    let pod = workload
        .spec
        .as_mut()
        .unwrap()
        .template
        .spec
        .as_mut()
        .unwrap();
    let is_other = |name: &str| name != fixtures::PUBLISHED;
    pod.volumes
        .as_mut()
        .unwrap()
        .retain(|it| is_other(&it.name));
    let mounts = pod.containers[0].volume_mounts.as_mut().unwrap();
    mounts.retain(|it| is_other(&it.name));
    workload
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_does_not_mount_the_secret_is_told_of_and_never_restarted() {
    let world = World::with_ca("not-mounted").await;
    world.install_operator();
    world.create_workload(&without_the_volume()).await;
    world.until_running(2).await;
    let before = world.workload_state().await;
    world.create_certificate(&json!({})).await;

    let told = world
        .until_condition("Ready", "False", "SecretNotMounted")
        .await;
    assert!(
        told.message.contains(fixtures::PUBLISHED),
        "{}",
        told.message
    );
    let first = world.serial().await.unwrap();
    world.renew("please").await;
    wait::until("another certificate", async || {
        (world.serial().await? != first).then_some(())
    })
    .await;
    world
        .until_condition("RolledOut", "False", "SecretNotMounted")
        .await;
    world
        .until_condition("Stalled", "True", "SecretNotMounted")
        .await;
    world.assert_no_restart_since(&before).await;

    // As the message asks for. The rollout is the user's.
    world.until_its_publication_is_past().await;
    let pod = fixtures::light(2).spec.unwrap().template.spec;
    world
        .change_workload(json!({"template": {"spec": pod}}))
        .await;
    world.until_ready().await;
    assert_eq!(world.stamp().await, None);
    assert_eq!(world.revisions().await, 2);
}
