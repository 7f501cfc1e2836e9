//! A Secret that somebody else applies, as Helm 4 does: what is owned that way is written in the
//! owner's name, and the rest in another request.

use api::{SecretAdoptionPolicy, names};
use e2e::fixtures;
use futures::{FutureExt as _, future::LocalBoxFuture};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{
    deeds,
    scenario::{
        End, Operator, PUBLISHED, Pair, READY, Restarted, STATUS, STORE, Scenario, USUAL, WORKLOAD,
        at_least, exactly,
    },
    sweep,
};
use crate::scene::Scene;

type Done<'a> = LocalBoxFuture<'a, ()>;

const HAND_MADE: &str = "hand-made.json";

/// Applies the chart's Secret; the first time its pair is made.
fn apply(scene: &Scene) -> Done<'_> {
    async {
        let path = scene.world.folder().join(HAND_MADE);
        if !path.exists() {
            std::fs::write(&path, chart(scene)).unwrap();
        }
        let body: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let params = PatchParams::apply("helm").force();
        scene
            .world
            .api::<Secret>()
            .patch(fixtures::PUBLISHED, &params, &Patch::Apply(body))
            .await
            .unwrap();
    }
    .boxed_local()
}

/// What a chart renders, with a pair of the world's CA.
fn chart(scene: &Scene) -> String {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let authority = pki::Authority::load(&scene.world.ca.secret().as_secret(), now).unwrap();
    let request = pki::testing::request(&["coturn.example.com"]);
    let pair = pki::issue(&authority, &request, now).unwrap();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": fixtures::PUBLISHED,
            "labels": {names::MANAGED_BY_LABEL: "Helm"},
        },
        "data": {
            names::TLS_CRT: fixtures::text(&pair.certificate),
            names::TLS_KEY: fixtures::text(&pair.key),
        },
    })
    .to_string()
}

fn a_pod_with_the_charts(scene: &Scene) -> Done<'_> {
    async {
        apply(scene).await;
        deeds::a_workload(scene).await;
        scene.world.until_running(1).await;
    }
    .boxed_local()
}

fn adopt(scene: &Scene) -> Done<'_> {
    async {
        let adopt = json!({"secretAdoptionPolicy": SecretAdoptionPolicy::Adopt});
        scene.world.create_certificate(&adopt).await;
    }
    .boxed_local()
}

fn adopted(scene: &Scene) -> Done<'_> {
    async {
        a_pod_with_the_charts(scene).await;
        adopt(scene).await;
        scene.world.until_ready().await;
    }
    .boxed_local()
}

fn adopted_and_renewed(scene: &Scene) -> Done<'_> {
    async {
        adopted(scene).await;
        let before = scene.world.serial().await.unwrap();
        scene.world.renew("once").await;
        scene.world.until_renewed(&before).await;
        scene.world.until_settled().await;
    }
    .boxed_local()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_an_adoption_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-adopted",
        setting: USUAL,
        prepared: a_pod_with_the_charts,
        operator: Operator::LooksOn,
        done: adopt,
        writes: vec![
            exactly(1, STORE),
            exactly(1, PUBLISHED),
            at_least(1, STATUS),
        ],
        end: End {
            // Only the one that was taken over.
            certificates: 1,
            changes: 0,
            restarted: Restarted::Only(0),
            pair: Pair::OnlyRoots,
            ready: READY,
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_renewal_of_an_adopted_one_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-adopted-renewal",
        setting: USUAL,
        prepared: adopted,
        operator: Operator::LooksOn,
        done: deeds::ask_for_a_renewal,
        writes: vec![
            exactly(2, STORE),
            // In the owner's name, and in its own.
            exactly(2, PUBLISHED),
            exactly(1, WORKLOAD),
            exactly(2, STATUS),
        ],
        end: End {
            certificates: 1,
            changes: 1,
            restarted: Restarted::All,
            pair: Pair::Another,
            ready: READY,
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_the_chart_wrote_its_own_again_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-adopted-upgrade",
        setting: USUAL,
        prepared: adopted_and_renewed,
        operator: Operator::StartsAfterwards,
        done: apply,
        writes: vec![exactly(2, STORE), exactly(1, PUBLISHED)],
        end: End {
            certificates: 0,
            changes: 0,
            restarted: Restarted::Only(0),
            pair: Pair::Kept,
            ready: READY,
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_an_adopted_secret_was_deleted_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-adopted-deleted",
        setting: USUAL,
        prepared: adopted_and_renewed,
        operator: Operator::LooksOn,
        done: deeds::lose_the_published_secret,
        // In the owner's name, and in its own.
        writes: vec![exactly(1, STORE), exactly(2, PUBLISHED)],
        end: End {
            certificates: 0,
            changes: 0,
            restarted: Restarted::Only(0),
            pair: Pair::Kept,
            ready: READY,
        },
    })
    .await;
}
