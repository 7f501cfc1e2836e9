//! What must hold in every world.

use std::time::Duration;

use api::Fingerprint;
use kube::ResourceExt as _;

use super::{World, views::WorkloadState};
use crate::{dtls, environment::run, fixtures, wait};

/// A restart that is going to come has come after this time.
const CALM: Duration = Duration::from_secs(4);

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
        text += &self.metrics().await;
        self.keys.assert_none_in(&text);
    }
}
