//! Handshakes with pods, beside the passes: a plan wants them, a later one observes what they showed.
//! A few at a time, each bounded, none kept waiting by a pass or keeping one waiting.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use api::{Endpoint, Protocol, WorkloadRef};
use kube::Client;
use plan::rollout::{Probe, Proof, Proofs, Shown};
use probe::{Identity, Limits, Outcome, Report, Target, Trouble};
use tokio::sync::Semaphore;

use crate::{clock::ServerClock, identities::Identities, metrics::Metrics, wake::Bell};

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
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// By certificate.
    proofs: HashMap<String, Proofs>,
    under_way: HashSet<(String, Key)>,
}

/// The incarnation of a pod, and an endpoint.
type Key = (String, Endpoint);

/// What is wanted for a certificate.
pub struct Errand {
    /// The certificate's name.
    pub certificate: String,
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
            known: Arc::default(),
        }
    }

    /// What is known of a certificate's pods.
    pub fn proofs(&self, certificate: &str) -> Proofs {
        let known = self.known();
        known.proofs.get(certificate).cloned().unwrap_or_default()
    }

    /// Forgets what is known of pods of a certificate that are none of these.
    pub fn retain(&self, certificate: &str, incarnations: &HashSet<&str>) {
        if let Some(proofs) = self.known().proofs.get_mut(certificate) {
            let by_pod = &mut proofs.by_pod;
            by_pod.retain(|(incarnation, _), _| incarnations.contains(incarnation.as_str()));
        }
    }

    /// Forgets a certificate that is gone.
    pub fn forget(&self, certificate: &str) {
        self.known().proofs.remove(certificate);
    }

    /// Makes the handshakes that are wanted and not under way, and wakes the passes that are to see
    /// what they showed.
    pub fn ask(&self, errand: Errand) {
        let probes: Vec<_> = errand
            .probes
            .into_iter()
            .filter(|probe| self.begins(&errand.certificate, probe))
            .collect();
        if probes.is_empty() {
            return;
        }
        let own = self.clone();
        tokio::spawn(async move {
            let identity = own.identity(&errand.certificate).await;
            let handshakes = probes.into_iter().map(|probe| {
                own.shake(
                    &errand.certificate,
                    &errand.workload,
                    probe,
                    identity.clone(),
                )
            });
            futures::future::join_all(handshakes).await;
        });
    }

    fn begins(&self, certificate: &str, probe: &Probe) -> bool {
        let mut known = self.known();
        known.proofs.entry(certificate.to_owned()).or_default();
        known.under_way.insert((certificate.to_owned(), key(probe)))
    }

    /// What is presented where a certificate is asked for: the certificate itself.
    async fn identity(&self, certificate: &str) -> Option<Identity> {
        let stored = Identities::read(&self.client, &self.namespace, certificate).await;
        Some(stored.ok()??.current)
    }

    async fn shake(
        &self,
        certificate: &str,
        workload: &WorkloadRef,
        probe: Probe,
        identity: Option<Identity>,
    ) {
        let permit = self.permits.acquire().await;
        let target = target(&probe);
        let dialled =
            tokio::task::spawn_blocking(move || probe::dial(&target, identity.as_ref(), limits()))
                .await;
        drop(permit);
        let shown = dialled.map_or_else(
            |_| Shown::Silence("the handshake was broken off".to_owned()),
            |report| shown(&report),
        );
        self.metrics.probed(&shown);
        self.note(certificate, &probe, shown);
        self.bell.certificate(certificate.to_owned());
        self.bell.workload(workload.clone());
    }

    /// Of a certificate that was forgotten meanwhile nothing is noted.
    fn note(&self, certificate: &str, probe: &Probe, shown: Shown) {
        let (at, key) = (self.clock.now(), key(probe));
        let mut known = self.known();
        known
            .under_way
            .remove(&(certificate.to_owned(), key.clone()));
        let Some(proofs) = known.proofs.get_mut(certificate) else {
            return;
        };
        if let Shown::Leaf(_) = shown {
            proofs.answered.insert(probe.endpoint.clone(), at);
        }
        let before = proofs.by_pod.get(&key);
        let since = before
            .filter(|before| before.shown == shown)
            .map_or(at, |before| before.since);
        proofs.by_pod.insert(key, Proof { shown, at, since });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(probe: &Probe) -> Key {
    (probe.incarnation.clone(), probe.endpoint.clone())
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
