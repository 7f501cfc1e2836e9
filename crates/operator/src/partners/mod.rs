//! Asks federation partners whether they accept a certificate: what is in service beside the passes, and
//! the next one before it is stored. Of a partner that accepts it is judged whether coturn would let it
//! in as well.

mod judge;
mod template;
mod trust;

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use api::{Fingerprint, Partner};
use k8s_openapi::api::core::v1::PodSpec;
use kube::Client;
use pki::IssuedPair;
use plan::partner::{Answer, Answered, Answers, Call, Own, Way};
use probe::{Identity, Limits, Outcome, Protocol, Relay, Report, Target, dial, dial_through};

pub use template::pod;
use tokio::sync::OnceCell;
use trust::Trust;

use crate::{
    clock::ServerClock, error::Error, identities::Identities, metrics::Metrics, wake::Bell,
};

/// How long a handshake may take: half of what coturn itself gives a partner.
const TIME: Duration = Duration::from_secs(5);

/// Why nothing is said of a partner's own certificate where the handshake did not come as far.
const UNSEEN: &str = "the partner showed no certificate";

/// Asks partners, and remembers what they answered.
#[derive(Clone)]
pub struct Partners {
    client: Client,
    namespace: String,
    clock: ServerClock,
    bell: Bell,
    metrics: Arc<Metrics>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// By certificate.
    answers: HashMap<String, Answers>,
    under_way: HashSet<(String, Partner)>,
}

/// What is to be asked about a certificate in service.
pub struct Errand {
    /// The certificate's name.
    pub certificate: String,
    /// Its leaf.
    pub leaf: Fingerprint,
    /// Whom, and from where.
    pub calls: Vec<Call>,
    /// What the workload's pods are to be, or why that is not known.
    pub pod: Result<PodSpec, String>,
}

/// An errand that is under way.
struct Underway {
    certificate: String,
    leaf: Fingerprint,
    pod: Result<PodSpec, String>,
    identities: Option<Identities>,
    /// What coturn trusts, read once for all partners of the errand, and only if one accepts.
    trust: OnceCell<Result<Trust, String>>,
}

impl Partners {
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
            known: Arc::default(),
        }
    }

    /// What partners answered about a certificate.
    pub fn answers(&self, certificate: &str) -> Answers {
        let known = self.known();
        known.answers.get(certificate).cloned().unwrap_or_default()
    }

    /// Forgets a certificate that is gone.
    pub fn forget(&self, certificate: &str) {
        let forgotten = self.known().answers.remove(certificate);
        for partner in forgotten.unwrap_or_default().keys() {
            self.metrics.forget_partner(certificate, partner);
        }
    }

    /// Forgets partners of a certificate that are none of these.
    pub fn retain(&self, certificate: &str, partners: &[Partner]) {
        let mut known = self.known();
        let Some(answers) = known.answers.get_mut(certificate) else {
            return;
        };
        answers.retain(|partner, _| {
            let is_kept = partners.contains(partner);
            if !is_kept {
                self.metrics.forget_partner(certificate, partner);
            }
            is_kept
        });
    }

    /// Asks partners about the certificate in service, and wakes the pass that is to see their answers.
    pub fn ask(&self, errand: Errand) {
        let Errand {
            certificate,
            leaf,
            calls,
            pod,
        } = errand;
        let calls: Vec<_> = calls
            .into_iter()
            .filter(|call| self.begins(&certificate, &call.partner))
            .collect();
        if calls.is_empty() {
            return;
        }
        let partners = self.clone();
        tokio::spawn(async move {
            let errand = Underway {
                identities: partners.identities(&certificate).await.ok().flatten(),
                trust: OnceCell::new(),
                certificate,
                leaf,
                pod,
            };
            let asked = calls.into_iter().map(|call| partners.call(&errand, call));
            futures::future::join_all(asked).await;
            partners.bell.certificate(errand.certificate);
        });
    }

    fn begins(&self, certificate: &str, partner: &Partner) -> bool {
        let mut known = self.known();
        known.answers.entry(certificate.to_owned()).or_default();
        let key = (certificate.to_owned(), partner.clone());
        known.under_way.insert(key)
    }

    async fn call(&self, errand: &Underway, call: Call) {
        let report = match &errand.identities {
            Some(known) => asked(&call, known.current.clone(), known).await,
            None => Err("the store could not be read".to_owned()),
        };
        let (answer, own) = match report {
            Ok(report) => {
                let answer = answer(&report);
                let own = self.own(errand, &call.partner, &report, &answer).await;
                (answer, own)
            }
            Err(why) => (Answer::Unreached(why), Own::NotJudged(UNSEEN.to_owned())),
        };
        self.note(errand, call, answer, own);
    }

    /// What coturn would make of a partner. One that does not accept is asked again soon and often: what
    /// coturn trusts is not read each time, as nothing works until the partner accepts.
    async fn own(
        &self,
        errand: &Underway,
        partner: &Partner,
        report: &Report,
        answer: &Answer,
    ) -> Own {
        if report.chain.is_empty() {
            return Own::NotJudged(UNSEEN.to_owned());
        }
        match answer {
            Answer::Accepted => {
                let trust = errand.trust.get_or_init(|| self.trust(&errand.pod)).await;
                judge::judge(partner, &report.chain, trust, self.clock.now())
            }
            Answer::Refused(_) | Answer::Unreached(_) => {
                Own::NotJudged("it is judged once the partner accepts".to_owned())
            }
        }
    }

    async fn trust(&self, pod: &Result<PodSpec, String>) -> Result<Trust, String> {
        match pod {
            Ok(pod) => trust::read(&self.client, &self.namespace, pod).await,
            Err(why) => Err(why.clone()),
        }
    }

    /// Of a certificate that was forgotten meanwhile nothing is noted.
    fn note(&self, errand: &Underway, call: Call, answer: Answer, own: Own) {
        let (certificate, leaf, at) = (&errand.certificate, errand.leaf, self.clock.now());
        let mut known = self.known();
        known
            .under_way
            .remove(&(certificate.clone(), call.partner.clone()));
        let Some(answers) = known.answers.get_mut(certificate) else {
            return;
        };
        self.metrics.answered(certificate, &call.partner, &answer);
        let before = answers.get(&call.partner).filter(|it| it.leaf == leaf);
        let since = before
            .filter(|before| before.answer == answer)
            .map_or(at, |before| before.since);
        let has_accepted = match &answer {
            Answer::Accepted => true,
            Answer::Refused(_) => false,
            // That it could not be asked this time says nothing else.
            Answer::Unreached(_) => before.is_some_and(|before| before.has_accepted),
        };
        let answered = Answered {
            leaf,
            has_accepted,
            answer,
            own,
            way: call.way,
            at,
            since,
        };
        answers.insert(call.partner, answered);
    }

    /// Presents a pair that nobody has seen yet to partners. What an agent is known by is the pair that
    /// is published; the key of the new one stays here.
    pub async fn rehearse(
        &self,
        certificate: &str,
        calls: Vec<Call>,
        pair: &IssuedPair,
    ) -> Result<Vec<(Partner, Answer)>, Error> {
        let next = Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes());
        let (Ok(next), false) = (next, calls.is_empty()) else {
            return Ok(Vec::new());
        };
        let Some(known) = self.identities(certificate).await? else {
            return Ok(Vec::new());
        };
        let asked = calls.into_iter().map(async |call| {
            let report = asked(&call, next.clone(), &known).await;
            let answer = report.map_or_else(Answer::Unreached, |report| answer(&report));
            (call.partner, answer)
        });
        Ok(futures::future::join_all(asked).await)
    }

    async fn identities(&self, certificate: &str) -> Result<Option<Identities>, Error> {
        Identities::read(&self.client, &self.namespace, certificate).await
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handshake with a partner, on a thread of its own; or why there was none.
async fn asked(call: &Call, identity: Identity, known: &Identities) -> Result<Report, String> {
    let limits = Limits {
        time: TIME,
        ..Limits::default()
    };
    let dialling = match &call.way {
        Way::Operator => {
            let target = target(&call.partner).await?;
            tokio::task::spawn_blocking(move || dial(&target, Some(&identity), limits))
        }
        Way::Agent { address, .. } => {
            let relay = Relay {
                address: *address,
                identities: [Some(known.current.clone()), known.previous.clone()]
                    .into_iter()
                    .flatten()
                    .collect(),
            };
            let partner = probe::Partner {
                host: call.partner.host.to_ascii_lowercase(),
                port: call.partner.port,
            };
            tokio::task::spawn_blocking(move || {
                dial_through(&relay, &partner, Some(&identity), limits)
            })
        }
    };
    dialling
        .await
        .map_err(|_| "the handshake was broken off".to_owned())
}

/// Where a partner is, by the resolver of the operator's pod.
async fn target(partner: &Partner) -> Result<Target, String> {
    let host = partner.host.as_str();
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let found = tokio::time::timeout(TIME, tokio::net::lookup_host((host, partner.port))).await;
    let unknown = |why: &str| format!("the name {host} is not resolved: {why}");
    let mut addresses = found
        .map_err(|_| unknown("no answer in time"))?
        .map_err(|error| unknown(&error.to_string()))?;
    let address: SocketAddr = addresses.next().ok_or_else(|| unknown("no address"))?;
    Ok(Target {
        address,
        protocol: Protocol::Dtls12,
        server_name: (!is_address).then(|| host.to_owned()),
    })
}

/// What a partner made of what it was shown.
fn answer(report: &Report) -> Answer {
    match &report.outcome {
        Outcome::Completed => Answer::Accepted,
        Outcome::Refused(alert) => Answer::Refused(format!("{} ({alert})", alert.meaning())),
        Outcome::Unanswered | Outcome::Failed(_) => Answer::Unreached(report.outcome.to_string()),
    }
}

#[cfg(test)]
mod tests;
