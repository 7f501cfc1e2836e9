//! One bad resource harms no other.

use api::CoturnCertificate;
use e2e::{SCHEMA, World, fixtures, wait};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps,
};
use kube::{
    Api, Client, CustomResourceExt as _,
    api::{ApiResource, DynamicObject, PostParams},
};
use serde_json::json;

/// A kind of workload that only a later version knows.
const LATER: &str = "LaterKind";

/// A resource that a later version admitted, seen after a downgrade.
#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_resource_harms_no_other() {
    let world = World::ready("undecodable", &fixtures::light(1)).await;
    let before = world.serial().await.unwrap();
    let untyped: Api<DynamicObject> = Api::namespaced_with(
        world.client.clone(),
        &world.namespace,
        &ApiResource::erase::<CoturnCertificate>(&()),
    );
    let later = fixtures::certificate(&json!({"secretName": "other"}));
    let mut later = serde_json::to_value(later).unwrap();
    later["metadata"]["name"] = json!("broken");
    later["spec"]["workloadRef"]["kind"] = json!(LATER);
    let later: DynamicObject = serde_json::from_value(later).unwrap();

    let alone = SCHEMA.write().await;
    change_kinds(&world.client, |kinds| kinds.push(JSON(json!(LATER)))).await;
    wait::until("the schema of a later version", async || {
        let created = untyped.create(&PostParams::default(), &later).await;
        created.ok().map(drop)
    })
    .await;
    change_kinds(&world.client, |kinds| {
        kinds.retain(|kind| kind.0 != json!(LATER));
    })
    .await;
    drop(alone);

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

/// Changes the kinds of workloads that the schema admits.
async fn change_kinds(client: &Client, change: impl Fn(&mut Vec<JSON>)) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = CoturnCertificate::crd().metadata.name.unwrap();
    wait::until("the schema changed", async || {
        let mut definition = api.get(&name).await.unwrap();
        let schema = definition.spec.versions[0].schema.as_mut().unwrap();
        let path = ["spec", "workloadRef", "kind"];
        let root = schema.open_api_v3_schema.as_mut().unwrap();
        let kind = path
            .iter()
            .fold(root, |schema, name| property(schema, name));
        change(kind.enum_.as_mut().unwrap());
        let replaced = api
            .replace(&name, &PostParams::default(), &definition)
            .await;
        replaced.ok().map(drop)
    })
    .await;
}

fn property<'a>(schema: &'a mut JSONSchemaProps, name: &str) -> &'a mut JSONSchemaProps {
    let properties = schema.properties.as_mut().unwrap();
    properties.get_mut(name).unwrap()
}
