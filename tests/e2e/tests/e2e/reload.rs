//! A certificate that coturn takes up without a restart, beside the ways that restart it; each prints what
//! it took.

use std::{io::Write as _, time::Duration};

use e2e::{World, fixtures, held::Session};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt as _;
use serde_json::json;

/// The uid of each pod, and the state of its containers but for the agent's.
fn lives(pods: &[Pod]) -> Vec<(Option<String>, Option<Vec<ContainerStatus>>)> {
    let life = |pod: &Pod| {
        let statuses = pod
            .status
            .as_ref()
            .and_then(|it| it.container_statuses.clone());
        (pod.uid(), statuses)
    };
    pods.iter().map(life).collect()
}

/// Two coturn servers that serve the published certificate, by this strategy.
async fn verified(name: &str, strategy: &str, values: &[&str]) -> World {
    let world = World::with_ca(name).await;
    world.install_operator_with(values);
    let workload = fixtures::with_agent(fixtures::coturn(2));
    world.create_workload(&workload).await;
    let resource = json!({
        "rollout": {"strategy": strategy},
        "verification": fixtures::dialled(),
    });
    world.create_certificate(&resource).await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    world.until_settled().await;
    world
}

/// A kubelet that nobody hurries takes longer than this: 60-81 s, as measured.
const HURRIED: Duration = Duration::from_secs(30);

/// Renews, and waits until every pod was seen to serve that; says what it took.
async fn renewed(world: &World, what: &str) -> Duration {
    let serial = world.serial().await.unwrap();
    world.renew("reload").await;
    world.until_renewed(&serial).await;
    world.until_condition("Verified", "True", "Verified").await;
    world.assert_served().await;
    let rollout = world.certificate().await.status.unwrap().rollout.unwrap();
    let (from, to) = (rollout.started_at.unwrap(), rollout.completed_at.unwrap());
    let took = to.0.duration_since(from.0).unsigned_abs();
    // Not by the macro, whose output is shown for tests that fail alone.
    let _ = writeln!(
        std::io::stderr(),
        "{what}: {} s from the publication until 2 of 2 pods were seen to serve it",
        took.as_secs()
    );
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn coturn_serves_the_next_certificate_in_the_same_process_and_calls_go_on() {
    let world = verified("reloaded", "Reload", &["touchPods=true"]).await;
    let pods = world.pods().await;
    let address = pods[0].status.as_ref().unwrap().pod_ip.clone().unwrap();
    let mut call =
        tokio::task::spawn_blocking(move || Session::open(&address, fixtures::DTLS_PORT))
            .await
            .unwrap();
    let (before, mark) = (lives(&pods), world.mark());
    let generation = world.workload().await.metadata.generation;

    let took = renewed(&world, "reload, the pods touched").await;

    assert!(took < HURRIED, "{took:?}");
    assert_eq!(lives(&world.pods().await), before);
    assert_eq!(world.workload().await.metadata.generation, generation);
    assert!(world.evictions(&mark).is_empty());
    tokio::task::spawn_blocking(move || call.assert_goes_on())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_touch_the_kubelet_takes_its_time_and_nothing_is_restarted() {
    let world = verified("untouched", "Reload", &[]).await;
    let before = lives(&world.pods().await);
    renewed(&world, "reload, no touch").await;
    assert_eq!(lives(&world.pods().await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_the_same_pods_for_comparison() {
    let world = verified("rolled", "RollingRestart", &[]).await;
    let before = world.pod_uids().await;
    renewed(&world, "rolling restart").await;
    let after = world.pod_uids().await;
    assert!(before.iter().all(|uid| !after.contains(uid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_reloads_pods_are_evicted_once_they_were_seen_not_to_have() {
    let world = World::with_ca("no-reloader").await;
    world.install_operator_with(&["touchPods=true"]);
    world.create_workload(&fixtures::coturn(1)).await;
    let resource = json!({
        "rollout": {"strategy": "Reload"},
        "verification": fixtures::dialled(),
    });
    world.create_certificate(&resource).await;
    world.until_ready().await;
    world.until_condition("Verified", "True", "Verified").await;
    let (serial, mark) = (world.serial().await.unwrap(), world.mark());
    world.renew("nobody reloads").await;
    world.until_renewed(&serial).await;
    world.until_condition("Verified", "True", "Verified").await;
    world.assert_served().await;
    assert_eq!(world.evictions(&mark), ["coturn-0"]);
}
