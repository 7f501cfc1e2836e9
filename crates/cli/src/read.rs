//! Reading a workload from the cluster: its pods, what they mount, and what coturn is told in them.
//!
//! Of Secrets only the metadata is read, which names the keys and holds no value. One exception: a
//! turnserver.conf that lies in a Secret itself.

mod config;
mod object;
mod workload;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kube::Client;

use crate::{error::Error, facts::Extent, report::Gap};

pub use config::Configured;
pub use workload::Workload;

/// A workload as it was found.
pub struct Subject {
    /// Kind, namespace and name.
    pub title: String,
    /// Its pods' template, or the pod's own specification.
    pub pod: PodSpec,
    /// Name of the container that runs coturn.
    pub container: Container,
    /// A Ready pod, if there is one.
    pub ready: Option<Pod>,
}

/// Where to look.
pub struct Cluster {
    /// A client of the user's.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
}

impl Cluster {
    /// Reads a workload.
    ///
    /// # Errors
    /// What could not be read, or that it is not clear what to read.
    pub async fn subject(
        &self,
        workload: Option<&Workload>,
        container: Option<&str>,
    ) -> Result<Subject, Error> {
        let workload = match workload {
            Some(workload) => workload.clone(),
            None => self.only_workload().await?,
        };
        let (pod, ready) = self.pods(&workload).await?;
        let title = format!("{} {}/{}", workload.kind, self.namespace, workload.name);
        let found = deployed::coturn(&pod, container).cloned();
        let container = found.ok_or_else(|| without_container(&title, &pod, container))?;
        Ok(Subject {
            title,
            pod,
            container,
            ready,
        })
    }

    /// Reads what coturn is told there. What cannot be read is a gap, and no error.
    pub async fn configured(&self, subject: &Subject, gaps: &mut Vec<Gap>) -> Configured {
        config::Reader {
            cluster: self,
            subject,
            gaps,
            extent: Extent::Whole,
            is_changed: false,
            read: Vec::new(),
        }
        .read()
        .await
    }
}

/// Why none of a workload's containers is the one that runs coturn.
fn without_container(workload: &str, pod: &PodSpec, name: Option<&str>) -> Error {
    let workload = workload.to_owned();
    let containers = pod.containers.iter().map(|it| it.name.clone()).collect();
    match name {
        Some(name) => Error::NoSuchContainer {
            workload,
            name: name.to_owned(),
            containers,
        },
        None => Error::NoContainer {
            workload,
            containers,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_is_not_there_is_told_with_those_that_are() {
        let pod = serde_saphyr::from_str("{containers: [{name: turn}, {name: agent}]}").unwrap();
        let told = without_container("Pod wire/coturn", &pod, Some("coturn"));
        assert_eq!(
            told.to_string(),
            "Pod wire/coturn has no container coturn; name one of turn, agent by --container"
        );
        let told = without_container("Pod wire/coturn", &pod, None).to_string();
        assert!(
            told.contains("none of its containers runs coturn"),
            "{told}"
        );
    }
}
