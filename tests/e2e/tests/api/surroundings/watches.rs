//! Watches that fall silent, and end because the API server has forgotten their revision (410).

use std::time::Duration;

use api::names;
use e2e::{fixtures, wait};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_a_watch_was_dead_is_mended_once_the_server_has_forgotten_it() {
    let mut scene = Scene::ready("compacted").await;
    let world = &scene.world;
    let before = world.published().await;
    let spoilt = json!({"data": {names::TLS_KEY: fixtures::text("garbage")}});
    scene.gate.silence_watches();

    world.patch::<Secret>(fixtures::PUBLISHED, spoilt).await;
    wait::throughout(
        "the operator knows nothing",
        Duration::from_secs(2),
        async || world.published().await != before,
    )
    .await;
    let so_far = scene.gate.passed().len();
    scene.gate.end_watches();

    wait::until("the Secret restored", async || {
        (world.published().await == before).then_some(())
    })
    .await;
    world.until_ready().await;
    let lists = scene.gate.passed()[so_far..]
        .iter()
        .filter(|one| one.method == "GET" && !one.is_watch && one.path.ends_with("/secrets"))
        .count();
    assert_eq!(lists, 1, "one list after the end of a watch");
    scene.assert_neighbour_is_renewed().await;
    assert_eq!(world.issued().await.len(), 1);
    scene.assert_rollouts(1).await;
    assert!(scene.operator.runs());
}
