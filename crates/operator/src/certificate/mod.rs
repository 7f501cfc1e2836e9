//! The pass over one `CoturnCertificate`: observe, plan, act, until nothing is left to do.

mod act;
mod notices;
mod observe;
mod unusable;

use std::{sync::Arc, time::Duration};

use api::{ConditionType, CoturnCertificate, CoturnCertificateStatus, Reason, Wanted};
use jiff::Timestamp;
use kube::{Api, ResourceExt as _};
use plan::{
    Refusal,
    certificate::{Action, Obstacle, Step, plan},
};

pub use observe::{Freshness, Observation, observe};

use crate::{
    context::{Context, Guarded},
    error::{Category, Error, ObjectName},
    requests,
    secret::version,
};

/// Writes that one pass may take: an issuance takes five.
const MOST_WRITES: usize = 12;

/// The longest wait until a resource is looked at again, and the longest time that facts are taken
/// from memory.
const RESYNC: Duration = Duration::from_hours(1);

/// Name of a resource in messages.
pub fn object_name(guarded: &Guarded) -> ObjectName {
    let namespace = guarded.namespace().unwrap_or_default();
    ObjectName::new("CoturnCertificate", &namespace, &guarded.name_any())
}

/// One pass. Returns how long to wait until time alone may ask for another.
pub async fn reconcile(context: &Context, guarded: &Guarded) -> Result<Duration, Error> {
    let object = match &guarded.0 {
        Ok(certificate) => Arc::new(certificate.clone()),
        Err(invalid) => {
            unusable::report(
                context,
                &guarded.name_any(),
                Reason::Undecodable,
                &invalid.error,
            )
            .await?;
            return Ok(RESYNC);
        }
    };
    let wanted = match Wanted::parse(&object.spec) {
        Ok(wanted) => wanted,
        Err(error) => {
            let message = error.to_string();
            unusable::report(context, &object.name_any(), Reason::InvalidSpec, &message).await?;
            return Ok(RESYNC);
        }
    };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(RESYNC);
    }
    Box::pin(settle(context, object, wanted)).await
}

async fn settle(
    context: &Context,
    object: Arc<CoturnCertificate>,
    wanted: Wanted,
) -> Result<Duration, Error> {
    let name = object.name_any();
    let now = Context::now();
    let freshness = freshness(context, &name, now);
    let mut observation = observe(context, object, wanted, freshness, now).await?;
    let mut confirmed = false;
    let mut failure = None;
    for _ in 0..MOST_WRITES {
        let now = Context::now();
        let plan = plan(&observation.observed, now);
        let Some(action) = plan.action else {
            context.metrics.certificate(&observation.observed, now);
            return failure.map_or_else(|| Ok(wait(plan.next_check, now)), Err);
        };
        if !confirmed && action.step().is_some() {
            observation = confirm(context, observation, freshness, now).await?;
            confirmed = true;
            continue;
        }
        let before = observation.observed.resource.status.clone();
        match act::act(context, &mut observation, &action, now).await {
            Ok(()) => notices::done(context, &observation, &action, &before).await,
            Err(error) => failure = Some(blocked(&mut observation, &action, error)?),
        }
    }
    Err(Error::Unsettled {
        object: ObjectName::new(
            "CoturnCertificate",
            &observation.observed.resource.namespace,
            &name,
        ),
        writes: MOST_WRITES,
    })
}

/// What was read longer ago than the resync is read again, so that a lost event costs an hour.
fn freshness(context: &Context, name: &str, now: Timestamp) -> Freshness {
    let read = context.facts.confirmed.at(name);
    let recent = read.is_some_and(|read| now.duration_since(read).unsigned_abs() < RESYNC);
    if recent {
        Freshness::Remembered
    } else {
        Freshness::Confirmed
    }
}

/// The same observation with everything read from the API server in this pass, the resource
/// included: what a write is decided on.
async fn confirm(
    context: &Context,
    observation: Observation,
    freshness: Freshness,
    now: Timestamp,
) -> Result<Observation, Error> {
    let resource = &observation.observed.resource;
    let read = read(context, &resource.name, &resource.version.uid).await?;
    if freshness == Freshness::Confirmed && version(&read.metadata) == resource.version {
        return Ok(observation);
    }
    let object = ObjectName::new("CoturnCertificate", &resource.namespace, &resource.name);
    let wanted = Wanted::parse(&read.spec).map_err(|_| Error::Changed { object })?;
    observe(context, Arc::new(read), wanted, Freshness::Confirmed, now).await
}

/// A resource as the API server has it. One that is gone, going, or another by the same name has
/// changed.
pub async fn read(context: &Context, name: &str, uid: &str) -> Result<CoturnCertificate, Error> {
    let object = ObjectName::new("CoturnCertificate", &context.namespace, name);
    let api: Api<CoturnCertificate> = Api::namespaced(context.client.clone(), &context.namespace);
    requests::read(&api, object.clone(), name)
        .await?
        .filter(|read| read.uid().as_deref() == Some(uid))
        .filter(|read| read.metadata.deletion_timestamp.is_none())
        .ok_or(Error::Changed { object })
}

/// A write that was refused is an obstacle that the status shall tell of; the pass goes on to write
/// that, and ends as failed. A write that met a changed object ends the pass.
fn blocked(observation: &mut Observation, action: &Action, error: Error) -> Result<Error, Error> {
    let Some(step) = action
        .step()
        .filter(|_| error.category() == Category::Failure)
    else {
        return Err(error);
    };
    let reason = error.reason();
    let told = told_already(&observation.observed.resource.status, step, reason);
    let refusal = Refusal {
        reason,
        message: told.unwrap_or_else(|| message(&error)),
    };
    observation.observed.failed = Some(Obstacle { step, refusal });
    Ok(error)
}

/// The message that stands in status for the same reason. It is kept: messages of webhooks and
/// quotas differ from one try to the next, and each change of the status would be a try of its own.
fn told_already(status: &CoturnCertificateStatus, step: Step, reason: Reason) -> Option<String> {
    let kind = match step {
        Step::Issue | Step::Suspended => ConditionType::Issued,
        Step::Publish => ConditionType::Published,
    };
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str() && condition.reason == reason.as_str())
        .map(|condition| condition.message.clone())
}

fn message(error: &Error) -> String {
    let reason = error.reason();
    if reason == Reason::Forbidden {
        return format!("{error}; allow it in the chart's Role: a Secret by the value secretNames");
    }
    if reason == Reason::Refused {
        return format!("{error}; what works stays as it is, and it is tried again by itself");
    }
    error.to_string()
}

fn wait(next_check: Timestamp, now: Timestamp) -> Duration {
    let wait = next_check.duration_since(now).unsigned_abs();
    wait.clamp(Duration::from_secs(1), RESYNC)
}
