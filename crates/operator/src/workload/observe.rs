//! A workload and its pods, as far as decisions need them.

use api::{Reason, RolloutStrategy, WorkloadKind, WorkloadRef};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::{Api, ResourceExt, runtime::reflector::ObjectRef};
use plan::{
    Refusal,
    rollout::{Pod, Workload},
};

use super::{
    kinds::{Kind, candidates},
    read,
};
use crate::{
    certificate::Freshness,
    context::Context,
    error::{Error, ObjectName, remedy},
    requests,
    secret::version,
};

/// The pods of a workload.
#[derive(Clone, Debug)]
pub struct Members {
    pods: Vec<Pod>,
    /// The revision that they are to be of.
    update_revision: Option<String>,
}

/// Observes a workload and its pods.
pub async fn observe(
    context: &Context,
    reference: &WorkloadRef,
    freshness: Freshness,
) -> Result<Workload, Error> {
    match reference.kind {
        WorkloadKind::StatefulSet => of_kind::<StatefulSet>(context, reference, freshness).await,
        WorkloadKind::Deployment => of_kind::<Deployment>(context, reference, freshness).await,
        WorkloadKind::DaemonSet => of_kind::<DaemonSet>(context, reference, freshness).await,
    }
}

async fn of_kind<K: Kind>(
    context: &Context,
    reference: &WorkloadRef,
    freshness: Freshness,
) -> Result<Workload, Error> {
    if K::known(&context.workloads).is_none() {
        return Ok(Workload::Unreadable(not_given(context, reference)));
    }
    let workload = match find::<K>(context, &reference.name, freshness).await {
        Ok(Some(workload)) => workload,
        Ok(None) => {
            context.facts.pods.forget(reference);
            return Ok(Workload::Missing);
        }
        Err(error) => return unreadable::<K>(error),
    };
    let members = match members(context, reference, &workload, freshness).await {
        Ok(members) => members,
        Err(error) => return unreadable::<K>(error),
    };
    let mut live = workload.live();
    live.pods = members.pods;
    live.update_revision = members.update_revision;
    let refused = context.facts.refusals.get(reference);
    (live.refused, live.refused_since) = refused.unzip();
    let now = context.server_now();
    live.contest = context.stamps.of(reference, |stamps| stamps.contest(now));
    live.single_restarts = context.single_restarts;
    live.touches = context.touches;
    live.rolled_by = rolled_by(context, reference);
    Ok(Workload::Present(Box::new(live)))
}

/// A resource that asks for a rolling restart of a workload.
fn rolled_by(context: &Context, reference: &WorkloadRef) -> Option<String> {
    let resources = context.certificates.store.state();
    let resources = resources
        .iter()
        .filter_map(|guarded| guarded.0.as_ref().ok());
    let rolling = resources.filter(|resource| {
        super::names_workload(resource, reference).is_some_and(|wanted| {
            wanted.strategy == RolloutStrategy::RollingRestart && !wanted.suspend
        })
    });
    rolling.map(ResourceExt::name_any).min()
}

/// A kind that the operator was told to leave alone.
fn not_given(context: &Context, reference: &WorkloadRef) -> Refusal {
    let kind = reference.kind;
    let object = ObjectName::new(kind.as_str(), &context.namespace, &reference.name);
    Refusal {
        reason: Reason::Forbidden,
        message: format!(
            "{object} is of a kind that the operator may not restart; add {kind} to the chart's value workloadKinds"
        ),
    }
}

async fn find<K: Kind>(
    context: &Context,
    name: &str,
    freshness: Freshness,
) -> Result<Option<K>, Error> {
    let known = K::known(&context.workloads).filter(|known| known.is_complete());
    match (freshness, known) {
        (Freshness::Remembered, Some(known)) => {
            let reference = ObjectRef::<K>::new(name).within(&context.namespace);
            Ok(known
                .store
                .get(&reference)
                .map(|workload| (*workload).clone()))
        }
        (Freshness::Remembered | Freshness::Confirmed, _) => {
            let api: Api<K> = Api::namespaced(context.client.clone(), &context.namespace);
            let object = ObjectName::new(K::KIND.as_str(), &context.namespace, name);
            requests::read(&api, object, name).await
        }
    }
}

/// The pods of this revision of the workload. Its controller notes each pod's coming, readiness and
/// ending in the workload's status, so pods that settled do not change without it.
async fn members<K: Kind>(
    context: &Context,
    reference: &WorkloadRef,
    workload: &K,
    freshness: Freshness,
) -> Result<Members, Error> {
    let revision = version(workload.meta());
    let facts = &context.facts.pods;
    if freshness == Freshness::Remembered
        && let Some(known) = facts.get(reference, Some(&revision))
    {
        return Ok(known);
    }
    let lineage = workload.lineage(context).await?;
    let mut pods = candidates(context, workload).await?;
    pods.retain(|pod| lineage.has(pod));
    let members = Members {
        pods: pods
            .iter()
            .map(|pod| read::pod(pod, K::REVISION_LABEL))
            .collect(),
        update_revision: lineage.update_revision,
    };
    if read::settled(workload.live().replicas, &pods) {
        facts.put(reference.clone(), Some(revision), members.clone());
    } else {
        facts.forget(reference);
    }
    Ok(members)
}

/// What cannot be read is told in status. An API server that does not answer is an error of this
/// pass: no status could be written either.
fn unreadable<K: Kind>(error: Error) -> Result<Workload, Error> {
    let remedy = remedy(&error);
    let Some(mut refusal) = error.unread() else {
        return Err(error);
    };
    if refusal.reason == Reason::Forbidden {
        refusal.message = format!(
            "{}; the operator has to be allowed to {}, as the chart's Role does for the kinds in its value \
             workloadKinds",
            refusal.message,
            K::NEEDS
        );
    } else if let Some(remedy) = remedy {
        refusal.message = format!("{}; {remedy}", refusal.message);
    }
    Ok(Workload::Unreadable(refusal))
}
