//! The pass over one workload: the only writer to it, on behalf of all its certificates.

mod observe;
mod read;

use std::{collections::BTreeMap, time::Duration};

use api::{Fingerprint, Wanted, WorkloadKind, WorkloadRef, names};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::events::{Event, EventType},
};
use plan::{
    Version,
    rollout::{Action, Effect, Mounted, Observed, plan},
};
use serde_json::json;

pub use observe::observe;

use crate::{
    certificate::{self, Freshness},
    context::Context,
    error::{ApiFailure, Error, ObjectName},
    redact::redact,
    requests,
};

/// The longest wait until a workload is looked at again.
const RESYNC: Duration = Duration::from_hours(1);

/// Name of a workload in messages.
pub fn object_name(workload: &StatefulSet) -> ObjectName {
    ObjectName::new(
        "StatefulSet",
        &workload.namespace().unwrap_or_default(),
        &workload.name_any(),
    )
}

/// One pass. Returns how long to wait until time alone may ask for another.
pub async fn reconcile(context: &Context, workload: &StatefulSet) -> Result<Duration, Error> {
    let reference = WorkloadRef {
        kind: WorkloadKind::StatefulSet,
        name: workload.name_any(),
    };
    let now = Context::now();
    let observed = gather(context, &reference, Freshness::Remembered).await?;
    if observed.certificates.is_empty() {
        return Ok(RESYNC);
    }
    let mut decided = plan(&observed, now);
    if decided.action.is_some() {
        // What was remembered says that there is work; what is there decides.
        decided = plan(
            &gather(context, &reference, Freshness::Confirmed).await?,
            now,
        );
    }
    if let Some(action) = decided.action {
        act(context, workload, &action).await?;
    }
    let wait = decided
        .next_check
        .map(|next| next.duration_since(now).unsigned_abs());
    Ok(wait.unwrap_or(RESYNC).clamp(Duration::from_secs(1), RESYNC))
}

async fn gather(
    context: &Context,
    reference: &WorkloadRef,
    freshness: Freshness,
) -> Result<Observed, Error> {
    let mut certificates = Vec::new();
    for guarded in context.certificates.state() {
        let Ok(object) = &guarded.0 else { continue };
        let Ok(wanted) = Wanted::parse(&object.spec) else {
            continue;
        };
        if wanted.workload.as_ref() == Some(reference) {
            certificates.extend(mounted(context, object, wanted, freshness).await?);
        }
    }
    let workload = observe(context, &context.namespace, &reference.name, freshness).await?;
    Ok(Observed {
        reference: reference.clone(),
        workload,
        certificates,
    })
}

async fn mounted(
    context: &Context,
    object: &api::CoturnCertificate,
    wanted: Wanted,
    freshness: Freshness,
) -> Result<Option<Mounted>, Error> {
    let wanted = Wanted {
        workload: None,
        ..wanted
    };
    let object = std::sync::Arc::new(object.clone());
    let now = Context::now();
    let observation = certificate::observe(context, object, wanted, freshness, now).await?;
    Ok(observation.observed.mounted())
}

async fn act(context: &Context, workload: &StatefulSet, action: &Action) -> Result<(), Error> {
    let Action::StampTemplate {
        workload: version,
        fingerprints,
        effect,
    } = action;
    stamp(context, workload, version, fingerprints).await?;
    context.metrics.rollout_started(*effect);
    let note = match effect {
        Effect::Rollout => "pods are replaced one by one to take up a new certificate",
        Effect::NoPods => "there is no pod; later ones start with the certificate in service",
    };
    tracing::info!(
        namespace = context.namespace,
        workload = workload.name_any(),
        "{note}"
    );
    let event = Event {
        type_: EventType::Normal,
        reason: "RolloutStarted".to_owned(),
        note: Some(note.to_owned()),
        action: "StampTemplate".to_owned(),
        secondary: None,
    };
    if let Err(error) = context
        .recorder
        .publish(&event, &workload.object_ref(&()))
        .await
    {
        tracing::debug!(
            error = redact(&error.to_string()),
            "an Event could not be written"
        );
    }
    Ok(())
}

/// A merge patch with uid and resourceVersion: a workload that is missing is never created, and one
/// that changed is looked at again.
async fn stamp(
    context: &Context,
    workload: &StatefulSet,
    version: &Version,
    fingerprints: &BTreeMap<String, Fingerprint>,
) -> Result<(), Error> {
    let annotations: BTreeMap<_, _> = fingerprints
        .iter()
        .map(|(secret, fingerprint)| {
            (
                names::fingerprint_annotation(secret),
                fingerprint.to_string(),
            )
        })
        .collect();
    let patch = json!({
        "metadata": {"uid": version.uid, "resourceVersion": version.resource_version},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    });
    let api: Api<StatefulSet> = Api::namespaced(context.client.clone(), &context.namespace);
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch(&workload.name_any(), &params, &Patch::Merge(patch))
        .await
        .map(drop)
        .map_err(|error| requests::write_failure(object_name(workload), ApiFailure::from(error)))
}
