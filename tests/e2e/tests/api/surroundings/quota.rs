//! A quota of Secrets.

use std::{collections::BTreeMap, time::Instant};

use e2e::{World, fixtures, gate::What, wait};
use k8s_openapi::{
    api::core::v1::{ResourceQuota, ResourceQuotaSpec, Secret},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::api::{ListParams, ObjectMeta, PostParams};
use serde_json::json;

use super::Scene;

const QUOTA: &str = "no-more-secrets";
const SECRETS: &str = "count/secrets";

fn limit(count: usize) -> BTreeMap<String, Quantity> {
    [(SECRETS.to_owned(), Quantity(count.to_string()))].into()
}

/// Limits the Secrets of a namespace to those that are there, and waits until another is refused.
async fn exhaust(world: &World) {
    let secrets = world.api::<Secret>().list(&ListParams::default()).await;
    let quota = ResourceQuota {
        metadata: ObjectMeta {
            name: Some(QUOTA.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(ResourceQuotaSpec {
            hard: Some(limit(secrets.unwrap().items.len())),
            ..ResourceQuotaSpec::default()
        }),
        status: None,
    };
    let quotas = world.api::<ResourceQuota>();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let another = fixtures::tls_secret("one-too-many", "", "");
    wait::until("a Secret that is refused", async || {
        let created = world.api::<Secret>().create(&dry, &another).await;
        created.err().map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_quota_is_named_and_once_it_is_raised_everything_goes_on() {
    let scene = Scene::with_neighbour("quota").await;
    let world = &scene.world;
    exhaust(world).await;
    let since = Instant::now();

    world.create_certificate(&json!({})).await;

    let issued = world.until_condition("Issued", "False", "Refused").await;
    for part in [QUOTA, "raise that quota", "Secret"] {
        assert!(issued.message.contains(part), "{}", issued.message);
    }
    scene.assert_neighbour_is_renewed().await;
    let creating = What::creating_a_secret();
    scene.assert_ever_rarer(since, &creating).await;

    let raised = json!({"spec": {"hard": limit(100)}});
    world.patch::<ResourceQuota>(QUOTA, raised).await;
    world.until_ready().await;
    assert_eq!(world.issued().await.len(), 1);
    scene.assert_rollouts(1).await;
}
