//! Asks federation partners whether they accept a certificate: what is in service beside the passes, and
//! the next one before it is stored. Of a partner that accepts it is judged whether coturn would let it
//! in as well.

mod dialling;
mod judge;
mod places;
mod rehearsing;
mod template;
mod trust;

use std::{
    collections::HashMap,
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use api::{Fingerprint, Partner};
use k8s_openapi::api::core::v1::PodSpec;
use kube::Client;
use plan::partner::{Answer, Answered, Answers, Call, Heard, Own, Way};
use probe::{Certificate, Identity, Report};

pub use template::pod;
use tokio::sync::OnceCell;
use trust::Trust;

use self::{
    dialling::{answer, dialled, is_not_begun},
    places::Places,
};
use crate::{
    clock::ServerClock,
    error::Error,
    identities::Identities,
    metrics::Metrics,
    redact::redact,
    under_way::{Begun, UnderWay},
    wake::Bell,
};

/// How long a partner may wait for its turn to be asked about the certificate in service: nobody waits.
const BESIDE: Duration = Duration::from_mins(2);

/// Why nothing is said of a partner's own certificate where the handshake did not come as far.
const UNSEEN: &str = "the partner showed no certificate";
/// Why nobody is asked without a pair to be known by.
const NO_STORE: &str = "the store could not be read";

/// Asks partners, and remembers what they answered.
#[derive(Clone)]
pub struct Partners {
    client: Client,
    namespace: String,
    clock: ServerClock,
    bell: Bell,
    metrics: Arc<Metrics>,
    places: Places,
    under_way: UnderWay<Key>,
    /// By certificate.
    known: Arc<Mutex<HashMap<String, Answers>>>,
}

/// A certificate and a partner.
type Key = (String, Partner);

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
    trust: OnceCell<Arc<Result<Trust, String>>>,
}

/// What came of asking a partner.
struct Asked {
    /// The handshake, or why there was none.
    result: Result<Report, String>,
    /// From where it was dialled at last.
    way: Way,
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
            places: Places::default(),
            under_way: UnderWay::default(),
            known: Arc::default(),
        }
    }

    /// What partners answered about a certificate.
    pub fn answers(&self, certificate: &str) -> Answers {
        let known = self.known();
        known.get(certificate).cloned().unwrap_or_default()
    }

    /// Forgets a certificate that is gone.
    pub fn forget(&self, certificate: &str) {
        let forgotten = self.known().remove(certificate);
        for partner in forgotten.unwrap_or_default().keys() {
            self.metrics.forget_partner(certificate, partner);
        }
    }

    /// Forgets partners of a certificate that are none of these.
    pub fn retain(&self, certificate: &str, partners: &[Partner]) {
        let mut known = self.known();
        let Some(answers) = known.get_mut(certificate) else {
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
            .filter_map(|call| Some((self.begin(&certificate, &call.partner)?, call)))
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
            let asked = calls.into_iter().map(async |(begun, call)| {
                partners.call(&errand, call).await;
                drop::<Begun<Key>>(begun);
            });
            futures::future::join_all(asked).await;
            partners.bell.certificate(errand.certificate);
        });
    }

    fn begin(&self, certificate: &str, partner: &Partner) -> Option<Begun<Key>> {
        self.known().entry(certificate.to_owned()).or_default();
        self.under_way
            .begin((certificate.to_owned(), partner.clone()))
    }

    async fn call(&self, errand: &Underway, call: Call) {
        let Asked { result, way } = match &errand.identities {
            Some(known) => self.asked(&call, &known.current, known, BESIDE).await,
            None => Asked {
                result: Err(NO_STORE.to_owned()),
                way: call.way,
            },
        };
        let answer = answer(&result);
        let own = match result {
            Ok(report) => self.own(errand, &call.partner, report, &answer).await,
            Err(_) => Own::NotJudged(UNSEEN.to_owned()),
        };
        let heard = Heard {
            leaf: errand.leaf,
            answer,
            own,
            way,
            at: self.clock.now(),
        };
        self.note(&errand.certificate, call.partner, heard);
    }

    /// Asks a partner once it is its turn. Where an agent does not relay, another one is tried.
    async fn asked(
        &self,
        call: &Call,
        identity: &Identity,
        known: &Identities,
        patience: Duration,
    ) -> Asked {
        let begun = Instant::now();
        let mut last = None;
        for way in iter::once(&call.way).chain(&call.instead) {
            let left = patience.saturating_sub(begun.elapsed());
            let Some(_place) = self.places.take(way, left).await else {
                break;
            };
            let result = dialled(&call.partner, way, identity.clone(), known).await;
            self.metrics.partner_asked(&result);
            let goes_on = is_not_begun(&result);
            last = Some(Asked {
                result,
                way: way.clone(),
            });
            if !goes_on {
                break;
            }
        }
        last.unwrap_or_else(|| self.not_asked(call, begun))
    }

    fn not_asked(&self, call: &Call, begun: Instant) -> Asked {
        let result = Err(format!(
            "its turn did not come in {} s: others were asked for so long",
            begun.elapsed().as_secs()
        ));
        self.metrics.partner_asked(&result);
        Asked {
            result,
            way: call.way.clone(),
        }
    }

    /// What coturn would make of a partner. One that does not accept is asked again soon and often: what
    /// coturn trusts is not read each time, as nothing works until the partner accepts.
    async fn own(
        &self,
        errand: &Underway,
        partner: &Partner,
        report: Report,
        answer: &Answer,
    ) -> Own {
        if report.chain.is_empty() {
            return Own::NotJudged(UNSEEN.to_owned());
        }
        match answer {
            Answer::Accepted => {
                let trust = errand.trust.get_or_init(|| self.trust(&errand.pod)).await;
                self.judged(partner, report.chain, trust).await
            }
            Answer::Refused(_) | Answer::NotAsked | Answer::Unreached(_) => {
                Own::NotJudged("it is judged once the partner accepts".to_owned())
            }
        }
    }

    /// On a thread of its own: OpenSSL verifies what others have sent.
    async fn judged(
        &self,
        partner: &Partner,
        chain: Vec<Certificate>,
        trust: &Arc<Result<Trust, String>>,
    ) -> Own {
        let (partner, trust, now) = (partner.clone(), Arc::clone(trust), self.clock.now());
        let judging =
            tokio::task::spawn_blocking(move || judge::judge(&partner, &chain, &trust, now));
        let broken_off = |_| Own::NotJudged("the judgement was broken off".to_owned());
        judging.await.unwrap_or_else(broken_off)
    }

    /// Why it is not known is told with words from the workload's own files.
    async fn trust(&self, pod: &Result<PodSpec, String>) -> Arc<Result<Trust, String>> {
        let trust = match pod {
            Ok(pod) => trust::read(&self.client, &self.namespace, pod).await,
            Err(why) => Err(why.clone()),
        };
        Arc::new(trust.map_err(|why| redact(&why)))
    }

    /// Of a certificate that was forgotten meanwhile nothing is noted.
    fn note(&self, certificate: &str, partner: Partner, heard: Heard) {
        let mut known = self.known();
        let Some(answers) = known.get_mut(certificate) else {
            return;
        };
        self.metrics
            .answered(certificate, &partner, &heard.answer, &heard.own);
        let answered = Answered::after(answers.get(&partner), heard);
        answers.insert(partner, answered);
    }

    async fn identities(&self, certificate: &str) -> Result<Option<Identities>, Error> {
        Identities::read(&self.client, &self.namespace, certificate).await
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Answers>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
