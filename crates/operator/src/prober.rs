//! Handshakes with pods, beside the passes: a plan wants them, a later one observes what they showed.
//! A few at a time, each bounded, none kept waiting by a pass or keeping one waiting.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use api::{Endpoint, Fingerprint, Protocol, WorkloadRef};
use kube::Client;
use plan::rollout::{Probe, Proofs, Shown};
use probe::{Identity, Limits, Outcome, Report, Target, Trouble};
use tokio::sync::Semaphore;

use crate::{
    clock::ServerClock,
    identities::Identities,
    metrics::Metrics,
    under_way::{Begun, UnderWay},
    wake::Bell,
};

/// Handshakes at one time.
const AT_ONCE: usize = 4;
/// How long a handshake may take: a lost flight is sent again after one and after two seconds more.
const TIME: Duration = Duration::from_secs(5);

/// Makes handshakes, and remembers what they showed.
#[derive(Clone)]
pub struct Prober {
    client: Client,
    namespace: String,
    clock: ServerClock,
    bell: Bell,
    metrics: Arc<Metrics>,
    permits: Arc<Semaphore>,
    under_way: UnderWay<Key>,
    /// By certificate.
    known: Arc<Mutex<HashMap<String, Proofs>>>,
}

/// A certificate, the incarnation of a pod, and an endpoint.
type Key = (String, String, Endpoint);

/// What is wanted for a certificate.
pub struct Errand {
    /// The certificate's name.
    pub certificate: String,
    /// Its leaf, if it has one.
    pub leaf: Option<Fingerprint>,
    /// The workload whose pods are dialled.
    pub workload: WorkloadRef,
    /// The handshakes.
    pub probes: Vec<Probe>,
}

impl Prober {
    /// Asks the API server by this client for what is presented.
    pub fn new(
        client: Client,
        namespace: &str,
        clock: ServerClock,
        bell: Bell,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            clock,
            bell,
            metrics,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            under_way: UnderWay::default(),
            known: Arc::default(),
        }
    }

    /// What is known of a certificate's pods.
    pub fn proofs(&self, certificate: &str) -> Proofs {
        let known = self.known();
        known.get(certificate).cloned().unwrap_or_default()
    }

    /// Forgets what is known of a certificate but for these pods and endpoints.
    pub fn retain(&self, certificate: &str, incarnations: &BTreeSet<&str>, endpoints: &[Endpoint]) {
        if let Some(proofs) = self.known().get_mut(certificate) {
            proofs.retain(incarnations, endpoints);
        }
    }

    /// Forgets a certificate that is gone.
    pub fn forget(&self, certificate: &str) {
        self.known().remove(certificate);
    }

    /// Makes the handshakes that are wanted and not under way, and wakes the passes that are to see
    /// what they showed.
    pub fn ask(&self, errand: Errand) {
        let Errand {
            certificate,
            leaf,
            workload,
            probes,
        } = errand;
        let probes: Vec<_> = probes
            .into_iter()
            .filter_map(|probe| Some((self.begin(&certificate, &probe)?, probe)))
            .collect();
        if probes.is_empty() {
            return;
        }
        let own = self.clone();
        tokio::spawn(async move {
            let identity = own.identity(&certificate).await;
            let handshakes = probes.into_iter().map(async |(begun, probe)| {
                let report = own.shaken(&probe, identity.clone()).await;
                own.metrics.probed(report.as_ref(), leaf);
                own.note(&certificate, &probe, report.as_ref());
                drop::<Begun<Key>>(begun);
                own.bell.certificate(certificate.clone());
                own.bell.workload(workload.clone());
            });
            futures::future::join_all(handshakes).await;
        });
    }

    fn begin(&self, certificate: &str, probe: &Probe) -> Option<Begun<Key>> {
        self.known().entry(certificate.to_owned()).or_default();
        self.under_way.begin((
            certificate.to_owned(),
            probe.incarnation.clone(),
            probe.endpoint.clone(),
        ))
    }

    /// What is presented where a certificate is asked for: the certificate itself.
    async fn identity(&self, certificate: &str) -> Option<Identity> {
        let stored = Identities::read(&self.client, &self.namespace, certificate).await;
        Some(stored.ok()??.current)
    }

    /// A handshake on a thread of its own; none if it was broken off.
    async fn shaken(&self, probe: &Probe, identity: Option<Identity>) -> Option<Report> {
        let _permit = self.permits.acquire().await;
        let target = target(probe);
        let dialling =
            tokio::task::spawn_blocking(move || probe::dial(&target, identity.as_ref(), limits()));
        dialling.await.ok()
    }

    /// Of a certificate that was forgotten meanwhile nothing is noted.
    fn note(&self, certificate: &str, probe: &Probe, report: Option<&Report>) {
        let broken_off = || Shown::Silence("the handshake was broken off".to_owned());
        let (at, shown) = (self.clock.now(), report.map_or_else(broken_off, shown));
        if let Some(proofs) = self.known().get_mut(certificate) {
            proofs.note(&probe.incarnation, &probe.endpoint, shown, at);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Proofs>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn target(probe: &Probe) -> Target {
    Target {
        address: probe.address,
        protocol: match probe.endpoint.protocol {
            Protocol::Dtls => probe::Protocol::Dtls12,
            Protocol::Tls => probe::Protocol::Tls,
        },
        server_name: None,
    }
}

fn limits() -> Limits {
    Limits {
        time: TIME,
        ..Limits::default()
    }
}

/// What a handshake showed. A server that refuses the client has shown its certificate all the same.
fn shown(report: &Report) -> Shown {
    if let Some(leaf) = report.fingerprint() {
        return Shown::Leaf(leaf);
    }
    let how = report.outcome.to_string();
    match &report.outcome {
        Outcome::Failed(Trouble::Closed) => Shown::Closed(how),
        Outcome::Failed(
            Trouble::Unreachable(_) | Trouble::Silent(_) | Trouble::Slow(_) | Trouble::NotBegun(_),
        ) => Shown::Silence(how),
        Outcome::Completed
        | Outcome::Unanswered
        | Outcome::Refused(_)
        | Outcome::Failed(Trouble::Endless(_) | Trouble::Cut | Trouble::Broken(_)) => {
            Shown::Nothing(how)
        }
    }
}

#[cfg(test)]
mod tests {
    use api::Fingerprint;
    use probe::{Alert, Certificate, Demand};
    use rstest::rstest;

    use super::*;

    fn report(outcome: Outcome) -> Report {
        Report {
            chain: Vec::new(),
            session: None,
            demand: Demand::Unknown,
            outcome,
            elapsed: Duration::ZERO,
        }
    }

    #[rstest]
    #[case::closed(Outcome::Failed(Trouble::Closed), false)]
    #[case::filtered(Outcome::Failed(Trouble::Silent(TIME)), false)]
    #[case::no_files(Outcome::Refused(Alert::from_code(40)), true)]
    #[case::another_protocol(Outcome::Failed(Trouble::Broken("record".to_owned())), true)]
    #[case::hangs_up(Outcome::Failed(Trouble::Cut), true)]
    fn who_answers_without_a_certificate_is_told_from_who_does_not_answer(
        #[case] outcome: Outcome,
        #[case] answers: bool,
    ) {
        let shown = shown(&report(outcome));
        assert_eq!(matches!(shown, Shown::Nothing(_)), answers, "{shown:?}");
    }

    #[test]
    fn a_server_that_refuses_the_client_has_shown_what_it_serves() {
        let leaf = Fingerprint::from_digest([1; 32]);
        let refused = Report {
            chain: vec![Certificate {
                fingerprint: leaf,
                der: Vec::new(),
            }],
            ..report(Outcome::Refused(Alert::from_code(48)))
        };
        assert_eq!(shown(&refused), Shown::Leaf(leaf));
    }
}
