//! The pass over one workload: the only writer to it, on behalf of all its certificates.

mod kinds;
mod observe;
pub mod read;
mod single;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::{CoturnCertificate, Fingerprint, Reason, Wanted, WorkloadRef, names};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::events::EventType,
};
use plan::{
    Refusal, Version,
    rollout::{Action, Effect, Mounted, Observed, Workload, plan},
};
use serde_json::json;

pub use kinds::{Kind, PerKind, Workloads, object_name};
pub use observe::{Members, observe};

use crate::{
    certificate::{self, Freshness},
    context::{Context, Guarded},
    error::{ApiFailure, Error, remedy},
    events::Notice,
    facts::Refused,
    requests,
    secret::{last_writer, operator_wrote},
};

/// The longest wait until a workload is looked at again.
const RESYNC: Duration = Duration::from_hours(1);

/// What names a workload in resources.
pub fn reference<K: Kind>(workload: &K) -> WorkloadRef {
    WorkloadRef {
        kind: K::KIND,
        name: workload.name_any(),
    }
}

/// While the certificates are not listed yet, none is known to be there.
const UNTIL_LISTED: Duration = Duration::from_secs(1);

/// One pass. Returns how long to wait until time alone may ask for another.
pub async fn reconcile<K: Kind>(context: &Context, workload: &K) -> Result<Duration, Error> {
    if !context.certificates.is_complete() {
        return Ok(UNTIL_LISTED);
    }
    let reference = reference(workload);
    let now = context.server_now();
    let Some(mut gathered) = gather(context, &reference, Freshness::Remembered).await? else {
        return Ok(unconcerned(context, &reference));
    };
    let mut decided = plan(&gathered.observed, now);
    if decided.action.is_some() {
        // What was remembered says that there is work; what is there decides.
        gathered = match gather(context, &reference, Freshness::Confirmed).await? {
            Some(gathered) => gathered,
            None => return Ok(unconcerned(context, &reference)),
        };
        decided = plan(&gathered.observed, now);
    }
    let outcome = match decided.action {
        Some(action) => Some(act(context, workload, &action).await),
        None => None,
    };
    note(context, workload, outcome.as_ref());
    outcome.unwrap_or(Ok(()))?;
    gathered.failure.map_or(Ok(()), Err)?;
    let wait = decided
        .next_check
        .map(|next| next.duration_since(now).unsigned_abs());
    Ok(wait.unwrap_or(RESYNC).clamp(Duration::from_secs(1), RESYNC))
}

/// No certificate is the workload's: nothing is asked of the API server for it.
fn unconcerned(context: &Context, reference: &WorkloadRef) -> Duration {
    context.facts.refusals.note(reference, None);
    context.facts.pods.forget(reference);
    RESYNC
}

/// Certificates tell in their status that their workload cannot be written, and why.
fn note<K: Kind>(context: &Context, workload: &K, outcome: Option<&Result<(), Error>>) {
    let refused = match outcome {
        Some(Err(error)) if context.is_failure(&object_name(workload), error) => Some(Refused {
            own_words: error.own_words(),
            refusal: refusal(error),
            since: context.clock.now(),
        }),
        // Somebody else was faster: the next pass tells more.
        Some(Err(_)) => return,
        Some(Ok(())) | None => None,
    };
    let reference = reference(workload);
    if context.facts.refusals.note(&reference, refused) {
        context
            .bell
            .certificates_of_workload(&context.certificates.store, &reference);
    }
}

fn refusal(error: &Error) -> Refusal {
    let remedy = remedy(error).unwrap_or_else(|| "it is tried again by itself".to_owned());
    Refusal {
        reason: error.reason(),
        message: format!("{error}; {remedy}"),
    }
}

/// The observation of a workload, and what failed in making it. A certificate that cannot be
/// observed is left out: it holds back no other.
struct Gathered {
    observed: Observed,
    failure: Option<Error>,
}

/// None if no certificate is the workload's: then it is not observed either.
async fn gather(
    context: &Context,
    reference: &WorkloadRef,
    freshness: Freshness,
) -> Result<Option<Gathered>, Error> {
    let (mut certificates, mut pending, mut failure) = (Vec::new(), Vec::new(), None);
    for guarded in context.certificates.store.state() {
        match of_certificate(context, &guarded, reference, freshness).await {
            Ok(Some(found)) => {
                certificates.extend(found.mounted);
                pending.extend(found.is_pending.then(|| guarded.name_any()));
            }
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
    }
    if certificates.is_empty() {
        return failure.map_or(Ok(None), Err);
    }
    let workload = observe(context, reference, freshness).await?;
    if let Workload::Unreadable(refusal) = &workload {
        failure = failure.or_else(|| Some(Error::Unread(refusal.clone())));
    }
    let observed = Observed {
        workload,
        certificates,
        pending,
    };
    Ok(Some(Gathered { observed, failure }))
}

/// What a workload is told of one of its certificates.
struct Found {
    mounted: Option<Mounted>,
    is_pending: bool,
}

/// The certificate of a resource, if it is the workload's.
async fn of_certificate(
    context: &Context,
    guarded: &Guarded,
    reference: &WorkloadRef,
    freshness: Freshness,
) -> Result<Option<Found>, Error> {
    let Ok(known) = &guarded.0 else {
        return Ok(None);
    };
    if names_workload(known, reference).is_none() {
        return Ok(None);
    }
    let object = match freshness {
        Freshness::Remembered => known.clone(),
        Freshness::Confirmed => {
            let uid = known.uid().unwrap_or_default();
            certificate::read(context, &known.name_any(), &uid).await?
        }
    };
    let Some(wanted) = names_workload(&object, reference) else {
        return Ok(None);
    };
    // The workload itself is observed once, by the caller.
    let wanted = Wanted {
        workload: None,
        ..wanted
    };
    let now = Context::now();
    let observation =
        certificate::observe(context, Arc::new(object), wanted, freshness, now).await?;
    let observed = observation.observed;
    Ok(Some(Found {
        mounted: of_what_was_read(&observed)?,
        is_pending: observed.is_pending(now),
    }))
}

/// What cannot be read is not taken for what is not there: the certificate may be due on the pods.
fn of_what_was_read(observed: &plan::certificate::Observed) -> Result<Option<Mounted>, Error> {
    use plan::certificate::{Published, Store};
    match (&observed.store, &observed.published) {
        // Its certificate's pass reads it again, and once it may, that wakes this one.
        (Store::Unreadable(refusal), _) | (_, Published::Unreadable(refusal))
            if refusal.reason != Reason::Forbidden =>
        {
            Err(Error::Unread(refusal.clone()))
        }
        _ => Ok(observed.mounted()),
    }
}

/// What a resource asks for, if it asks it of this workload and is not going.
fn names_workload(object: &CoturnCertificate, reference: &WorkloadRef) -> Option<Wanted> {
    let wanted = Wanted::parse(&object.spec).ok()?;
    let going = object.metadata.deletion_timestamp.is_some();
    (!going && wanted.workload.as_ref() == Some(reference)).then_some(wanted)
}

async fn act<K: Kind>(context: &Context, workload: &K, action: &Action) -> Result<(), Error> {
    let notice = match action {
        Action::StampTemplate {
            workload: version,
            fingerprints,
            effect,
        } => {
            let reply = stamp(context, workload, version, fingerprints).await?;
            count(context, &reply, fingerprints);
            context.metrics.rollout_started(*effect);
            stamped(*effect)
        }
        Action::RestartPod { pod, version } => {
            single::restart(context, pod, version).await?;
            single::notice(pod)
        }
        Action::EvictPod { pod, version } => {
            single::evict(context, pod, version).await?;
            single::eviction(pod)
        }
        Action::TouchPod { pod, version, leaf } => {
            return single::touch(context, pod, version, *leaf).await;
        }
        Action::RestoreTemplate {
            workload: version,
            annotations,
        } => {
            annotate(context, workload, version, annotations).await?;
            restored()
        }
    };
    tracing::info!(
        namespace = context.namespace,
        kind = K::KIND.as_str(),
        workload = workload.name_any(),
        "{}",
        notice.note
    );
    let regarding = workload.object_ref(&());
    context.events.publish(&notice, &regarding).await;
    Ok(())
}

/// Counts a stamp. The reply tells exactly when it was made; by a clock of this machine's that is behind
/// the time would not have come yet.
fn count<K: Kind>(context: &Context, reply: &K, fingerprints: &BTreeMap<String, Fingerprint>) {
    let metadata = reply.meta();
    let last_writer = last_writer(metadata);
    let now = context.server_now();
    let made = operator_wrote(metadata).map_or(now, |wrote| wrote.min(now));
    context.stamps.count(reference(reply), |stamps| {
        stamps.stamped(fingerprints, last_writer.as_ref(), made);
    });
}

fn stamped(effect: Effect) -> Notice {
    let note = match effect {
        Effect::Rollout => "pods are replaced to take up a new certificate",
        Effect::NoPods => "there is no pod; later ones start with the certificate in service",
    };
    Notice {
        kind: EventType::Normal,
        reason: "RolloutStarted".to_owned(),
        action: "StampTemplate",
        note: note.to_owned(),
    }
}

fn restored() -> Notice {
    Notice {
        kind: EventType::Warning,
        reason: "RolloutTakenBack".to_owned(),
        action: "RestoreTemplate",
        note: "the pod template is what it was before the certificate that pods broke with; pods that have it are \
               replaced"
            .to_owned(),
    }
}

/// A merge patch with uid and resourceVersion: a workload that is missing is never created, and one
/// that changed is looked at again. Returns the reply.
async fn stamp<K: Kind>(
    context: &Context,
    workload: &K,
    version: &Version,
    fingerprints: &BTreeMap<String, Fingerprint>,
) -> Result<K, Error> {
    let annotations = fingerprints
        .iter()
        .map(|(secret, fingerprint)| (secret.clone(), Some(fingerprint.to_string())))
        .collect();
    annotate(context, workload, version, &annotations).await
}

/// The same for annotations as they were; none where there was none.
async fn annotate<K: Kind>(
    context: &Context,
    workload: &K,
    version: &Version,
    annotations: &BTreeMap<String, Option<String>>,
) -> Result<K, Error> {
    let annotations: BTreeMap<_, _> = annotations
        .iter()
        .map(|(secret, value)| (names::fingerprint_annotation(secret), value))
        .collect();
    let patch = json!({
        "metadata": {"uid": version.uid, "resourceVersion": version.resource_version},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    });
    let api: Api<K> = Api::namespaced(context.client.clone(), &context.namespace);
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch(&workload.name_any(), &params, &Patch::Merge(patch))
        .await
        .map_err(|error| requests::write_failure(object_name(workload), ApiFailure::from(error)))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::StatefulSet;
    use plan::certificate::{Published, Store};
    use rstest::rstest;
    use serde_json::Value;

    use super::*;
    use crate::{certificate::testing, context, error::ObjectName};

    /// A workload over which the operator and somebody else wrote just now.
    fn written() -> Value {
        let wrote = |manager: &str| json!({"manager": manager, "operation": "Update", "time": Context::now().to_string()});
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {
                "name": "coturn",
                "namespace": context::testing::NAMESPACE,
                "managedFields": [wrote("argocd-controller"), wrote(names::FIELD_MANAGER)],
            },
        })
    }

    #[rstest]
    #[case(Effect::Rollout)]
    #[case(Effect::NoPods)]
    #[tokio::test]
    async fn a_template_that_is_stamped_twice_with_the_same_is_contested_whether_there_are_pods(
        #[case] effect: Effect,
    ) {
        let context = context::testing::context(&[], |_| written());
        let workload: StatefulSet = serde_json::from_value(written()).unwrap();
        let stamp = Action::StampTemplate {
            workload: testing::revision(),
            fingerprints: [("tls".to_owned(), Fingerprint::from_digest([1; 32]))].into(),
            effect,
        };
        let contest = || {
            let now = context.server_now();
            let reference = reference(&workload);
            context.stamps.of(&reference, |stamps| stamps.contest(now))
        };
        act(&context, &workload, &stamp).await.unwrap();
        assert_eq!(contest(), None);
        act(&context, &workload, &stamp).await.unwrap();
        let by = contest().unwrap().contest.by;
        assert_eq!(by.as_deref(), Some("argocd-controller"));
    }

    fn refused(failure: ApiFailure) -> String {
        let object = ObjectName::new("StatefulSet", "wire", "coturn");
        refusal(&Error::Write { object, failure }).message
    }

    #[test]
    fn a_permission_is_asked_for_only_where_one_is_missing() {
        let role = "the chart's Role";
        assert!(refused(ApiFailure::Forbidden("patch".to_owned())).contains(role));
        let webhook = ApiFailure::Refused("admission webhook denied".to_owned());
        let timeout = ApiFailure::Unreachable("timeout".to_owned());
        let broken = ApiFailure::Server {
            code: 500,
            message: "etcd".to_owned(),
        };
        for failure in [webhook, timeout, broken] {
            assert!(!refused(failure).contains(role));
        }
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_a_failure_and_no_certificate_less() {
        let refused = |reason| Refusal {
            reason,
            message: "etcd".to_owned(),
        };
        let refusal = || refused(Reason::ApiUnavailable);
        let mut observed = testing::observation().observed;
        assert!(of_what_was_read(&observed).is_ok());
        observed.published = Published::Unreadable(refusal());
        assert!(of_what_was_read(&observed).is_err());
        observed.published = Published::Unreadable(refused(Reason::Forbidden));
        assert_eq!(of_what_was_read(&observed).unwrap(), None);
        observed.published = Published::Absent;
        observed.store = Store::Unreadable(refusal());
        assert!(of_what_was_read(&observed).is_err());
    }
}
