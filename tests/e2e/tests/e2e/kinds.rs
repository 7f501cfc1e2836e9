//! Deployments and DaemonSets: brought onto a certificate as StatefulSets are, each by its own rules.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use api::{CoturnCertificate, WorkloadKind, names};
use e2e::{SCHEMA, World, fixtures, wait};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
    core::v1::{ContainerPort, Pod},
    rbac::v1::Role,
};
use kube::{
    Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// What comes, comes within this time.
const CALM: Duration = Duration::from_secs(8);
/// A port of the node that no other test takes.
const HOST_PORT: i32 = 45_349;

/// A workload that a test looks at.
trait Workload:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
{
    const KIND: WorkloadKind;
}

impl Workload for Deployment {
    const KIND: WorkloadKind = WorkloadKind::Deployment;
}

impl Workload for DaemonSet {
    const KIND: WorkloadKind = WorkloadKind::DaemonSet;
}

fn of_kind(kind: WorkloadKind) -> Value {
    json!({"workloadRef": {"kind": kind, "name": fixtures::COTURN}})
}

async fn generation<K: Workload>(world: &World) -> Option<i64> {
    let workload: K = world.api().get(fixtures::COTURN).await.unwrap();
    workload.meta().generation
}

/// How many templates the workload of this kind ever had.
async fn revisions(world: &World, kind: WorkloadKind) -> usize {
    let params = ListParams::default().labels("app=coturn");
    match kind {
        WorkloadKind::Deployment => {
            let sets = world.api::<ReplicaSet>().list(&params).await.unwrap();
            sets.items.len()
        }
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
            let revisions = world.api::<ControllerRevision>().list(&params).await;
            revisions.unwrap().items.len()
        }
    }
}

/// Pods whose containers have all ended may be there for a moment longer.
async fn until_pods(world: &World, count: usize) -> Vec<String> {
    wait::until("as many pods as there shall be", async || {
        let uids = world.pod_uids().await;
        (uids.len() == count).then_some(uids)
    })
    .await
}

/// The operator, a workload, and its certificate on every pod.
async fn ready<K: Workload>(name: &str, workload: &K) -> World {
    let world = World::with_ca(name).await;
    world.install_operator();
    world.create_workload(workload).await;
    world.create_certificate(&of_kind(K::KIND)).await;
    world.until_ready().await;
    world
}

/// A workload on which nothing happens is neither written nor read.
async fn costs_nothing(world: &World) {
    let _unchanged = SCHEMA.read().await;
    world.until_calm().await;
    let mark = world.mark();
    wait::throughout("no request", CALM, async || {
        let requests = mark.requests(&world.namespace, names::FIELD_MANAGER);
        requests.iter().all(|request| request.verb == "watch")
    })
    .await;
}

/// The first certificate restarts nothing; the next one replaces each pod once; then nothing more is
/// asked of the API server.
async fn is_rolled_out_once<K: Workload>(world: &World, workload: &K, pods: usize) {
    world.install_operator();
    world.create_workload(workload).await;
    let waiting = until_pods(world, pods).await;
    world.create_certificate(&of_kind(K::KIND)).await;
    world.until_ready().await;
    let first = world.assert_served().await;
    assert_eq!(world.pod_uids().await, waiting);
    assert_eq!(generation::<K>(world).await, Some(1));

    let before = world.serial().await.unwrap();
    world.renew("please").await;
    world.until_renewed(&before).await;
    let successors = until_pods(world, pods).await;
    assert_ne!(world.assert_served().await, first);
    assert!(waiting.iter().all(|uid| !successors.contains(uid)));

    costs_nothing(world).await;
    assert_eq!(world.pod_uids().await, successors);
    assert_eq!(generation::<K>(world).await, Some(2));
    assert_eq!(revisions(world, K::KIND).await, 2);
    world.assert_no_key_leaked("").await;
}

/// A StatefulSet of the same name that mounts the same Secret, and that no certificate names.
fn namesake() -> StatefulSet {
    let mut namesake = fixtures::light(1);
    let labels = BTreeMap::from([("app".to_owned(), "namesake".to_owned())]);
    let spec = namesake.spec.as_mut().unwrap();
    spec.selector.match_labels = Some(labels.clone());
    spec.template.metadata.as_mut().unwrap().labels = Some(labels);
    namesake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_one_rollout_of_a_deployment_and_none_of_its_namesake() {
    let world = World::with_ca("deployment").await;
    world.create_workload(&namesake()).await;

    is_rolled_out_once(&world, &fixtures::deployment(2), 2).await;

    let namesake: StatefulSet = world.api().get(fixtures::COTURN).await.unwrap();
    assert_eq!(namesake.metadata.generation, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_one_rollout_of_a_deployment_whose_pod_ends_before_its_successor_starts() {
    let mut workload = fixtures::deployment(1);
    let strategy = json!({"type": "Recreate"});
    let strategy = serde_json::from_value(strategy).unwrap();
    workload.spec.as_mut().unwrap().strategy = Some(strategy);
    let world = World::with_ca("recreate").await;
    is_rolled_out_once(&world, &workload, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_one_rollout_of_a_daemon_set() {
    let world = World::with_ca("daemonset").await;
    is_rolled_out_once(&world, &fixtures::daemon_set(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_deployment_is_told_of_and_rolled_out_once_it_goes_on() {
    let world = ready("paused", &fixtures::light_deployment(2)).await;
    let paused = |paused: bool| json!({"spec": {"paused": paused}});
    let patch = paused(true);
    world.patch::<Deployment>(fixtures::COTURN, patch).await;
    let (before, pods) = (world.serial().await.unwrap(), world.pod_uids().await);

    world.renew("while it is paused").await;
    let told = world
        .until_condition("RolledOut", "False", "RolloutPaused")
        .await;
    assert!(told.message.contains("kubectl rollout resume"), "{told:?}");
    world
        .until_condition("Stalled", "True", "RolloutPaused")
        .await;
    wait::throughout("nothing is restarted", CALM, async || {
        world.pod_uids().await == pods && generation::<Deployment>(&world).await == Some(2)
    })
    .await;

    let patch = paused(false);
    world.patch::<Deployment>(fixtures::COTURN, patch).await;
    world.until_renewed(&before).await;
    let successors = until_pods(&world, 2).await;
    assert!(pods.iter().all(|uid| !successors.contains(uid)));
    assert_eq!(revisions(&world, WorkloadKind::Deployment).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_pods_gets_them_with_the_certificate_in_service() {
    let world = ready("no-pods", &fixtures::light_deployment(0)).await;
    let fingerprint = world.published_leaf().await.unwrap().fingerprint;
    let key = names::fingerprint_annotation(fixtures::PUBLISHED);
    wait::until("the template carries the fingerprint", async || {
        let workload: Deployment = world.api().get(fixtures::COTURN).await.unwrap();
        let annotations = workload.spec?.template.metadata?.annotations?;
        (annotations.get(&key)? == &fingerprint.to_string()).then_some(())
    })
    .await;

    let patch = json!({"spec": {"replicas": 1}});
    world.patch::<Deployment>(fixtures::COTURN, patch).await;
    world.until_running(1).await;
    let pods = world.pod_uids().await;
    world.until_ready().await;
    world.until_calm().await;
    assert_eq!(world.pod_uids().await, pods);
    // Created, stamped, scaled.
    assert_eq!(generation::<Deployment>(&world).await, Some(3));
}

/// Waits until no pod that starts can be taken for one that started before the certificate in service
/// was published, whatever the clocks' seconds say.
async fn until_published_for_a_while(world: &World) {
    let tolerance = SignedDuration::from_secs(4);
    wait::until("a certificate published a while ago", async || {
        let published = world.certificate().await.status?.rollout?.started_at?;
        (Timestamp::now().duration_since(published.0) > tolerance).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_set_with_on_delete_is_told_of_and_left_alone() {
    let mut workload = fixtures::light_daemon_set();
    let spec = workload.spec.as_mut().unwrap();
    spec.update_strategy.get_or_insert_default().type_ = Some("OnDelete".to_owned());
    let world = ready("on-delete", &workload).await;
    let (before, pods) = (world.serial().await.unwrap(), world.pods().await);

    world.renew("although nothing is replaced").await;
    world
        .until_condition("RolledOut", "False", "UpdateStrategyOnDelete")
        .await;
    until_published_for_a_while(&world).await;
    for pod in &pods {
        let (name, params) = (pod.name_any(), DeleteParams::default());
        world.api::<Pod>().delete(&name, &params).await.unwrap();
    }
    world.until_renewed(&before).await;
    world.until_calm().await;

    assert_eq!(generation::<DaemonSet>(&world).await, Some(1));
    let gone: Vec<_> = pods.iter().map(|pod| pod.uid().unwrap()).collect();
    assert!(!world.pod_uids().await.contains(&gone[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_whose_pods_cannot_be_side_by_side_says_what_to_set() {
    let mut workload = fixtures::light_deployment(1);
    let template = &mut workload.spec.as_mut().unwrap().template;
    template.spec.as_mut().unwrap().containers[0].ports = Some(vec![ContainerPort {
        container_port: HOST_PORT,
        host_port: Some(HOST_PORT),
        ..ContainerPort::default()
    }]);
    let world = ready("host-port", &workload).await;
    let before = world.serial().await.unwrap();

    world.renew("although the port is taken").await;
    wait::until("what to set", async || {
        let told = world.condition("RolledOut").await?;
        (told.reason == "RollingOut" && told.message.contains("maxSurge 0")).then_some(())
    })
    .await;
    let rolling = json!({"maxSurge": 0, "maxUnavailable": 1});
    let patch = json!({"spec": {"strategy": {"rollingUpdate": rolling}}});
    world.patch::<Deployment>(fixtures::COTURN, patch).await;

    world.until_renewed(&before).await;
    assert_eq!(revisions(&world, WorkloadKind::Deployment).await, 2);
}

/// Takes everything about these objects out of the operator's Role.
async fn forbid(world: &World, resource: &str) {
    let api = world.api::<Role>();
    let mut role = api.get(names::FIELD_MANAGER).await.unwrap();
    let rules = role.rules.as_mut().unwrap();
    rules.retain(|rule| !rule.resources.iter().flatten().any(|it| it == resource));
    let params = PostParams::default();
    let name = names::FIELD_MANAGER;
    api.replace(name, &params, &role).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_not_allowed_is_told_of_and_holds_back_no_other() {
    let world = World::with_ca("kinds").await;
    world.install_operator_with(&["workloadKinds={StatefulSet,DaemonSet}"]);
    forbid(&world, "daemonsets").await;
    world.restart_operator().await;
    world.create_workload(&fixtures::light(1)).await;

    let forbidden = async || {
        world
            .until_condition("RolledOut", "Unknown", "Forbidden")
            .await
            .message
    };
    world
        .create_certificate(&of_kind(WorkloadKind::Deployment))
        .await;
    let told = forbidden().await;
    assert!(told.contains("workloadKinds"), "{told}");
    for (kind, part) in [
        (WorkloadKind::DaemonSet, "to get DaemonSets"),
        (WorkloadKind::Deployment, "workloadKinds"),
    ] {
        let patch = json!({"spec": of_kind(kind)});
        world
            .patch::<CoturnCertificate>(fixtures::COTURN, patch)
            .await;
        wait::until("what to allow", async || {
            let told = forbidden().await;
            told.contains(part).then_some(())
        })
        .await;
    }

    let patch = json!({"spec": of_kind(WorkloadKind::StatefulSet)});
    world
        .patch::<CoturnCertificate>(fixtures::COTURN, patch)
        .await;
    world.until_ready().await;
}
