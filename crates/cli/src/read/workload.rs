//! Workloads that run coturn, and their pods.

use std::{fmt, str::FromStr};

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, StatefulSet},
        core::v1::{Pod, PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, ResourceExt,
    api::ListParams,
    core::{NamespaceResourceScope, Selector},
};
use serde::de::DeserializeOwned;

use super::Cluster;
use crate::error::Error;

/// A workload by kind and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// What may run coturn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `apps/v1`.
    StatefulSet,
    /// `apps/v1`.
    Deployment,
    /// `apps/v1`.
    DaemonSet,
    /// A pod by itself, or one of a workload's.
    Pod,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StatefulSet => "StatefulSet",
            Self::Deployment => "Deployment",
            Self::DaemonSet => "DaemonSet",
            Self::Pod => "Pod",
        })
    }
}

impl FromStr for Workload {
    type Err = String;

    /// As kubectl writes them: `statefulset/coturn`, `sts/coturn`, `statefulset.apps/coturn`.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "KIND/NAME, of a statefulset, deployment, daemonset or pod".to_owned();
        let (kind, name) = text.split_once('/').ok_or_else(form)?;
        let kind = kind.split('.').next().unwrap_or_default().to_lowercase();
        let kind = match kind.as_str() {
            "statefulset" | "statefulsets" | "sts" => Kind::StatefulSet,
            "deployment" | "deployments" | "deploy" => Kind::Deployment,
            "daemonset" | "daemonsets" | "ds" => Kind::DaemonSet,
            "pod" | "pods" | "po" => Kind::Pod,
            _ => return Err(form()),
        };
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// What the three kinds have in common.
trait Templated {
    fn template(self) -> Option<(PodTemplateSpec, LabelSelector)>;
}

impl Templated for StatefulSet {
    fn template(self) -> Option<(PodTemplateSpec, LabelSelector)> {
        self.spec.map(|spec| (spec.template, spec.selector))
    }
}

impl Templated for Deployment {
    fn template(self) -> Option<(PodTemplateSpec, LabelSelector)> {
        self.spec.map(|spec| (spec.template, spec.selector))
    }
}

impl Templated for DaemonSet {
    fn template(self) -> Option<(PodTemplateSpec, LabelSelector)> {
        self.spec.map(|spec| (spec.template, spec.selector))
    }
}

impl Cluster {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The one workload of the namespace that runs coturn.
    pub(super) async fn only_workload(&self) -> Result<Workload, Error> {
        let mut found = self.running::<StatefulSet>(Kind::StatefulSet).await?;
        found.extend(self.running::<Deployment>(Kind::Deployment).await?);
        found.extend(self.running::<DaemonSet>(Kind::DaemonSet).await?);
        if found.len() > 1 {
            let names = found.iter().map(|it| format!("{}/{}", it.kind, it.name));
            return Err(Error::ManyWorkloads(names.collect()));
        }
        found.pop().ok_or_else(|| Error::NoWorkload {
            namespace: self.namespace.clone(),
        })
    }

    async fn running<K>(&self, kind: Kind) -> Result<Vec<Workload>, Error>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + fmt::Debug
            + Templated,
        K::DynamicType: Default,
    {
        let all = self.api::<K>().list(&ListParams::default()).await;
        let all = all.map_err(|error| {
            Error::request(
                "list",
                format!("{kind}s of namespace {}", self.namespace),
                error,
            )
        })?;
        let of_coturn = all.into_iter().filter_map(|object| {
            let name = object.name_any();
            let pod = object.template()?.0.spec?;
            deployed::coturn(&pod, None).map(|_| Workload { kind, name })
        });
        Ok(of_coturn.collect())
    }

    /// What a workload's pods are to be, and one that is Ready.
    pub(super) async fn pods(&self, workload: &Workload) -> Result<(PodSpec, Option<Pod>), Error> {
        match workload.kind {
            Kind::StatefulSet => self.pods_of::<StatefulSet>(workload).await,
            Kind::Deployment => self.pods_of::<Deployment>(workload).await,
            Kind::DaemonSet => self.pods_of::<DaemonSet>(workload).await,
            Kind::Pod => {
                let pod: Pod = self.get(workload).await?;
                let spec = pod.spec.clone().unwrap_or_default();
                Ok((spec, Some(pod).filter(is_ready)))
            }
        }
    }

    async fn get<K>(&self, workload: &Workload) -> Result<K, Error>
    where
        K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + fmt::Debug,
        K::DynamicType: Default,
    {
        self.api::<K>().get(&workload.name).await.map_err(|error| {
            let object = format!("{} {}/{}", workload.kind, self.namespace, workload.name);
            Error::request("read", object, error)
        })
    }

    async fn pods_of<K>(&self, workload: &Workload) -> Result<(PodSpec, Option<Pod>), Error>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + fmt::Debug
            + Templated,
        K::DynamicType: Default,
    {
        let template = self.get::<K>(workload).await?.template();
        let (template, selector) = template.unwrap_or_default();
        let pods = match Selector::try_from(selector) {
            Ok(selector) => ListParams::default().labels_from(&selector),
            Err(_) => ListParams::default(),
        };
        let pods = self.api::<Pod>().list(&pods).await.map_err(|error| {
            Error::request(
                "list",
                format!("pods of namespace {}", self.namespace),
                error,
            )
        })?;
        let ready = pods.into_iter().find(is_ready);
        Ok((template.spec.unwrap_or_default(), ready))
    }
}

/// Whether a pod is Ready, and not about to go.
fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|it| it.conditions.iter().flatten());
    let mut ready = conditions.filter(|it| it.type_ == "Ready");
    pod.metadata.deletion_timestamp.is_none() && ready.any(|it| it.status == "True")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("statefulset/coturn", Kind::StatefulSet)]
    #[case("sts/coturn", Kind::StatefulSet)]
    #[case("deployment.apps/coturn", Kind::Deployment)]
    #[case("DaemonSet/coturn", Kind::DaemonSet)]
    #[case("pod/coturn", Kind::Pod)]
    fn a_workload_is_named_as_kubectl_names_it(#[case] text: &str, #[case] kind: Kind) {
        let name = "coturn".to_owned();
        assert_eq!(text.parse(), Ok(Workload { kind, name }));
    }

    #[rstest]
    #[case("coturn")]
    #[case("service/coturn")]
    fn anything_else_is_refused(#[case] text: &str) {
        assert!(text.parse::<Workload>().is_err());
    }
}
