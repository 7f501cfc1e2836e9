//! Permissions that are taken away while the operator runs, and given back.

use e2e::{Environment, World, fixtures, wait};
use jiff::{SignedDuration, Timestamp, Unit};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Pod, Secret},
    rbac::v1::{PolicyRule, Role},
};
use kube::{
    ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{NEIGHBOUR, Scene};
use crate::permissions::{apply_chart, is_allowed};

const NEIGHBOURS_STORE: &str = "neighbour-coturn-cert-store";
/// What starts so long after a publication has read it, whatever the clocks' seconds say.
const CLEARLY: SignedDuration = SignedDuration::from_secs(4);
const ROLE: &str = "coturn-cert-operator";
/// The Secrets that the operator knows of. It is not told of a changed Role.
const SECRETS: [&str; 5] = [
    fixtures::CA,
    fixtures::STORE,
    NEIGHBOUR,
    NEIGHBOURS_STORE,
    fixtures::PUBLISHED,
];

/// Applies the chart with these Secrets in its Role, and waits until that is in force.
async fn allow(world: &World, secrets: &[&str]) {
    apply_chart(world, &format!("secretNames={{{}}}", secrets.join(",")));
    for secret in SECRETS {
        let what = format!("secrets {secret}");
        wait::until("permissions as in the chart", async || {
            (is_allowed(world, "get", &what).await == secrets.contains(&secret)).then_some(())
        })
        .await;
    }
}

/// An operator with the rights that the chart gives it, and a certificate that is ready.
async fn ready(name: &str) -> Scene {
    let world = World::with_ca(name).await;
    allow(&world, &SECRETS).await;
    let user = format!("system:serviceaccount:{}:{ROLE}", world.namespace);
    let client = Environment::get().client_as(&user).await;
    let scene = Scene::of(world, client, &SECRETS).await;
    scene.world.create_certificate(&json!({})).await;
    scene.world.until_ready().await;
    scene
}

/// Takes a verb out of the rules of the Role that are for this resource and allow more than to
/// create, and waits until that is in force.
async fn forbid(world: &World, verb: &str, resource: &str, what: &str) {
    let roles = world.api::<Role>();
    let mut role = roles.get(ROLE).await.unwrap();
    let is_of = |rule: &&mut PolicyRule| {
        let resources = rule.resources.as_deref().unwrap_or_default();
        resources.iter().any(|one| one == resource)
    };
    for rule in role.rules.iter_mut().flatten().filter(is_of) {
        rule.verbs.retain(|one| one != verb);
    }
    roles
        .replace(ROLE, &PostParams::default(), &role)
        .await
        .unwrap();
    wait::until("a verb that is not allowed", async || {
        (!is_allowed(world, verb, what).await).then_some(())
    })
    .await;
}

async fn overwrite(world: &World) {
    let garbage = json!({"data": {"tls.key": fixtures::text("garbage")}});
    world.patch::<Secret>(fixtures::PUBLISHED, garbage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_leaves_the_chart_is_named_with_its_value_and_all_heals_without_a_restart() {
    let mut scene = ready("revoked").await;
    let world = &scene.world;
    let before = world.published().await;
    allow(world, &SECRETS[..4]).await;

    overwrite(world).await;

    let published = world
        .until_condition("Published", "Unknown", "Forbidden")
        .await;
    let value = "add coturn-dtls-certificate to the chart's value secretNames";
    assert!(published.message.contains(value), "{}", published.message);
    scene.assert_neighbour_is_renewed().await;

    allow(world, &SECRETS).await;
    wait::until("the Secret restored", async || {
        (world.published().await == before).then_some(())
    })
    .await;
    world.until_ready().await;
    assert_eq!(world.issued().await.len(), 1);
    assert!(scene.operator.runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_may_not_be_written_any_more_is_named_with_its_value() {
    let mut scene = ready("read-only").await;
    let world = &scene.world;
    let serial = world.serial().await.unwrap();
    let published = format!("secrets {}", fixtures::PUBLISHED);
    forbid(world, "update", "secrets", &published).await;

    world.renew("in vain").await;

    let issued = world.until_condition("Issued", "False", "Forbidden").await;
    let value = format!("add {} to the chart's value secretNames", fixtures::STORE);
    assert!(issued.message.contains(&value), "{}", issued.message);
    assert_eq!(world.condition("Ready").await.unwrap().status, "True");

    allow(world, &SECRETS).await;
    world.until_renewed(&serial).await;
    assert_eq!(world.issued().await.len(), 2);
    assert!(scene.operator.runs());
}

/// Tells of the workload's only pod what a kubelet would: it runs, from this moment on.
async fn run_the_pod(world: &World) {
    let pod = wait::until("a pod", async || world.pods().await.pop()).await;
    let now = Timestamp::now().round(Unit::Second).unwrap().to_string();
    let container = &pod.spec.as_ref().unwrap().containers[0].name;
    let status = json!({"status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        "containerStatuses": [{
            "name": container, "image": "any", "imageID": "any", "restartCount": 0, "ready": true,
            "state": {"running": {"startedAt": now}},
        }],
    }});
    let pods = world.api::<Pod>();
    let params = PatchParams::default();
    let patch = Patch::Merge(status);
    pods.patch_status(&pod.name_any(), &params, &patch)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_may_not_be_changed_any_more_is_named_with_its_role() {
    let mut scene = ready("no-rollout").await;
    let world = &scene.world;
    scene.assert_rollouts(1).await;
    let one = json!({"spec": {"replicas": 1}});
    world.patch::<StatefulSet>(fixtures::COTURN, one).await;
    wait::until("a certificate that was published a while ago", async || {
        let since = world.certificate().await.status?.rollout?.started_at?.0;
        (Timestamp::now().duration_since(since) > CLEARLY).then_some(())
    })
    .await;
    run_the_pod(world).await;
    world.until_settled().await;
    world.until_ready().await;
    forbid(world, "patch", "statefulsets", "statefulsets.apps coturn").await;

    world.renew("without a rollout").await;

    let rolled_out = world
        .until_condition("RolledOut", "False", "Forbidden")
        .await;
    for part in ["StatefulSet", "the chart's Role"] {
        assert!(rolled_out.message.contains(part), "{}", rolled_out.message);
    }
    scene.assert_neighbour_is_renewed().await;

    allow(world, &SECRETS).await;
    // One change was the test's own.
    scene.assert_rollouts(3).await;
    assert_eq!(world.issued().await.len(), 2);
    assert!(scene.operator.runs());
}
