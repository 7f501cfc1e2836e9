//! Secrets that cannot be written: immutable ones, and somebody else's of another type.

use std::time::Duration;

use api::names;
use e2e::{fixtures, gate::What, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use serde_json::json;

use super::Scene;

const OPAQUE: &str = "Opaque";

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_secret_stays_in_service_until_it_is_deleted() {
    let scene = Scene::ready("immutable").await;
    let world = &scene.world;
    let (before, serial) = (world.published().await, world.serial().await.unwrap());
    let immutable = json!({"immutable": true});
    world.patch::<Secret>(fixtures::PUBLISHED, immutable).await;
    let there = scene.published_secret().await;

    world.renew("in vain").await;

    let issued = world
        .until_condition("Issued", "False", "SecretImmutable")
        .await;
    for part in [fixtures::PUBLISHED, "delete it"] {
        assert!(issued.message.contains(part), "{}", issued.message);
    }
    assert_eq!(world.condition("Ready").await.unwrap().status, "True");
    scene.assert_neighbour_is_renewed().await;
    wait::throughout("nothing changes", Duration::from_secs(3), async || {
        scene.published_secret().await == there
    })
    .await;
    assert_eq!(world.published().await, before);
    let publishing = What::replacing(fixtures::PUBLISHED);
    assert!(scene.gate.attempts(&publishing).is_empty());

    world.delete_secret(fixtures::PUBLISHED).await;
    world.until_renewed(&serial).await;
    assert_eq!(world.issued().await.len(), 2);
    scene.assert_rollouts(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_store_is_named_and_once_it_is_deleted_it_is_made_anew() {
    let scene = Scene::ready("immutable-store").await;
    let world = &scene.world;
    let before = world.published().await;
    let immutable = json!({"immutable": true});
    world.patch::<Secret>(fixtures::STORE, immutable).await;

    world.renew("in vain").await;

    let issued = world.until_condition("Issued", "False", "Refused").await;
    for part in [fixtures::STORE, "delete that Secret, and it is made anew"] {
        assert!(issued.message.contains(part), "{}", issued.message);
    }
    scene.assert_neighbour_is_renewed().await;

    world.delete_secret(fixtures::STORE).await;
    let store = wait::until("a store made anew", async || {
        world.secret(fixtures::STORE).await
    })
    .await;
    assert_eq!(store.immutable, None);
    world.until_condition("Issued", "True", "Issued").await;
    world.until_ready().await;
    assert_eq!(world.published().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_secret_of_another_type_is_left_alone_until_it_is_deleted() {
    let scene = Scene::with_neighbour("opaque").await;
    let world = &scene.world;
    let mut strange = fixtures::tls_secret(fixtures::PUBLISHED, "theirs", "theirs");
    strange.type_ = Some(OPAQUE.to_owned());
    let strange = world.create_secret(&strange).await;

    world.create_certificate(&json!({})).await;

    world
        .until_condition("Published", "False", "SecretNotOwned")
        .await;
    scene.assert_neighbour_is_renewed().await;
    assert_eq!(scene.published_secret().await, strange);

    world.delete_secret(fixtures::PUBLISHED).await;
    world.until_ready().await;
    let ours = scene.published_secret().await;
    assert_eq!(ours.type_.as_deref(), Some(names::TLS_SECRET_TYPE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_ours_that_comes_back_with_another_type_keeps_it() {
    let scene = Scene::ready("retyped").await;
    let world = &scene.world;
    let serial = world.serial().await.unwrap();
    let mut copy = scene.published_secret().await;
    copy.type_ = Some(OPAQUE.to_owned());
    copy.metadata.resource_version = None;
    copy.metadata.uid = None;
    // The operator might be faster than whoever puts it back.
    let hold = scene.gate.hold(What::creating_a_secret());
    world.delete_secret(fixtures::PUBLISHED).await;
    let copied = world.create_secret(&copy).await;
    hold.release();

    world.renew("after that").await;
    world.until_renewed(&serial).await;

    let ours = scene.published_secret().await;
    assert_eq!(ours.type_.as_deref(), Some(OPAQUE));
    assert_eq!(ours.uid(), copied.uid(), "it was deleted and made anew");
    assert_eq!(world.issued().await.len(), 2);
}
