//! A workload and its pods, as far as decisions need them.

use k8s_openapi::{
    api::{apps::v1::StatefulSet, core::v1::Pod as KubePod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{Api, api::ListParams, core::Selector, runtime::reflector::ObjectRef};
use plan::rollout::{Pod, Workload};

use super::read;
use crate::{
    certificate::Freshness,
    context::Context,
    error::{Error, ObjectName, remedy},
    requests,
    secret::version,
};

/// Observes a StatefulSet and its pods.
pub async fn observe(
    context: &Context,
    namespace: &str,
    name: &str,
    freshness: Freshness,
) -> Result<Workload, Error> {
    let workload = match find(context, namespace, name, freshness).await {
        Ok(Some(workload)) => workload,
        Ok(None) => {
            context.facts.pods.forget(name);
            return Ok(Workload::Missing);
        }
        Err(error) => return unreadable(error),
    };
    let pods = match pods(context, namespace, name, &workload, freshness).await {
        Ok(pods) => pods,
        Err(error) => return unreadable(error),
    };
    let mut live = read::live(&workload, pods);
    live.refused = context.facts.refusals.get(name);
    Ok(Workload::Present(Box::new(live)))
}

async fn find(
    context: &Context,
    namespace: &str,
    name: &str,
    freshness: Freshness,
) -> Result<Option<StatefulSet>, Error> {
    match freshness {
        Freshness::Remembered if context.workloads.is_complete() => {
            let reference = ObjectRef::<StatefulSet>::new(name).within(namespace);
            Ok(context
                .workloads
                .store
                .get(&reference)
                .map(|workload| (*workload).clone()))
        }
        Freshness::Remembered | Freshness::Confirmed => {
            let api: Api<StatefulSet> = Api::namespaced(context.client.clone(), namespace);
            requests::read(&api, ObjectName::new("StatefulSet", namespace, name), name).await
        }
    }
}

/// The pods of this revision of the workload. Its controller notes each pod's coming, readiness and
/// ending in the workload's status, so pods that settled do not change without it.
async fn pods(
    context: &Context,
    namespace: &str,
    name: &str,
    workload: &StatefulSet,
    freshness: Freshness,
) -> Result<Vec<Pod>, Error> {
    let revision = version(&workload.metadata);
    let facts = &context.facts.pods;
    if freshness == Freshness::Remembered
        && let Some(known) = facts.get(name, Some(&revision))
    {
        return Ok(known);
    }
    let uid = workload.metadata.uid.as_deref().unwrap_or_default();
    let listed = list(context, namespace, workload).await?;
    let owned: Vec<_> = listed.iter().filter(|pod| is_owned(pod, uid)).collect();
    let pods: Vec<_> = owned.iter().map(|pod| read::pod(pod)).collect();
    if read::settled(workload, &owned) {
        facts.put(name, Some(revision), pods.clone());
    } else {
        facts.forget(name);
    }
    Ok(pods)
}

async fn list(
    context: &Context,
    namespace: &str,
    workload: &StatefulSet,
) -> Result<Vec<KubePod>, Error> {
    let selector = workload
        .spec
        .as_ref()
        .map(|spec| spec.selector.clone())
        .unwrap_or_default();
    let params = ListParams::default().labels_from(&selector_of(selector));
    let api: Api<KubePod> = Api::namespaced(context.client.clone(), namespace);
    let listed = api.list(&params).await.map_err(|error| Error::Read {
        object: ObjectName::new(
            "Pods of StatefulSet",
            namespace,
            workload.metadata.name.as_deref().unwrap_or_default(),
        ),
        failure: error.into(),
    })?;
    Ok(listed.items)
}

fn selector_of(selector: LabelSelector) -> Selector {
    // The API server admits no StatefulSet whose selector cannot be parsed.
    Selector::try_from(selector).unwrap_or_default()
}

fn is_owned(pod: &KubePod, uid: &str) -> bool {
    pod.metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.uid == uid)
}

/// What cannot be read is told in status. An API server that does not answer is an error of this
/// pass: no status could be written either.
fn unreadable(error: Error) -> Result<Workload, Error> {
    let remedy = remedy(&error);
    let Some(mut refusal) = error.unread() else {
        return Err(error);
    };
    if let Some(remedy) = remedy {
        refusal.message = format!("{}; {remedy}", refusal.message);
    }
    Ok(Workload::Unreadable(refusal))
}
