//! What must hold in every world.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use api::Fingerprint;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::{World, views::WorkloadState};
use crate::{dtls, environment::run, fixtures, wait};

/// A restart that is going to come has come after this time.
const CALM: Duration = Duration::from_secs(4);
/// Where the operator answers.
const METRICS_PORT: u16 = 8080;

impl World {
    /// Stops the test unless every pod serves the leaf that is published.
    pub async fn assert_served(&self) -> Fingerprint {
        let published = self
            .published_leaf()
            .await
            .expect("a published pair")
            .fingerprint;
        for pod in self.pods().await {
            let address = pod
                .status
                .as_ref()
                .and_then(|status| status.pod_ip.clone())
                .expect("an address");
            let ca = self.ca_file();
            let served = dtls::until_dialled(&address, fixtures::DTLS_PORT, &ca).await;
            let leaf = dtls::fingerprint(&served);
            assert_eq!(leaf, published, "{} serves something else", pod.name_any());
        }
        published
    }

    /// Stops the test if the workload is restarted, or about to be.
    pub async fn assert_no_restart_since(&self, before: &WorkloadState) {
        wait::throughout("no restart", CALM, async || {
            self.workload_state().await == *before
        })
        .await;
    }

    /// Stops the test if a private key that ever lay in a Secret of this namespace stands in the
    /// operator's log, in its metrics, in an Event, in a resource or in `more`.
    pub async fn assert_no_key_leaked(&self, more: &str) {
        let mut text = format!("{}{more}", self.operator_log());
        text += &run(self.kubectl().args(["get", "events", "--output", "yaml"]));
        text += &run(self.kubectl().args([
            "get",
            "coturncertificates,statefulsets,deployments,daemonsets,pods",
            "--output",
            "yaml",
        ]));
        for pod in self.operator_pods().await {
            text += &metrics(&pod);
        }
        self.keys.assert_none_in(&text);
    }
}

/// What the operator in a pod tells of itself.
fn metrics(pod: &Pod) -> String {
    let status = pod.status.as_ref().expect("a status");
    let address = status.pod_ip.as_ref().expect("an address");
    let mut stream = TcpStream::connect((address.as_str(), METRICS_PORT)).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.lines().next().unwrap_or_default();
    assert!(status.ends_with("200 OK"), "/metrics: {status}");
    answer
}
