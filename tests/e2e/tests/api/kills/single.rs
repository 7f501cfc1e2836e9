//! Pods that are restarted alone, where the operator may delete pods.

use e2e::{fixtures, wait};
use futures::{FutureExt as _, future::LocalBoxFuture};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use super::{
    deeds,
    scenario::{
        End, Operator, PUBLISHED, Pair, READY, Restarted, STATUS, STORE, Scenario, Setting, USUAL,
        at_least, exactly,
    },
    sweep,
};
use crate::scene::Scene;

type Done<'a> = LocalBoxFuture<'a, ()>;

/// Longer than the rounding of times, and what clocks may be apart.
const CLEARLY: SignedDuration = SignedDuration::from_secs(3);
const MAY_DELETE_PODS: Setting = Setting {
    arguments: &["--restart-pods"],
    ..USUAL
};

fn a_name_for_each_pod() -> Value {
    json!({"ordinalDNSNames": {"template": "coturn-{ordinal}.example.com"}})
}

fn two_pods_with_names(scene: &Scene) -> Done<'_> {
    async {
        deeds::create(scene, &fixtures::light(2)).await;
        scene.world.create_certificate(&a_name_for_each_pod()).await;
        scene.world.until_ready().await;
    }
    .boxed_local()
}

/// A pod more, which clearly started before there is a certificate with its name.
fn scale(scene: &Scene) -> Done<'_> {
    async {
        let patch = json!({"spec": {"replicas": 3}});
        let world = &scene.world;
        world.patch::<StatefulSet>(fixtures::COTURN, patch).await;
        world.until_running(3).await;
        world.until_settled().await;
    }
    .boxed_local()
}

/// Two pods whose template carries the certificate in service.
fn two_stamped_pods(scene: &Scene) -> Done<'_> {
    async {
        deeds::two_pods(scene).await;
        let before = scene.world.serial().await.unwrap();
        scene.world.renew("once").await;
        scene.world.until_renewed(&before).await;
        scene.world.until_settled().await;
    }
    .boxed_local()
}

/// A pod starts with somebody else's pair, clearly after that was put there.
fn mislead_a_pod(scene: &Scene) -> Done<'_> {
    async {
        deeds::put_a_foreign_pair_there(scene).await;
        let overwritten = Timestamp::now();
        wait::until("another second", async || {
            (Timestamp::now().duration_since(overwritten) > CLEARLY).then_some(())
        })
        .await;
        let before = scene.world.pod_uid("coturn-1").await.unwrap();
        scene.world.delete_pod("coturn-1").await;
        scene.world.until_replaced("coturn-1", &before).await;
        scene.world.until_settled().await;
    }
    .boxed_local()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_growth_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-growth",
        setting: MAY_DELETE_PODS,
        prepared: two_pods_with_names,
        operator: Operator::StartsAfterwards,
        done: scale,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, "pods/coturn-2"),
            at_least(2, STATUS),
        ],
        end: End {
            certificates: 1,
            // That of who scaled it.
            changes: 1,
            restarted: Restarted::Only(0),
            pair: Pair::Another,
            ready: READY,
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_restart_of_a_single_pod_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-single",
        setting: MAY_DELETE_PODS,
        prepared: two_stamped_pods,
        operator: Operator::StartsAfterwards,
        done: mislead_a_pod,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, "pods/coturn-1"),
            at_least(1, STATUS),
        ],
        end: End {
            certificates: 0,
            changes: 0,
            restarted: Restarted::Only(1),
            pair: Pair::Kept,
            ready: READY,
        },
    })
    .await;
}
