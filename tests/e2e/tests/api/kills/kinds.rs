//! Workloads of other kinds than a StatefulSet, and certificates that no CA signs.

use api::{WorkloadKind, names};
use e2e::{fixtures, wait};
use futures::{FutureExt as _, future::LocalBoxFuture};
use k8s_openapi::api::{apps::v1::DaemonSet, core::v1::Node};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use serde_json::{Value, json};

use super::{
    deeds,
    scenario::{
        End, Operator, PUBLISHED, Pair, READY, Restarted, STATUS, STORE, Scenario, Setting, USUAL,
        WORKLOAD, at_least, exactly,
    },
    sweep,
};
use crate::scene::Scene;

type Done<'a> = LocalBoxFuture<'a, ()>;

const REPLACED: End = End {
    certificates: 1,
    changes: 1,
    restarted: Restarted::All,
    pair: Pair::Another,
    ready: READY,
};

fn of_kind(kind: WorkloadKind) -> Value {
    json!({"workloadRef": {"kind": kind, "name": fixtures::COTURN}})
}

async fn until_ready(scene: &Scene, pods: usize, certificate: &Value) {
    wait::until("the workload's pods", async || {
        (scene.world.pods().await.len() == pods).then_some(())
    })
    .await;
    scene.world.create_certificate(certificate).await;
    scene.world.until_ready().await;
}

fn a_deployment(scene: &Scene) -> Done<'_> {
    async {
        let workload = fixtures::light_deployment(2);
        scene.world.create_workload(&workload).await;
        until_ready(scene, 2, &of_kind(WorkloadKind::Deployment)).await;
    }
    .boxed_local()
}

/// On a node of its own, which nobody runs: a DaemonSet has a pod for it all the same.
fn a_daemon_set(scene: &Scene) -> Done<'_> {
    async {
        let world = &scene.world;
        let node = Node {
            metadata: ObjectMeta {
                name: Some(world.namespace.clone()),
                labels: Some(
                    [(names::MANAGED_BY_LABEL.to_owned(), world.namespace.clone())].into(),
                ),
                ..ObjectMeta::default()
            },
            ..Node::default()
        };
        let nodes: Api<Node> = Api::all(world.client.clone());
        nodes.create(&PostParams::default(), &node).await.unwrap();
        world.create_workload(&on_node(&world.namespace)).await;
        until_ready(scene, 1, &of_kind(WorkloadKind::DaemonSet)).await;
    }
    .boxed_local()
}

fn on_node(name: &str) -> DaemonSet {
    let mut workload = fixtures::light_daemon_set();
    let pod = workload.spec.as_mut().unwrap().template.spec.as_mut();
    let label = (names::MANAGED_BY_LABEL.to_owned(), name.to_owned());
    pod.unwrap().node_selector = Some([label].into());
    workload
}

fn create_self_signed(scene: &Scene) -> Done<'_> {
    async { scene.world.create_certificate(&self_signed()).await }.boxed_local()
}

fn a_self_signed_pod(scene: &Scene) -> Done<'_> {
    async {
        scene.world.create_workload(&fixtures::light(1)).await;
        until_ready(scene, 1, &self_signed()).await;
    }
    .boxed_local()
}

fn self_signed() -> Value {
    json!({"issuer": {"selfSigned": {}}, "dnsNames": []})
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_renewal_of_a_deployment_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-deployment",
        setting: Setting {
            workload: WorkloadKind::Deployment,
            ..USUAL
        },
        prepared: a_deployment,
        operator: Operator::LooksOn,
        done: deeds::ask_for_a_renewal,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, "deployments/coturn"),
            at_least(2, STATUS),
        ],
        end: REPLACED,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_renewal_of_a_daemon_set_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-daemon-set",
        setting: Setting {
            workload: WorkloadKind::DaemonSet,
            ..USUAL
        },
        prepared: a_daemon_set,
        operator: Operator::LooksOn,
        done: deeds::ask_for_a_renewal,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, "daemonsets/coturn"),
            at_least(2, STATUS),
        ],
        end: REPLACED,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_a_first_self_signed_one_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-self-signed",
        setting: USUAL,
        prepared: deeds::a_workload,
        operator: Operator::LooksOn,
        done: create_self_signed,
        writes: vec![exactly(2, STORE), exactly(1, PUBLISHED), exactly(2, STATUS)],
        end: End {
            changes: 0,
            restarted: Restarted::Only(0),
            ..REPLACED
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_in_the_renewal_of_a_self_signed_one_it_comes_to_the_same_end() {
    sweep(&Scenario {
        name: "kill-self-signed-renewal",
        setting: USUAL,
        prepared: a_self_signed_pod,
        operator: Operator::LooksOn,
        done: deeds::ask_for_a_renewal,
        writes: vec![
            exactly(2, STORE),
            exactly(1, PUBLISHED),
            exactly(1, WORKLOAD),
            exactly(2, STATUS),
        ],
        end: REPLACED,
    })
    .await;
}
