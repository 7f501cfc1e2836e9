//! Resources that cannot be acted on, because they cannot be read or ask for the impossible: their
//! status says so, and nothing else is touched.

use api::{CoturnCertificate, CoturnCertificateStatus, Reason};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use plan::certificate::unusable_status;
use serde_json::json;

use crate::{
    context::Context,
    error::{Error, ObjectName},
    redact::redact,
    requests,
};

/// Tells in the resource's status, untyped as it is, why nothing is done.
pub async fn report(context: &Context, name: &str, reason: Reason, why: &str) -> Result<(), Error> {
    let resource = ApiResource::erase::<CoturnCertificate>(&());
    let namespace = context.namespace.as_str();
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), namespace, &resource);
    let object = ObjectName::new("CoturnCertificate", namespace, name);
    context.metrics.unusable(name, reason);
    let Some(read) = requests::read(&api, object.clone(), name).await? else {
        return Ok(());
    };
    let before: CoturnCertificateStatus = read
        .data
        .get("status")
        .and_then(|status| serde_json::from_value(status.clone()).ok())
        .unwrap_or_default();
    let generation = read.metadata.generation.unwrap_or_default();
    let message = format!("{object} cannot be used, nothing was done: {}", redact(why));
    let status = unusable_status(&before, generation, reason, &message, Context::now());
    if status == before {
        return Ok(());
    }
    tracing::warn!(name, reason = reason.as_str(), "{message}");
    let patch = json!({
        "metadata": {"resourceVersion": read.resource_version(), "uid": read.uid()},
        "status": {"observedGeneration": generation, "conditions": status.conditions},
    });
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map(drop)
        .map_err(|error| requests::write_failure(object, error.into()))
}
