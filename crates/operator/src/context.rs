//! What every pass works with.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{
    Client,
    core::DeserializeGuard,
    runtime::events::{Recorder, Reporter},
};

use api::{CoturnCertificate, names};
use k8s_openapi::api::apps::v1::StatefulSet;

use crate::{
    facts::Facts, metrics::Metrics, secret_watch::SecretIndex, wake::Bell, watches::Known,
};

/// A `CoturnCertificate` as it arrives: readable, or not.
pub type Guarded = DeserializeGuard<CoturnCertificate>;

/// What every pass works with.
pub struct Context {
    /// The namespace that is served.
    pub namespace: String,
    /// For requests; a watch has a client of its own.
    pub client: Client,
    /// All resources, as of the watch.
    pub certificates: Known<Guarded>,
    /// All StatefulSets, as of the watch.
    pub workloads: Known<StatefulSet>,
    /// Revisions of the Secrets, as of the watch.
    pub secrets: SecretIndex,
    /// What was parsed of revisions read before.
    pub facts: Facts,
    /// Events.
    pub recorder: Recorder,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Wakes other passes.
    pub bell: Bell,
}

impl Context {
    /// The time, to whole seconds as Kubernetes and X.509 have it.
    pub fn now() -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, certificate: &str) {
        self.metrics.forget(certificate);
        self.facts.confirmed.forget(certificate);
        self.facts.stores.forget(&names::store_secret(certificate));
    }

    /// Where events come from.
    pub fn reporter(identity: &str) -> Reporter {
        Reporter {
            controller: names::FIELD_MANAGER.to_owned(),
            instance: Some(identity.to_owned()),
        }
    }
}
