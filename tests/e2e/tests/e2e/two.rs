//! Two certificates of one workload.

use api::{CoturnCertificate, names};
use e2e::{World, fixtures, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::PostParams;
use serde_json::json;

const SECOND: &str = "second";

/// Pods that mount both published Secrets.
fn workload() -> StatefulSet {
    let mut workload = fixtures::light(2);
    fixtures::mount(&mut workload, SECOND);
    workload
}

/// Serial number and rollout of a resource: none before every pod is on its certificate.
async fn rolled_out(world: &World, name: &str) -> Option<String> {
    let resource: CoturnCertificate = world.api().get(name).await.unwrap();
    let status = resource.status?;
    let is_done = |kind: &str| {
        let mut conditions = status.conditions.iter();
        conditions.any(|condition| condition.type_ == kind && condition.status == "True")
    };
    (is_done("Ready") && is_done("RolledOut")).then_some(status.certificate?.serial_number)
}

async fn both_rolled_out(world: &World, earlier: &[String]) -> Vec<String> {
    wait::until("both certificates on every pod", async || {
        let serials = [
            rolled_out(world, fixtures::COTURN).await?,
            rolled_out(world, SECOND).await?,
        ];
        let renewed = serials.iter().all(|serial| !earlier.contains(serial));
        renewed.then(|| serials.to_vec())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_certificates_of_one_workload_that_are_renewed_together_make_one_rollout() {
    let world = World::with_ca("two").await;
    world.install_operator_with(&["allSecrets=true"]);
    world.create_workload(&workload()).await;
    world.create_certificate(&json!({})).await;
    let mut second = fixtures::certificate(&json!({"secretName": SECOND}));
    second.metadata.name = Some(SECOND.to_owned());
    world
        .api::<CoturnCertificate>()
        .create(&PostParams::default(), &second)
        .await
        .unwrap();
    let before = both_rolled_out(&world, &[]).await;
    assert_eq!(world.revisions().await, 1);

    let renew = json!({"metadata": {"annotations": {names::RENEW: "together"}}});
    for name in [fixtures::COTURN, SECOND] {
        world.patch::<CoturnCertificate>(name, renew.clone()).await;
    }
    both_rolled_out(&world, &before).await;

    world.until_calm().await;
    assert_eq!(world.revisions().await, 2);
}
