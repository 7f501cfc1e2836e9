//! Metrics, in the text format of Prometheus, all with the prefix `coturncert_`.

mod handshake;
mod partners;
mod registration;

use std::sync::atomic::AtomicU64;

use api::{CertificateStatus, Fingerprint, Trigger};
use jiff::Timestamp;
use plan::{
    certificate::Observed,
    rollout::{Effect, Evidence, Live, Mounted, Progress, Stage, Verdict, Workload},
};
use probe::Report;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use self::partners::{OfPartner, PartnerResult};

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    expires: Family<Certificate, Gauge<f64, AtomicU64>>,
    renewal: Family<Certificate, Gauge<f64, AtomicU64>>,
    pods_current: Family<Certificate, Gauge>,
    pods_total: Family<Certificate, Gauge>,
    ready: Family<Certificate, Gauge>,
    issued: Family<Issue, Counter>,
    rollouts: Counter,
    pod_restarts: Counter,
    pod_evictions: Counter,
    rollbacks: Counter,
    pods_unknown: Family<Certificate, Gauge>,
    pods_not_current: Family<Certificate, Gauge>,
    proven: Family<Certificate, Gauge<f64, AtomicU64>>,
    pods_unproven: Family<Certificate, Gauge>,
    completion: Histogram,
    probes: Family<Handshake, Counter>,
    partners: Family<OfPartner, Gauge>,
    partner_results: Family<PartnerResult, Gauge>,
    partner_handshakes: Family<Handshake, Counter>,
    passes: Family<Pass, Counter>,
    duration: Histogram,
    leader: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Certificate {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Issue {
    trigger: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handshake {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pass {
    kind: &'static str,
    result: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("coturncert");
        let metrics = Self {
            expires: Family::default(),
            renewal: Family::default(),
            pods_current: Family::default(),
            pods_total: Family::default(),
            ready: Family::default(),
            issued: Family::default(),
            rollouts: Counter::default(),
            pod_restarts: Counter::default(),
            pod_evictions: Counter::default(),
            rollbacks: Counter::default(),
            pods_unknown: Family::default(),
            pods_not_current: Family::default(),
            proven: Family::default(),
            pods_unproven: Family::default(),
            completion: Histogram::new([1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21_600.0, 86_400.0]),
            probes: Family::default(),
            partners: Family::default(),
            partner_results: Family::default(),
            partner_handshakes: Family::default(),
            passes: Family::default(),
            duration: Histogram::new([0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0]),
            leader: Gauge::default(),
            registry: Registry::default(),
        };
        metrics.register(&mut registry);
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// The text of `/metrics`.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Notes the state of a certificate.
    pub fn certificate(&self, observed: &Observed, now: Timestamp) {
        let label = Certificate {
            name: observed.resource.name.clone(),
        };
        let ready = is_ready(observed);
        self.ready.get_or_create(&label).set(i64::from(ready));
        self.dates(&label, observed.resource.status.certificate.as_ref());
        let progress = observed
            .progress(now)
            .filter(|progress| !matches!(progress.stage, Stage::Unreadable(_)));
        self.pods(&label, progress.as_ref());
        self.proofs(&label, observed, now);
    }

    /// As below.
    fn proofs(&self, label: &Certificate, observed: &Observed, now: Timestamp) {
        let stored = observed.stored();
        let leaf = stored.map(|stored| stored.current.leaf.fingerprint);
        match leaf.and_then(|leaf| observed.proofs.oldest_of(leaf)) {
            Some(oldest) => drop(self.proven.get_or_create(label).set(seconds(oldest))),
            None => drop(self.proven.remove(label)),
        }
        let mounted = observed.mounted().map(|mounted| mounted.at(now));
        match (&observed.workload, mounted) {
            (Some(Workload::Present(live)), Some(mounted))
                if !mounted.assurance.endpoints.is_empty() =>
            {
                let pods = unproven(live, &mounted.within(live));
                self.pods_unproven.get_or_create(label).set(pods);
            }
            (None | Some(_), None | Some(_)) => {
                self.pods_unproven.remove(label);
            }
        }
    }

    /// What is not known any more is not shown: the last value would be taken for the present one.
    fn dates(&self, label: &Certificate, certificate: Option<&CertificateStatus>) {
        let Some(certificate) = certificate else {
            self.expires.remove(label);
            self.renewal.remove(label);
            return;
        };
        let (expires, renewal) = (certificate.not_after.0, certificate.renewal_time.0);
        self.expires.get_or_create(label).set(seconds(expires));
        self.renewal.get_or_create(label).set(seconds(renewal));
    }

    /// As above.
    fn pods(&self, label: &Certificate, progress: Option<&Progress>) {
        let Some(progress) = progress else {
            self.pods_current.remove(label);
            self.pods_total.remove(label);
            self.pods_unknown.remove(label);
            self.pods_not_current.remove(label);
            return;
        };
        let is_unknown = |it: &Evidence| matches!(it, Evidence::Unknown(_) | Evidence::NotStarted);
        let others = progress.not_current.iter().map(|(_, evidence)| evidence);
        let (unknown, wrong): (Vec<&Evidence>, Vec<&Evidence>) =
            others.partition(|it| is_unknown(it));
        let count = |pods: Vec<&Evidence>| i64::try_from(pods.len()).unwrap_or(i64::MAX);
        self.pods_unknown.get_or_create(label).set(count(unknown));
        self.pods_not_current.get_or_create(label).set(count(wrong));
        let (current, total) = (progress.current.into(), progress.total.into());
        self.pods_current.get_or_create(label).set(current);
        self.pods_total.get_or_create(label).set(total);
    }

    /// Notes that a resource cannot be acted on.
    pub fn unusable(&self, name: &str) {
        self.ready
            .get_or_create(&Certificate {
                name: name.to_owned(),
            })
            .set(0);
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, name: &str) {
        let label = Certificate {
            name: name.to_owned(),
        };
        self.dates(&label, None);
        self.pods(&label, None);
        self.ready.remove(&label);
        self.proven.remove(&label);
        self.pods_unproven.remove(&label);
    }

    /// Counts a handshake with a pod, of which this leaf is expected; none if it was broken off.
    pub fn probed(&self, report: Option<&Report>, leaf: Option<Fingerprint>) {
        let result = handshake::with_a_pod(report, leaf);
        self.probes.get_or_create(&Handshake { result }).inc();
    }

    /// Counts a certificate that was put back into service.
    pub fn rolled_back(&self) {
        self.rollbacks.inc();
    }

    /// Notes how long it took until every pod was on a certificate.
    pub fn completed(&self, took: jiff::SignedDuration) {
        self.completion.observe(took.as_secs_f64());
    }

    /// Counts a pod that was evicted.
    pub fn pod_evicted(&self) {
        self.pod_evictions.inc();
    }

    /// Counts a certificate signed.
    pub fn issued(&self, trigger: Trigger) {
        self.issued
            .get_or_create(&Issue {
                trigger: trigger.as_str(),
            })
            .inc();
    }

    /// Counts a rollout started.
    pub fn rollout_started(&self, effect: Effect) {
        match effect {
            Effect::Rollout => drop(self.rollouts.inc()),
            Effect::NoPods => {}
        }
    }

    /// Counts a pod restarted alone.
    pub fn pod_restarted(&self) {
        self.pod_restarts.inc();
    }

    /// Counts a pass; the result is `ok` or a reason.
    pub fn passed(&self, kind: &'static str, result: &'static str) {
        self.passes.get_or_create(&Pass { kind, result }).inc();
    }

    /// Notes how long a pass took.
    pub fn took(&self, duration: std::time::Duration) {
        self.duration.observe(duration.as_secs_f64());
    }

    /// Notes whether this replica acts.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }
}

fn is_ready(observed: &Observed) -> bool {
    let conditions = &observed.resource.status.conditions;
    conditions
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// How many pods the last handshake did not show to serve the certificate in service.
fn unproven(live: &Live, mounted: &Mounted) -> i64 {
    let there = live.pods.iter().filter(|pod| pod.terminating.is_none());
    let unproven = there.filter(|pod| mounted.verdict(pod) != Verdict::Current);
    i64::try_from(unproven.count()).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since 1970 are far below 2^53"
)]
fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}

#[cfg(test)]
mod tests;
