//! Whether every partner accepts the certificate in service, and whether the next one may replace it.

use api::{ConditionType, Fingerprint, Partner, PartnerStatus, Reason};
use jiff::Timestamp;

use super::{Observed, Published, Stored, finding::Finding, observed::held};
use crate::{
    Refusal,
    partner::{Answer, Answered, Call, Own, Rehearsed, Way, result},
    publication::Held,
    rollout::Workload,
};

/// How many more agents are tried where one does not relay: it may have died, or not know the certificate yet.
const INSTEAD: usize = 2;

impl Observed {
    /// Partners that are to be asked about a certificate before it is published. Without one in service
    /// that works nothing can be lost.
    #[must_use]
    pub fn partners_to_ask_first(&self, now: Timestamp) -> Vec<Call> {
        let works = self
            .stored()
            .is_some_and(|stored| stored.current.leaf.is_valid_at(now));
        let partners = self.resource.wanted.verifying.partners.iter();
        let calls = partners.map(|partner| self.call(partner));
        calls.filter(|_| works).collect()
    }

    /// Why a certificate is not put into service: a partner that lets in the one in service refuses it.
    #[must_use]
    pub fn partner_objects(&self, rehearsed: &Rehearsed) -> Option<Refusal> {
        let partner = &rehearsed.partner;
        let Answer::Refused(why) = &rehearsed.next else {
            return None;
        };
        let accepts = self.lets_in_the_current(rehearsed)?;
        Some(Refusal {
            reason: Reason::PartnerRefuses,
            message: format!(
                "{partner} {accepts} and refuses the next one, which was thrown away: {why}"
            ),
        })
    }

    /// That a partner lets in the certificate in service, in words. What it answered just now decides: who
    /// lets nobody in by now loses nothing. What is remembered is as old as the interval, and counts only
    /// if it could not be asked.
    fn lets_in_the_current(&self, rehearsed: &Rehearsed) -> Option<&'static str> {
        match &rehearsed.current {
            Some(Answer::Accepted) => Some("accepts the certificate in service"),
            Some(Answer::NotAsked) => Some("lets in the certificate in service unasked"),
            Some(Answer::Refused(_)) => None,
            Some(Answer::Unreached(_)) | None => self
                .is_known_to_accept(&rehearsed.partner)
                .then_some("accepted the certificate in service when it was asked last"),
        }
    }

    fn is_known_to_accept(&self, partner: &Partner) -> bool {
        match self.answered(partner) {
            Some(answered) => answered.has_accepted,
            None => self.was_told_to_accept(partner),
        }
    }

    /// Whether the status tells that a partner accepts the certificate in service: an operator that has
    /// just started has asked nobody.
    fn was_told_to_accept(&self, partner: &Partner) -> bool {
        let status = &self.resource.status;
        let told = status.partners.iter().find(|it| it.is_of(partner));
        let current = self
            .stored()
            .map(|it| it.current.leaf.fingerprint.to_string());
        let told_of = status.certificate.as_ref().map(|it| &it.fingerprint);
        told_of == current.as_ref() && told.is_some_and(|it| it.result == Reason::Accepted.as_str())
    }

    /// Through an agent, where one is there: a partner that filters by address does not let in the operator.
    fn call(&self, partner: &Partner) -> Call {
        let mut agents = self.agents().take(1 + INSTEAD);
        Call {
            partner: partner.clone(),
            way: agents.next().unwrap_or(Way::Operator),
            instead: agents.collect(),
        }
    }

    /// Those of the pods that are Ready, in their order.
    fn agents(&self) -> impl Iterator<Item = Way> {
        let live = match &self.workload {
            Some(Workload::Present(live)) => Some(live),
            Some(Workload::Missing | Workload::Unreadable(_)) | None => None,
        };
        let pods = live.into_iter().flat_map(|live| &live.pods);
        let ready = pods.filter(|pod| pod.terminating.is_none() && pod.ready_since.is_some());
        ready.filter_map(|pod| {
            Some(Way::Agent {
                pod: pod.name.clone(),
                address: pod.relay?,
            })
        })
    }

    /// What a partner answered about the certificate in service.
    fn answered(&self, partner: &Partner) -> Option<&Answered> {
        let leaf = self.stored()?.current.leaf.fingerprint;
        let answered = self.answers.get(partner)?;
        (answered.leaf == leaf).then_some(answered)
    }
}

/// The partners that are to be asked at a time about what is published, and when the next one is, by the
/// API server's clock.
pub fn calls(observed: &Observed, now: Timestamp) -> (Vec<Call>, Option<Timestamp>) {
    let Some(leaf) = published(observed) else {
        return (Vec::new(), None);
    };
    let verifying = &observed.resource.wanted.verifying;
    let now = observed.server_time(now);
    let due = |partner: &Partner| {
        let answered = observed.answers.get(partner);
        answered.map_or(Timestamp::MIN, |it| it.next(leaf, verifying.interval))
    };
    let partners = verifying
        .partners
        .iter()
        .map(|partner| (partner, due(partner)));
    let (wanted, later): (Vec<_>, Vec<_>) = partners.partition(|(_, due)| *due <= now);
    let calls = wanted
        .into_iter()
        .map(|(partner, _)| observed.call(partner));
    (calls.collect(), later.into_iter().map(|(_, due)| due).min())
}

/// The leaf in service, if it is published.
fn published(observed: &Observed) -> Option<Fingerprint> {
    let stored: &Stored = observed.stored()?;
    let leaf = stored.current.leaf.fingerprint;
    match &observed.published {
        Published::Present(secret) => (held(secret, stored) == Held::Leaf(leaf)).then_some(leaf),
        Published::Absent | Published::Unreadable(_) => None,
    }
}

/// What the partners make of the certificate in service, if any are named. The worst of them speaks.
pub fn judge(observed: &Observed) -> Option<Finding> {
    let partners = &observed.resource.wanted.verifying.partners;
    let findings = partners.iter().map(|partner| of_partner(observed, partner));
    let (worst, finding) = findings.max_by_key(|(standing, _)| *standing)?;
    if worst != Standing::Accepted {
        return Some(finding);
    }
    let names: Vec<_> = partners.iter().map(ToString::to_string).collect();
    let mut message = format!("accepted by {}", names.join(", "));
    let mut own = partners
        .iter()
        .filter_map(|partner| not_judged(observed, partner));
    if let Some(why) = own.next() {
        message = format!("{message}; their own certificates were not judged: {why}");
    }
    Some(Finding::yes(Reason::Accepted, message))
}

/// How it stands with a partner. A later variant is the worse one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Accepted,
    Awaited,
    NotAsked,
    Unreached,
    NotTrusted,
    Refuses,
}

fn of_partner(observed: &Observed, partner: &Partner) -> (Standing, Finding) {
    let Some(answered) = observed.answered(partner) else {
        let awaited = kept(observed).unwrap_or_else(|| {
            Finding::unknown(Reason::AwaitingProof, format!("{partner} is asked"))
        });
        return (Standing::Awaited, awaited);
    };
    let result = result(&answered.answer, &answered.own);
    let way = answered.way.describe();
    match (&answered.answer, &answered.own) {
        (Answer::Refused(why), _) => (
            Standing::Refuses,
            Finding::no(
                result,
                format!("{partner} refuses the certificate in service: {why}; {way}"),
            ),
        ),
        (Answer::NotAsked, _) => (
            Standing::NotAsked,
            Finding::unknown(
                result,
                format!(
                    "{partner} completed the handshake and asked for no certificate: nobody has judged ours; see \
                     whether the port is that of federation, and whether the partner has a CA-file"
                ),
            ),
        ),
        (Answer::Unreached(why), _) => (
            Standing::Unreached,
            Finding::unknown(result, format!("{partner} cannot be asked: {why}; {way}")),
        ),
        (Answer::Accepted, Own::NotTrusted(why)) => (
            Standing::NotTrusted,
            Finding::no(
                result,
                format!(
                    "{partner} accepts the certificate in service, and its own is not to be trusted: {why}"
                ),
            ),
        ),
        (Answer::Accepted, Own::Trusted | Own::NotJudged(_)) => {
            (Standing::Accepted, Finding::yes(result, String::new()))
        }
    }
}

fn not_judged<'a>(observed: &'a Observed, partner: &Partner) -> Option<&'a str> {
    match &observed.answered(partner)?.own {
        Own::NotJudged(why) => Some(why),
        Own::Trusted | Own::NotTrusted(_) => None,
    }
}

/// What was told of this certificate, while an operator that has just started asks the partners.
fn kept(observed: &Observed) -> Option<Finding> {
    let status = &observed.resource.status;
    let current = observed.stored()?.current.leaf.fingerprint.to_string();
    let told_of = status.certificate.as_ref()?;
    let told = status.conditions.iter().find(|condition| {
        condition.type_ == ConditionType::PartnerAccepted.as_str()
            && condition.status == "True"
            && condition.observed_generation == Some(observed.resource.generation)
    })?;
    (told_of.fingerprint == current).then(|| Finding::yes(Reason::Accepted, told.message.clone()))
}

/// A line of status for each partner.
pub fn status(observed: &Observed) -> Vec<PartnerStatus> {
    let partners = observed.resource.wanted.verifying.partners.iter();
    let told = |partner: &Partner| {
        let status = &observed.resource.status.partners;
        let told = status.iter().find(|it| it.is_of(partner));
        told.filter(|_| kept(observed).is_some()).cloned()
    };
    partners
        .map(|partner| {
            let (_, finding) = of_partner(observed, partner);
            let result = finding.reason.as_str().to_owned();
            let known = observed.answered(partner).is_some();
            told(partner)
                .filter(|_| !known)
                .unwrap_or_else(|| PartnerStatus {
                    host: partner.host.clone(),
                    port: partner.port,
                    result,
                })
        })
        .collect()
}
