//! From nothing to a certificate on every pod.

use e2e::{Environment, World, fixtures};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Namespace};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_install_restarts_nothing() {
    let world = World::with_ca("first-install").await;
    world.install_operator();
    world.create_workload(&fixtures::coturn(3)).await;
    e2e::wait::until("three pods that wait", async || {
        (world.pods().await.len() == 3).then_some(())
    })
    .await;
    let waiting = world.pod_uids().await;

    world.create_certificate(&json!({})).await;
    world.until_ready().await;

    world.assert_served().await;
    assert_eq!(world.pod_uids().await, waiting);
    assert_eq!(world.revisions().await, 1);
    let workload: StatefulSet = world.api().get(fixtures::COTURN).await.unwrap();
    assert_eq!(workload.metadata.generation, Some(1));
    for pod in world.pods().await {
        let status = pod.status.unwrap();
        assert!(
            status
                .container_statuses
                .unwrap()
                .iter()
                .all(|status| status.restart_count == 0)
        );
    }
    assert_eq!(world.issued().await.len(), 1);
    world.assert_no_key_leaked("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_show_state_dates_and_serial_number() {
    let world = World::ready("columns", &fixtures::light(1)).await;

    let shown = world.shown();

    let certificate = world
        .certificate()
        .await
        .status
        .unwrap()
        .certificate
        .unwrap();
    let expires = certificate.not_after.0.to_string();
    let renewal = certificate.renewal_time.0.to_string();
    for cell in [
        "True",
        "Ready",
        fixtures::PUBLISHED,
        &expires,
        &renewal,
        &certificate.serial_number,
    ] {
        assert!(shown.contains(cell), "{cell} is missing:\n{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_runs_where_pod_security_is_restricted() {
    let world = World::with_ca("restricted").await;
    let label =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let namespaces: Api<Namespace> = Api::all(Environment::get().client().await);
    namespaces
        .patch(
            &world.namespace,
            &PatchParams::default(),
            &Patch::Merge(label),
        )
        .await
        .unwrap();

    world.install_operator();
    world
        .create_certificate(&json!({"workloadRef": null}))
        .await;

    world.until_condition("Ready", "True", "Ready").await;
    let pod = world
        .operator_deployment()
        .await
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    let container = pod.containers[0].security_context.clone().unwrap();
    assert_eq!(container.read_only_root_filesystem, Some(true));
    assert_eq!(pod.security_context.unwrap().run_as_non_root, Some(true));
}
