//! Secrets that somebody deletes or overwrites.

use std::time::Duration;

use api::names;
use e2e::{World, fixtures, wait};
use k8s_openapi::api::core::v1::Secret;
use rstest::rstest;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_comes_back_with_the_same_key_and_no_restart() {
    let world = World::ready("deleted", &fixtures::light(2)).await;
    let (before, workload) = (world.published().await, world.workload_state().await);

    world.delete_secret(fixtures::PUBLISHED).await;
    wait::until("the Secret", async || world.published().await).await;

    assert_eq!(world.published().await, before);
    world.until_ready().await;
    world.assert_no_restart_since(&workload).await;
    assert_eq!(world.revisions().await, 1);
    assert_eq!(world.issued().await.len(), 1);
}

// Five times in one world would be a contest.
#[rstest]
#[case::by_another_pair(0..3)]
#[case::by_half_a_pair_or_other_roots(3..6)]
#[tokio::test(flavor = "multi_thread")]
async fn an_overwritten_secret_is_restored_in_one_write_without_a_restart(
    #[case] spoilt: std::ops::Range<usize>,
) {
    let world = World::ready("overwritten", &fixtures::light(2)).await;
    world.until_settled().await;
    let history = world.history().await;
    let before = world.published().await.unwrap();
    let workload = world.workload_state().await;

    let overwrites = overwrites(&before)[spoilt].to_vec();
    let count = overwrites.len();
    let mark = world.mark();

    for (what, data) in overwrites {
        world
            .patch::<Secret>(fixtures::PUBLISHED, json!({"data": data}))
            .await;
        wait::until(&format!("the Secret restored after: {what}"), async || {
            (world.published().await.as_ref() == Some(&before)).then_some(())
        })
        .await;
        settled(&world).await;
    }

    world.until_ready().await;
    world.assert_no_restart_since(&workload).await;
    // By now a second write after any of them has come as well.
    let writes = mark.writes(&world.namespace, names::FIELD_MANAGER);
    let to_it = writes
        .iter()
        .filter(|write| write.name == fixtures::PUBLISHED && write.code < 300);
    assert_eq!(to_it.count(), count, "{writes:?}");
    assert_eq!(world.revisions().await, 1);
    assert_eq!(world.issued().await.len(), 1);
    history.assert_only_matching_pairs();
    world.assert_no_key_leaked("").await;
}

/// Ways to spoil a Secret: each key, both, truncated.
fn overwrites(
    good: &std::collections::BTreeMap<String, k8s_openapi::ByteString>,
) -> Vec<(&'static str, Value)> {
    let encoded = |text: &str| serde_json::to_value(fixtures::text(text)).unwrap();
    let certificate = String::from_utf8(good[names::TLS_CRT].0.clone()).unwrap();
    let key = String::from_utf8(good[names::TLS_KEY].0.clone()).unwrap();
    let other = pki::testing::TestCa::example();
    vec![
        (
            "another certificate",
            json!({names::TLS_CRT: encoded(&other.certificate())}),
        ),
        (
            "another key",
            json!({names::TLS_KEY: encoded(&other.key())}),
        ),
        (
            "another pair",
            json!({names::TLS_CRT: encoded(&other.certificate()), names::TLS_KEY: encoded(&other.key())}),
        ),
        (
            "a truncated certificate",
            json!({names::TLS_CRT: encoded(&certificate[..certificate.len() / 2])}),
        ),
        (
            "a truncated key",
            json!({names::TLS_KEY: encoded(&key[..key.len() / 2])}),
        ),
        (
            "other roots",
            json!({names::CA_CRT: encoded(&other.root())}),
        ),
    ]
}

/// Waits until the operator has recorded in the store that the Secret holds its certificate again.
async fn settled(world: &World) {
    wait::until("the record of the publication", async || {
        let store = world.secret(fixtures::STORE).await?;
        let state: Value = serde_json::from_slice(&store.data?["state.json"].0).ok()?;
        let last = state["log"]["intervals"].as_array()?.last()?.clone();
        (last["held"] != "Foreign").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_store_is_taken_up_again_from_the_published_secret() {
    let world = World::with_ca("store").await;
    world.install_operator();
    world.create_workload(&fixtures::light(2)).await;
    // Pods of before the publication: that alone is what is not known without the store.
    wait::until("both pods", async || {
        (world.pods().await.len() == 2).then_some(())
    })
    .await;
    world.create_certificate(&json!({})).await;
    world.until_ready().await;
    let (before, workload) = (world.published().await, world.workload_state().await);

    world.delete_secret(fixtures::STORE).await;
    wait::until("the store", async || world.secret(fixtures::STORE).await).await;

    // These pods started at the first publication, of which the lost store was the record.
    world
        .until_condition("Ready", "Unknown", "PodUnknown")
        .await;
    wait::throughout("nothing changes", Duration::from_secs(3), async || {
        world.published().await == before
    })
    .await;
    world.assert_no_restart_since(&workload).await;
    assert_eq!(world.revisions().await, 1);
}
