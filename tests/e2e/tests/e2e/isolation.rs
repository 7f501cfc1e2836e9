//! One bad resource harms no other.

use api::CoturnCertificate;
use e2e::{World, fixtures, wait};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_resource_harms_no_other() {
    let world = World::ready("undecodable", &fixtures::light(1)).await;
    let before = world.serial().await.unwrap();
    let broken = CoturnCertificate::new(
        "broken",
        fixtures::certificate(&json!({"secretName": "other"})).spec,
    );
    let untyped: Api<DynamicObject> = Api::namespaced_with(
        world.client.clone(),
        &world.namespace,
        &ApiResource::erase::<CoturnCertificate>(&()),
    );
    world
        .api::<CoturnCertificate>()
        .create(&PostParams::default(), &broken)
        .await
        .unwrap();

    // The schema admits any date-time; this one lies beyond what the operator can represent.
    let beyond = "9999-12-31T23:59:59Z";
    let status = json!({"status": {"certificate": {
        "serialNumber": "1", "fingerprint": "x", "issuer": "x", "keyAlgorithm": "x",
        "notBefore": beyond, "notAfter": beyond, "renewalTime": beyond,
    }}});
    untyped
        .patch_status("broken", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    wait::until("the broken resource says that it is", async || {
        let object = untyped.get("broken").await.ok()?;
        let conditions = object.data["status"]["conditions"].as_array()?.clone();
        conditions
            .iter()
            .any(|condition| condition["type"] == "Ready" && condition["reason"] == "Undecodable")
            .then_some(())
    })
    .await;

    world.renew("in spite of it").await;
    world.until_renewed(&before).await;
}
