//! What every pass works with.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use kube::{Client, core::DeserializeGuard};
use plan::{
    contest::{Restorations, Stamps},
    rollout::{SingleRestarts, Touches},
};

use api::{CoturnCertificate, WorkloadRef, names};

use crate::{
    backoff::Backoff,
    clock::ServerClock,
    contests::Contests,
    error::{Category, Error, ObjectName},
    events::Events,
    facts::Facts,
    metrics::Metrics,
    partners::Partners,
    prober::Prober,
    secret_watch::SecretIndex,
    wake::Bell,
    watches::Known,
    workload::Workloads,
};

/// Conflicts in a row that a watch which is behind explains. More have another cause, which does
/// not pass by itself: somebody who writes all the time, or a webhook that answers 409.
const MOST_CONFLICTS: u32 = 5;

/// A `CoturnCertificate` as it arrives: readable, or not.
pub type Guarded = DeserializeGuard<CoturnCertificate>;

/// What every pass works with.
pub struct Context {
    /// The namespace that is served.
    pub namespace: String,
    /// Whether single pods may be deleted.
    pub single_restarts: SingleRestarts,
    /// Whether the kubelet may be hurried.
    pub touches: Touches,
    /// For requests; a watch has a client of its own.
    pub client: Client,
    /// All resources, as of the watch.
    pub certificates: Known<Guarded>,
    /// All workloads, as of their watches.
    pub workloads: Workloads,
    /// Revisions of the Secrets, as of the watch.
    pub secrets: SecretIndex,
    /// What was parsed of revisions read before.
    pub facts: Facts,
    /// Events.
    pub events: Events,
    /// Published Secrets that were put right, by name.
    pub restorations: Contests<String, Restorations>,
    /// Workloads whose templates were stamped.
    pub stamps: Contests<WorkloadRef, Stamps>,
    /// Passes in a row that met a changed object.
    pub conflicts: Backoff<ObjectName>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The API server's clock.
    pub clock: ServerClock,
    /// Wakes other passes.
    pub bell: Bell,
    /// Makes handshakes beside the passes.
    pub prober: Prober,
    /// Asks partners.
    pub partners: Partners,
}

impl Context {
    /// The time, to whole seconds as Kubernetes and X.509 have it.
    pub fn now() -> Timestamp {
        whole_seconds(Timestamp::now())
    }

    /// The same by the API server's clock.
    pub fn server_now(&self) -> Timestamp {
        whole_seconds(self.clock.now())
    }

    /// Forgets a resource that is gone, and every Secret that no other one names.
    pub fn forget(&self, certificate: &str) {
        self.metrics.forget(certificate);
        self.facts.confirmed.forget(certificate);
        self.prober.forget(certificate);
        self.partners.forget(certificate);
        self.facts.stores.forget(&names::store_secret(certificate));
        let published = self.published_names();
        self.facts.published.retain(|name| published.contains(name));
        self.restorations.retain(|name| published.contains(name));
    }

    /// Forgets a workload that is gone.
    pub fn forget_workload(&self, workload: &WorkloadRef) {
        self.facts.pods.forget(workload);
        self.facts.refusals.note(workload, None);
        self.stamps.forget(workload);
    }

    /// The Secrets that resources name to be published.
    fn published_names(&self) -> BTreeSet<String> {
        let certificates = self.certificates.store.state();
        let readable = certificates.iter().filter_map(|it| it.0.as_ref().ok());
        readable.map(|it| it.spec.secret_name.clone()).collect()
    }

    /// Whether a pass over an object failed for a cause of its own, not for a change that the next
    /// pass sees.
    pub fn is_failure(&self, object: &ObjectName, error: &Error) -> bool {
        is_failure(error.category(), self.conflicts.count(object))
    }
}

const fn is_failure(category: Category, conflicts: u32) -> bool {
    match category {
        Category::Failure => true,
        Category::Stale => conflicts >= MOST_CONFLICTS,
    }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
pub mod testing;

#[cfg(test)]
mod tests {
    use api::{CoturnCertificateSpec, WorkloadKind};
    use plan::certificate::Published;
    use serde_json::{Value, json};

    use super::*;

    fn certificate(name: &str, secret: &str) -> Guarded {
        let spec: CoturnCertificateSpec =
            serde_json::from_value(json!({"issuer": {"selfSigned": {}}, "secretName": secret}))
                .unwrap();
        DeserializeGuard(Ok(CoturnCertificate::new(name, spec)))
    }

    #[tokio::test]
    async fn a_secret_is_forgotten_with_the_last_resource_that_names_it() {
        let context = testing::context(&[certificate("other", "shared")], |_| Value::Null);
        for secret in ["shared", "own"] {
            context.restorations.count(secret.to_owned(), |it| {
                it.restored(None, Timestamp::UNIX_EPOCH);
            });
            context.facts.published.put(secret, None, Published::Absent);
        }
        context.forget("gone");
        for (secret, is_known) in [("shared", true), ("own", false)] {
            let counted = context.restorations.of(secret, |it| Some(it.clone()));
            assert_eq!(counted.is_some(), is_known);
            let read = context.facts.published.get(secret, None);
            assert_eq!(read.is_some(), is_known);
        }
    }

    #[tokio::test]
    async fn a_workload_is_forgotten_without_another_of_its_name() {
        let context = testing::context(&[], |_| Value::Null);
        let coturn = |kind| WorkloadRef {
            kind,
            name: "coturn".to_owned(),
        };
        let (gone, other) = (WorkloadKind::StatefulSet, WorkloadKind::DaemonSet);
        for kind in [gone, other] {
            context.stamps.count(coturn(kind), |_| {});
        }
        context.forget_workload(&coturn(gone));
        let is_known = |kind| context.stamps.of(&coturn(kind), |_| Some(())).is_some();
        assert_eq!((is_known(gone), is_known(other)), (false, true));
    }

    #[test]
    fn a_conflict_that_does_not_end_is_a_failure() {
        assert!(!is_failure(Category::Stale, 4));
        assert!(is_failure(Category::Stale, 5));
        assert!(is_failure(Category::Failure, 0));
    }
}
