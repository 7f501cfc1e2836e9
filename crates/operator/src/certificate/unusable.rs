//! Resources that cannot be acted on, because they cannot be read or ask for the impossible, or
//! because the operator fails on them: their status says so, and nothing else is touched.

use api::{CoturnCertificate, CoturnCertificateStatus, Reason, names};
use jiff::Timestamp;
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use plan::certificate::{broken_off_status, unusable_status};
use serde_json::{Value, json};

use super::object_name;
use crate::{
    context::{Context, Guarded},
    error::Error,
    redact::redact,
    requests,
};

/// What is told of a resource that nothing was done for.
pub fn nothing_was_done(guarded: &Guarded, why: &str) -> String {
    let object = object_name(guarded);
    format!("{object} cannot be used, nothing was done: {}", redact(why))
}

/// Makes a status of the one before: of a generation, with a reason, a message and the time.
type Tell = fn(&CoturnCertificateStatus, i64, Reason, &str, Timestamp) -> CoturnCertificateStatus;

/// Tells in the resource's status why nothing is done.
pub async fn report(
    context: &Context,
    guarded: &Guarded,
    reason: Reason,
    message: &str,
) -> Result<(), Error> {
    write(context, guarded, unusable_status, reason, message).await
}

/// Tells in the resource's status that a pass ended in the middle: what was told before may not be
/// true any more.
pub async fn broke_off(context: &Context, guarded: &Guarded, error: &Error) -> Result<(), Error> {
    let (tell, message): (Tell, _) = (broken_off_status, error.to_string());
    write(context, guarded, tell, error.reason(), &message).await
}

/// The status is written untyped, as it is: the rest of it may be what cannot be read.
async fn write(
    context: &Context,
    guarded: &Guarded,
    tell: Tell,
    reason: Reason,
    message: &str,
) -> Result<(), Error> {
    let resource = ApiResource::erase::<CoturnCertificate>(&());
    let namespace = context.namespace.as_str();
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), namespace, &resource);
    let (object, name) = (object_name(guarded), guarded.name_any());
    context.metrics.unusable(&name);
    let Some(read) = requests::read(&api, object.clone(), &name).await? else {
        return Ok(());
    };
    let before = reported(&read.data);
    let generation = read.metadata.generation.unwrap_or_default();
    let status = tell(&before, generation, reason, message, Context::now());
    if status == before {
        return Ok(());
    }
    tracing::warn!(name, reason = reason.as_str(), "{message}");
    let patch = json!({
        "metadata": {"resourceVersion": read.resource_version(), "uid": read.uid()},
        "status": {"observedGeneration": generation, "conditions": status.conditions},
    });
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_status(&name, &params, &Patch::Merge(patch))
        .await
        .map(drop)
        .map_err(|error| requests::write_failure(object, error.into()))
}

/// What was reported before. The status itself may be what cannot be read: each part of it is read
/// by itself.
fn reported(data: &Value) -> CoturnCertificateStatus {
    let status = &data["status"];
    CoturnCertificateStatus {
        observed_generation: status["observedGeneration"].as_i64(),
        conditions: serde_json::from_value(status["conditions"].clone()).unwrap_or_default(),
        ..CoturnCertificateStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reported_beside_an_unreadable_date_is_not_reported_again() {
        let now = Timestamp::UNIX_EPOCH;
        let before = CoturnCertificateStatus::default();
        let first = unusable_status(&before, 1, Reason::Undecodable, "why", now);
        let mut stored = json!({"status": first});
        stored["status"]["certificate"] = json!({"notAfter": "9999-12-31T23:59:59Z"});

        let again = reported(&stored);

        let later = now + jiff::SignedDuration::from_hours(1);
        assert_eq!(
            unusable_status(&again, 1, Reason::Undecodable, "why", later),
            again
        );
    }
}
