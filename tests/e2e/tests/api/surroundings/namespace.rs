//! A namespace that is being deleted, and held by somebody's finalizer.

use std::time::{Duration, Instant};

use api::CoturnCertificate;
use e2e::{
    World, fixtures,
    gate::{Gate, Passed, What},
    wait,
};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::{Namespace, Secret},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use super::{
    NEIGHBOUR, Scene,
    admission::{create, delete},
};

const HOLDING: &str = "example.com/hold";
/// Two certificates, each of which tries once for each Secret that it loses and then ever more rarely,
/// in less than half a minute.
const CREATIONS: usize = 2 * 8;

/// Somebody else has to finish something before the CA Secret, and with it the namespace, can end.
/// Until then there is a CA that could sign.
async fn hold_the_ca(world: &World) {
    let holding = json!({"metadata": {"finalizers": [HOLDING]}});
    world.patch::<Secret>(fixtures::CA, holding).await;
}

/// Resources that nobody may delete outlive their Secrets in a namespace that ends.
async fn forbid_deletion_of_resources(world: &World) {
    let policy = json!({
        "metadata": {"name": world.namespace},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
                "resourceRules": [{
                    "apiGroups": ["coturncert.dev"], "apiVersions": ["*"], "operations": ["DELETE"],
                    "resources": ["coturncertificates"], "scope": "Namespaced",
                }],
            },
            "validations": [{"expression": "false", "message": "it is in use"}],
        },
    });
    create::<ValidatingAdmissionPolicy>(world, policy).await;
    let binding = json!({
        "metadata": {"name": world.namespace},
        "spec": {"policyName": world.namespace, "validationActions": ["Deny"]},
    });
    create::<ValidatingAdmissionPolicyBinding>(world, binding).await;
    let dry = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    wait::until("a deletion that is refused", async || {
        let resources = world.api::<CoturnCertificate>();
        resources.delete(NEIGHBOUR, &dry).await.err().map(drop)
    })
    .await;
}

async fn delete_the_namespace(world: &World) -> Api<Namespace> {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let params = DeleteParams::default();
    namespaces.delete(&world.namespace, &params).await.unwrap();
    namespaces
}

async fn assert_no_finalizer_of_ours(world: &World) {
    let resources = world.api::<CoturnCertificate>();
    for resource in resources.list(&ListParams::default()).await.unwrap() {
        assert!(resource.finalizers().is_empty());
    }
    let secrets = world.api::<Secret>().list(&ListParams::default()).await;
    for secret in secrets.unwrap() {
        let finalizers = secret.finalizers().iter();
        assert!(
            finalizers.clone().all(|one| one == HOLDING),
            "{finalizers:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_namespace_that_ends_nothing_is_created_time_and_again_and_nothing_holds_its_end() {
    let mut scene = Scene::ready("terminating").await;
    let (operator, gate, world) = (&mut scene.operator, &scene.gate, &scene.world);
    forbid_deletion_of_resources(world).await;
    hold_the_ca(world).await;
    let since = Instant::now();

    let namespaces = delete_the_namespace(world).await;

    wait::until("Secrets that are gone", async || {
        let gone = world.secret(fixtures::PUBLISHED).await.is_none();
        (gone && world.secret(fixtures::STORE).await.is_none()).then_some(())
    })
    .await;
    // Without its Lease, which ended with the namespace, the operator stops after a while. On a busy
    // machine that may be before it tells of what was refused.
    let told = wait::until("a condition that tells of the end", async || {
        let issued = world.condition("Issued").await?;
        let tells = issued.message.contains("being terminated");
        let ended = !operator.runs() && is_refused(&creations(gate, since));
        (tells || ended).then_some(tells.then_some(issued.message))
    })
    .await;
    assert!(told.is_none_or(|told| told.contains("ends with it")));
    let window = Duration::from_secs(10);
    wait::throughout("no create loop", window, async || {
        creations(gate, since).len() <= CREATIONS
    })
    .await;
    assert!(creations(gate, since).len() >= 2, "nothing was tried");
    assert_no_finalizer_of_ours(world).await;

    delete::<ValidatingAdmissionPolicyBinding>(world).await;
    delete::<ValidatingAdmissionPolicy>(world).await;
    let release = json!({"metadata": {"finalizers": null}});
    world.patch::<Secret>(fixtures::CA, release).await;
    wait::until("the namespace's end", async || {
        let there = namespaces.get_opt(&world.namespace).await.unwrap();
        there.is_none().then_some(())
    })
    .await;
}

/// The Secrets that were to be created.
fn creations(gate: &Gate, since: Instant) -> Vec<Passed> {
    let mut creations = gate.attempts(&What::creating_a_secret());
    creations.retain(|one| one.at >= since);
    creations
}

/// Whether the last of them was, for good.
fn is_refused(creations: &[Passed]) -> bool {
    creations.last().and_then(|last| last.code) == Some(403)
}
