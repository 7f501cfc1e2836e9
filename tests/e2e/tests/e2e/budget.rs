//! Pods that may drain for half a day, and a renewal that would begin too late for them.

use e2e::{World, fixtures, wait};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::json;

/// As in Wire's chart.
const HALF_A_DAY: i64 = 43_200;

/// The Events of this reason, each with how often it was told.
async fn told(world: &World, reason: &str) -> Vec<i32> {
    let events = world.api::<Event>().list(&ListParams::default()).await;
    let events = events.unwrap().items.into_iter();
    events
        .filter(|event| event.reason.as_deref() == Some(reason))
        .map(|event| event.series.map_or(1, |series| series.count))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_may_outlast_the_certificate_is_warned_of_once_until_it_is_mended() {
    let world = World::with_ca("budget").await;
    world.install_operator();
    let mut workload = fixtures::light(2);
    let spec = workload.spec.as_mut().unwrap();
    let pod = spec.template.spec.as_mut().unwrap();
    pod.termination_grace_period_seconds = Some(HALF_A_DAY);
    world.create_workload(&workload).await;
    world
        .create_certificate(&json!({"renewBefore": "12h"}))
        .await;
    world.until_ready().await;

    let advice = "set spec.renewBefore to at least 24h2m";
    let message = world.condition("RolledOut").await.unwrap().message;
    assert!(message.contains(advice), "{message}");
    world.until_calm().await;
    let mark = world.mark();
    world.restart_operator().await;
    world.until_a_pass_since(&mark).await;
    world.until_calm().await;
    assert_eq!(told(&world, "RenewBeforeTooShort").await, [1]);

    let mended = json!({"spec": {"renewBefore": "24h2m"}});
    world
        .patch::<api::CoturnCertificate>(fixtures::COTURN, mended)
        .await;
    wait::until("no warning", async || {
        let message = world.condition("RolledOut").await?.message;
        (!message.contains("renewBefore")).then_some(())
    })
    .await;
    world.until_ready().await;
    assert_eq!(world.issued().await.len(), 1);
}
