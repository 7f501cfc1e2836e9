//! What there is in the world at a moment.

use std::{collections::BTreeMap, net::UdpSocket};

use api::{CoturnCertificate, Leaf, names};
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::{ControllerRevision, Deployment, StatefulSet},
        core::v1::{Node, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::Value;

use super::{RELEASE, World};
use crate::fixtures::{COTURN, PUBLISHED, STORE};

/// What a restart of the workload would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadState {
    /// Uids of the pods.
    pub pods: Vec<String>,
    /// The StatefulSet's generation: another one after any change of its specification.
    pub generation: Option<i64>,
}

impl World {
    /// The resource.
    pub async fn certificate(&self) -> CoturnCertificate {
        self.api().get(COTURN).await.expect("the CoturnCertificate")
    }

    /// A condition of the resource.
    pub async fn condition(&self, kind: &str) -> Option<Condition> {
        let status = self.certificate().await.status?;
        status
            .conditions
            .into_iter()
            .find(|condition| condition.type_ == kind)
    }

    /// The serial number in status.
    pub async fn serial(&self) -> Option<String> {
        Some(self.certificate().await.status?.certificate?.serial_number)
    }

    /// A Secret, if it exists.
    pub async fn secret(&self, name: &str) -> Option<Secret> {
        self.api::<Secret>().get_opt(name).await.expect("an answer")
    }

    /// The published Secret's values.
    pub async fn published(&self) -> Option<BTreeMap<String, ByteString>> {
        self.secret(PUBLISHED).await?.data
    }

    /// The leaf that is published, if it is a pair.
    pub async fn published_leaf(&self) -> Option<Leaf> {
        let data = self.published().await?;
        pki::inspect(&data.get(names::TLS_CRT)?.0, &data.get(names::TLS_KEY)?.0).ok()
    }

    /// The serial numbers of all certificates that were ever issued, from the store's record.
    pub async fn issued(&self) -> Vec<String> {
        let store = self.secret(STORE).await.expect("the store");
        let state: Value =
            serde_json::from_slice(&store.data.expect("data")["state.json"].0).expect("JSON");
        let history = state["history"].as_array().cloned().unwrap_or_default();
        history
            .iter()
            .map(|entry| entry["serial"].as_str().expect("a serial").to_owned())
            .collect()
    }

    /// The workload's pods.
    pub async fn pods(&self) -> Vec<Pod> {
        let params = ListParams::default().labels("app=coturn");
        self.api::<Pod>().list(&params).await.expect("pods").items
    }

    /// Uids of the workload's pods: others after a restart.
    pub async fn pod_uids(&self) -> Vec<String> {
        let mut uids: Vec<_> = self
            .pods()
            .await
            .iter()
            .filter_map(ResourceExt::uid)
            .collect();
        uids.sort();
        uids
    }

    /// How many revisions the workload had: a rollout makes one.
    pub async fn revisions(&self) -> usize {
        let params = ListParams::default().labels("app=coturn");
        self.api::<ControllerRevision>()
            .list(&params)
            .await
            .expect("revisions")
            .items
            .len()
    }

    /// What a restart would change.
    pub async fn workload_state(&self) -> WorkloadState {
        let workload: StatefulSet = self.api().get(COTURN).await.expect("the StatefulSet");
        WorkloadState {
            pods: self.pod_uids().await,
            generation: workload.metadata.generation,
        }
    }

    /// An address of this machine's that pods reach.
    pub async fn here(&self) -> String {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let nodes = nodes.list(&ListParams::default()).await.expect("nodes");
        let status = nodes.items[0].status.as_ref().expect("a status");
        let mut addresses = status.addresses.iter().flatten();
        let internal = addresses.find(|address| address.type_ == "InternalIP");
        let route = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        let node = internal.expect("an address").address.as_str();
        route.connect((node, 9)).expect("a route");
        route.local_addr().expect("an address").ip().to_string()
    }

    /// The operator's pods.
    pub async fn operator_pods(&self) -> Vec<Pod> {
        let params = ListParams::default().labels(&format!("app.kubernetes.io/name={RELEASE}"));
        self.api::<Pod>().list(&params).await.expect("pods").items
    }

    /// A Deployment, to look at its pods' limits.
    pub async fn operator_deployment(&self) -> Deployment {
        self.api()
            .get(RELEASE)
            .await
            .expect("the operator's Deployment")
    }
}
