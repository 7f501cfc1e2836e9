//! The pass over one `CoturnCertificate`: observe, plan, act, until nothing is left to do.

mod act;
mod failure;
mod notices;
mod observe;
mod sign;
#[cfg(test)]
pub mod testing;
mod unusable;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use api::{CoturnCertificate, Reason, Wanted};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Resource as _, ResourceExt as _, runtime::reflector::ObjectRef};
use plan::{
    certificate::{Action, Observed, Step, plan},
    partner::Call,
    rollout::{Probe, Workload},
};

use notices::Notices;
pub use observe::{Freshness, Observation, observe};
pub use unusable::broke_off;

use crate::{
    context::{Context, Guarded},
    error::{Error, ObjectName},
    partners::{self, Errand},
    prober, requests,
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
            let message = unusable::nothing_was_done(guarded, &invalid.error);
            unusable::report(context, guarded, Reason::Undecodable, &message).await?;
            return Ok(RESYNC);
        }
    };
    let wanted = match Wanted::parse(&object.spec) {
        Ok(wanted) => wanted,
        Err(error) => {
            let message = unusable::nothing_was_done(guarded, &error.to_string());
            unusable::report(context, guarded, Reason::InvalidSpec, &message).await?;
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
    let mut notices = Notices::default();
    let result = Box::pin(converge(context, object, wanted, &mut notices)).await;
    notices.publish(context).await;
    result
}

async fn converge(
    context: &Context,
    object: Arc<CoturnCertificate>,
    wanted: Wanted,
    notices: &mut Notices,
) -> Result<Duration, Error> {
    let now = Context::now();
    let freshness = freshness(context, &object.name_any(), now);
    let mut observation = observe(context, object, wanted, freshness, now).await?;
    let mut confirmed = false;
    let mut last: Option<Action> = None;
    let mut failure = None;
    for _ in 0..MOST_WRITES {
        let now = Context::now();
        let plan = plan(&observation.observed, now);
        let Some(action) = plan.action else {
            verify(context, &observation.observed, plan.wanted_probes);
            ask(context, &observation.observed, plan.wanted_calls);
            return end(
                context,
                &observation.observed,
                failure,
                plan.next_check,
                now,
            );
        };
        if !confirmed && action.step().is_some() {
            observation = confirm(context, observation, freshness, now).await?;
            confirmed = true;
            continue;
        }
        if failure::is_undone(last.as_ref(), &action) {
            failure = Some(undone(&mut observation.observed));
            last = None;
            continue;
        }
        if is_replaced(context, &observation.observed) {
            let object = named(&observation.observed);
            return Err(Error::Changed { object });
        }
        let before = observation.observed.resource.status.clone();
        match act::act(context, &mut observation, &action, now).await {
            Ok(()) => notices.done(context, &observation, &action, &before),
            Err(error) => {
                let observed = &mut observation.observed;
                failure = Some(failure::blocked(context, observed, &action, error)?);
            }
        }
        last = Some(action);
    }
    Err(Error::Unsettled {
        object: named(&observation.observed),
        writes: MOST_WRITES,
    })
}

/// Nothing is left to write. A pass in which something failed ends as failed, although the status
/// tells of it: it is tried again ever later.
fn end(
    context: &Context,
    observed: &Observed,
    failure: Option<Error>,
    next_check: Timestamp,
    now: Timestamp,
) -> Result<Duration, Error> {
    context.metrics.certificate(observed, now);
    let may_read = |name: &str| context.secrets.covers(name);
    let is_watched = |kind| context.workloads.watches(kind);
    let unread = || failure::unread(observed, may_read, is_watched).map(Error::Unread);
    let failure = failure.or_else(unread);
    let read = context.facts.confirmed.at(&observed.resource.name);
    failure.map_or_else(|| Ok(wait(next_check, read, now)), Err)
}

/// Has the pods dialled as the plan wants it, and forgets those that are gone.
fn verify(context: &Context, observed: &Observed, probes: Vec<Probe>) {
    let resource = &observed.resource;
    if let Some(there) = incarnations(observed.workload.as_ref()) {
        let endpoints = &resource.wanted.verifying.endpoints;
        context.prober.retain(&resource.name, &there, endpoints);
    }
    if let Some(workload) = &resource.wanted.workload {
        let stored = observed.stored();
        context.prober.ask(prober::Errand {
            certificate: resource.name.clone(),
            leaf: stored.map(|stored| stored.current.leaf.fingerprint),
            workload: workload.clone(),
            probes,
        });
    }
}

/// Those of the pods that are there, as far as that is known.
fn incarnations(workload: Option<&Workload>) -> Option<BTreeSet<&str>> {
    match workload {
        None | Some(Workload::Missing) => Some(BTreeSet::new()),
        Some(Workload::Unreadable(_)) => None,
        Some(Workload::Present(live)) => {
            let there = live.pods.iter().map(|pod| pod.incarnation.as_str());
            Some(there.collect())
        }
    }
}

/// Has the partners asked as the plan wants it.
fn ask(context: &Context, observed: &Observed, calls: Vec<Call>) {
    let resource = &observed.resource;
    let named = &resource.wanted.verifying.partners;
    context.partners.retain(&resource.name, named);
    if let Some(stored) = observed.stored().filter(|_| !calls.is_empty()) {
        context.partners.ask(Errand {
            certificate: resource.name.clone(),
            leaf: stored.current.leaf.fingerprint,
            calls,
            pod: partners::pod(context, resource.wanted.workload.as_ref()),
        });
    }
}

/// Who changes what is written while it is written would do so for ever: the status tells of it,
/// and the next try has to wait.
fn undone(observed: &mut Observed) -> Error {
    let resource = &observed.resource;
    let object = ObjectName::new("Secret", &resource.namespace, &resource.wanted.secret_name);
    let error = Error::Undone { object };
    failure::tell(observed, Step::Publish, &error);
    error
}

fn named(observed: &Observed) -> ObjectName {
    let resource = &observed.resource;
    ObjectName::new("CoturnCertificate", &resource.namespace, &resource.name)
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

/// Whether the watch tells that the resource is gone, going, or another by the same name: nothing
/// more is written for it, though the pass over it is still under way.
fn is_replaced(context: &Context, observed: &Observed) -> bool {
    let resource = &observed.resource;
    let reference = ObjectRef::<Guarded>::new(&resource.name).within(&resource.namespace);
    let known = context.certificates.store.get(&reference);
    !known.is_some_and(|known| is_still(known.meta(), &resource.version.uid))
}

fn is_still(known: &ObjectMeta, uid: &str) -> bool {
    known.uid.as_deref() == Some(uid) && known.deletion_timestamp.is_none()
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

/// How long until time alone may ask for another pass: because a date has come, or because what was
/// read is to be read again.
fn wait(next_check: Timestamp, read: Option<Timestamp>, now: Timestamp) -> Duration {
    let read_again = read.map_or(Timestamp::MAX, |read| {
        read.saturating_add(RESYNC).unwrap_or(Timestamp::MAX)
    });
    let until = next_check.min(read_again);
    let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    wait.clamp(Duration::from_secs(1), RESYNC)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use plan::Refusal;
    use rstest::rstest;

    use super::*;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    #[rstest]
    #[case::read_in_this_pass(60, Some(0), 60)]
    #[case::a_date_comes_first(20, Some(0), 20)]
    #[case::read_long_ago(60, Some(-50), 10)]
    #[case::read_by_a_clock_that_was_ahead(60, Some(90), 60)]
    #[case::never_read(60, None, 60)]
    fn a_pass_comes_when_a_date_has_come_or_what_was_read_is_an_hour_old(
        #[case] next_check: i64,
        #[case] read: Option<i64>,
        #[case] expected: u64,
    ) {
        let wait = wait(minute(next_check), read.map(minute), minute(0));
        assert_eq!(wait, Duration::from_mins(expected));
    }

    #[test]
    fn what_is_known_of_pods_stays_only_while_it_is_not_known_which_are_there() {
        let unreadable = Workload::Unreadable(Refusal {
            reason: Reason::Unreachable,
            message: String::new(),
        });
        assert_eq!(incarnations(None), Some(BTreeSet::new()));
        assert_eq!(
            incarnations(Some(&Workload::Missing)),
            Some(BTreeSet::new())
        );
        assert_eq!(incarnations(Some(&unreadable)), None);
    }

    #[test]
    fn a_resource_that_is_going_or_another_is_not_the_one_that_is_worked_on() {
        let known = |uid: &str| ObjectMeta {
            uid: Some(uid.to_owned()),
            ..ObjectMeta::default()
        };
        let going = ObjectMeta {
            deletion_timestamp: Some(Time(minute(0))),
            ..known("a")
        };
        assert!(is_still(&known("a"), "a"));
        assert!(!is_still(&known("b"), "a"));
        assert!(!is_still(&going, "a"));
    }

    #[test]
    fn what_is_overdue_comes_after_a_second() {
        for read in [Some(minute(-70)), Some(minute(-60))] {
            assert_eq!(wait(minute(60), read, minute(0)), Duration::from_secs(1));
        }
    }
}
