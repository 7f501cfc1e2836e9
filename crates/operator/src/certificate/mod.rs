//! The pass over one `CoturnCertificate`: observe, plan, act, until nothing is left to do.

mod act;
mod notices;
mod observe;
mod unusable;

use std::{sync::Arc, time::Duration};

use api::{CoturnCertificate, Reason, Wanted};
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
    settle(context, object, wanted).await
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
    let mut confirmed = freshness == Freshness::Confirmed;
    let mut failure = None;
    for _ in 0..MOST_WRITES {
        let now = Context::now();
        let plan = plan(&observation.observed, now);
        let Some(action) = plan.action else {
            context.metrics.certificate(&observation.observed, now);
            return failure.map_or_else(|| Ok(wait(plan.next_check, now)), Err);
        };
        if !confirmed && action.step().is_some() {
            observation = confirm(context, &observation, now).await?;
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

/// The same observation with everything read from the API server, the resource included.
async fn confirm(
    context: &Context,
    observation: &Observation,
    now: Timestamp,
) -> Result<Observation, Error> {
    let resource = &observation.observed.resource;
    let object = ObjectName::new("CoturnCertificate", &resource.namespace, &resource.name);
    let api: Api<CoturnCertificate> = Api::namespaced(context.client.clone(), &resource.namespace);
    let changed = || Error::Changed {
        object: object.clone(),
    };
    let read = requests::read(&api, object.clone(), &resource.name)
        .await?
        .ok_or_else(changed)?;
    if read.uid().as_deref() != Some(resource.version.uid.as_str()) {
        return Err(changed());
    }
    let wanted = Wanted::parse(&read.spec).map_err(|_| changed())?;
    observe(context, Arc::new(read), wanted, Freshness::Confirmed, now).await
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
    let refusal = Refusal {
        reason: error.reason(),
        message: message(step, &error),
    };
    observation.observed.failed = Some(Obstacle { step, refusal });
    Ok(error)
}

fn message(step: Step, error: &Error) -> String {
    let remedy = match (error.reason(), step) {
        (Reason::Forbidden, _) => "; add the Secret's name to the chart's value secretNames",
        (Reason::Refused, _) => "; what works stays as it is, and it is tried again by itself",
        _ => "",
    };
    format!("{error}{remedy}")
}

fn wait(next_check: Timestamp, now: Timestamp) -> Duration {
    let wait = next_check.duration_since(now).unsigned_abs();
    wait.clamp(Duration::from_secs(1), RESYNC)
}
