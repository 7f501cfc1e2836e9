//! Those who may refuse what the operator writes: a policy, and a webhook that nobody answers.

use std::time::Instant;

use api::names;
use e2e::{World, fixtures, gate::What, wait};
use k8s_openapi::api::{
    admissionregistration::v1::{
        ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
    },
    core::v1::Secret,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::Scene;

/// Creates an object of the cluster's.
pub(super) async fn create<K>(world: &World, object: Value)
where
    K: kube::Resource<Scope = kube::core::ClusterResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let object: K = serde_json::from_value(object).unwrap();
    let api: Api<K> = Api::all(world.client.clone());
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Deletes the object of the cluster's that a test made for its namespace.
pub(super) async fn delete<K>(world: &World)
where
    K: kube::Resource<Scope = kube::core::ClusterResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::all(world.client.clone());
    let params = DeleteParams::default();
    api.delete(&world.namespace, &params).await.unwrap();
}

/// Writes of the published Secret of this namespace, as both kinds of configuration name them.
fn rules() -> Value {
    json!([{
        "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"],
        "operations": ["CREATE", "UPDATE"], "scope": "Namespaced",
    }])
}

fn of_namespace(world: &World) -> Value {
    json!({"matchLabels": {"kubernetes.io/metadata.name": world.namespace}})
}

fn of_the_published_secret() -> Value {
    let expression = format!("request.name == '{}'", fixtures::PUBLISHED);
    json!([{"name": "published", "expression": expression}])
}

async fn deny_by_policy(world: &World) {
    let policy = json!({
        "metadata": {"name": world.namespace},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": of_namespace(world), "resourceRules": rules()},
            "matchConditions": of_the_published_secret(),
            "validations": [{"expression": "false", "message": "not before Monday"}],
        },
    });
    create::<ValidatingAdmissionPolicy>(world, policy).await;
    let binding = json!({
        "metadata": {"name": world.namespace},
        "spec": {"policyName": world.namespace, "validationActions": ["Deny"]},
    });
    create::<ValidatingAdmissionPolicyBinding>(world, binding).await;
    until_refused(world).await;
}

async fn ask_a_dead_webhook(world: &World) {
    let configuration = json!({
        "metadata": {"name": world.namespace},
        "webhooks": [{
            "name": "dead.example.com",
            // Nobody listens on the port that is there to discard what it is sent.
            "clientConfig": {"url": "https://127.0.0.1:9/"},
            "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
            "admissionReviewVersions": ["v1"],
            "namespaceSelector": of_namespace(world),
            "matchConditions": of_the_published_secret(),
            "rules": rules(),
        }],
    });
    create::<ValidatingWebhookConfiguration>(world, configuration).await;
    until_refused(world).await;
}

/// Waits until the published Secret cannot be written.
async fn until_refused(world: &World) {
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"metadata": {"labels": {"tried": "once"}}}));
    wait::until("a write that is refused", async || {
        let secrets = world.api::<Secret>();
        let written = secrets.patch(fixtures::PUBLISHED, &dry, &patch).await;
        written.err().map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_denies_the_write_is_named_and_the_published_pair_stays() {
    let scene = Scene::ready("policy").await;
    let world = &scene.world;
    let (before, serial) = (world.published().await, world.serial().await.unwrap());
    let history = world.history().await;
    deny_by_policy(world).await;
    let since = Instant::now();

    world.renew("while it is denied").await;

    let published = world.until_condition("Published", "False", "Refused").await;
    for part in [
        "not before Monday",
        "have that policy admit",
        fixtures::PUBLISHED,
    ] {
        assert!(published.message.contains(part), "{}", published.message);
    }
    scene.assert_neighbour_is_renewed().await;
    let publishing = What::replacing(fixtures::PUBLISHED);
    scene.assert_ever_rarer(since, &publishing).await;
    assert_eq!(world.published().await, before);
    assert_eq!(world.issued().await.len(), 2, "one certificate per request");

    delete::<ValidatingAdmissionPolicyBinding>(world).await;
    delete::<ValidatingAdmissionPolicy>(world).await;
    world.until_renewed(&serial).await;
    assert_eq!(world.issued().await.len(), 2);
    scene.assert_rollouts(2).await;
    history.assert_only_matching_pairs();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_nobody_answers_is_named_and_the_deleted_secret_comes_back_after_it() {
    let scene = Scene::ready("webhook").await;
    let world = &scene.world;
    let before = world.published().await;
    ask_a_dead_webhook(world).await;
    let since = Instant::now();

    world.delete_secret(fixtures::PUBLISHED).await;

    let published = world.until_condition("Published", "False", "Refused").await;
    for part in ["dead.example.com", "webhook's server", fixtures::PUBLISHED] {
        assert!(published.message.contains(part), "{}", published.message);
    }
    scene.assert_neighbour_is_renewed().await;
    let creating = What::creating_a_secret();
    scene.assert_ever_rarer(since, &creating).await;

    delete::<ValidatingWebhookConfiguration>(world).await;
    world.until_ready().await;
    assert_eq!(world.published().await, before);
    assert_eq!(world.issued().await.len(), 1);
    scene.assert_rollouts(1).await;
    let owner = scene.published_secret().await.metadata.annotations.unwrap();
    assert_eq!(owner[names::CERTIFICATE_NAME], fixtures::COTURN);
}
