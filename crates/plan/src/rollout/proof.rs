//! What handshakes with pods showed. A proof stands above what start times tell: it is what a partner
//! would see.

use std::collections::{BTreeMap, BTreeSet};

use api::{Endpoint, Fingerprint, RolloutStrategy};
use jiff::{SignedDuration, Timestamp};

use super::{Doubt, Evidence, Live, Mounted, NotCurrent, Pod, Progress};
use crate::publication::Held;

/// What a handshake with an endpoint of a pod showed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What it showed.
    pub shown: Shown,
    /// When, by the API server's clock.
    pub at: Timestamp,
    /// Since when every handshake showed just that, by the same clock.
    pub since: Timestamp,
}

/// What a handshake showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// This leaf is served.
    Leaf(Fingerprint),
    /// Somebody answers, and serves no certificate: how the handshake ended.
    Nothing(String),
    /// The port is closed, or seems so.
    Closed(String),
    /// Nobody answers, or cannot be reached: why.
    Silence(String),
}

/// What is known by handshakes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// By the incarnation of a pod's containers and the endpoint.
    pub by_pod: BTreeMap<(String, Endpoint), Proof>,
    /// When some pod of the workload, if it is gone by now or not, showed a leaf at an endpoint last.
    pub answered: BTreeMap<Endpoint, Timestamp>,
    /// The leaf that was shown last, as in `by_pod`, and when: also where nobody answers since.
    pub leaves: BTreeMap<(String, Endpoint), (Fingerprint, Timestamp)>,
}

impl Proofs {
    pub(super) fn of(&self, pod: &Pod, endpoint: &Endpoint) -> Option<&Proof> {
        self.by_pod
            .get(&(pod.incarnation.clone(), endpoint.clone()))
    }

    /// Adds what a handshake with an endpoint of an incarnation showed.
    pub fn note(&mut self, incarnation: &str, endpoint: &Endpoint, shown: Shown, at: Timestamp) {
        let key = (incarnation.to_owned(), endpoint.clone());
        if let Shown::Leaf(leaf) = shown {
            self.answered.insert(endpoint.clone(), at);
            self.leaves.insert(key.clone(), (leaf, at));
        }
        let before = self.by_pod.get(&key);
        let since = before
            .filter(|before| before.shown == shown)
            .map_or(at, |before| before.since);
        self.by_pod.insert(key, Proof { shown, at, since });
    }

    /// Forgets all but these endpoints of these incarnations.
    pub fn retain(&mut self, incarnations: &BTreeSet<&str>, endpoints: &[Endpoint]) {
        let is_kept = |(incarnation, endpoint): &(String, Endpoint)| {
            incarnations.contains(incarnation.as_str()) && endpoints.contains(endpoint)
        };
        self.by_pod.retain(|key, _| is_kept(key));
        self.leaves.retain(|key, _| is_kept(key));
        self.answered
            .retain(|endpoint, _| endpoints.contains(endpoint));
    }

    /// When that one was seen to serve this leaf that was seen so longest ago.
    #[must_use]
    pub fn oldest_of(&self, leaf: Fingerprint) -> Option<Timestamp> {
        let seen = self.leaves.values();
        let good = seen.filter(|(shown, _)| *shown == leaf);
        good.map(|(_, at)| *at).min()
    }

    /// What handshakes with the other pods showed at this endpoint.
    fn of_others(&self, pod: &Pod, endpoint: &Endpoint) -> impl Iterator<Item = &Proof> {
        let proofs = self.by_pod.iter();
        let others = proofs.filter(move |((incarnation, at), _)| {
            at == endpoint && *incarnation != pod.incarnation
        });
        others.map(|(_, proof)| proof)
    }

    /// Whether another pod showed a certificate at this endpoint since then.
    fn another_serves(&self, pod: &Pod, endpoint: &Endpoint, since: Timestamp) -> bool {
        let mut others = self.of_others(pod, endpoint);
        others.any(|proof| matches!(proof.shown, Shown::Leaf(_)) && proof.at >= since)
    }

    /// Since when another pod shows no certificate at this endpoint although it seems to be there.
    pub(super) fn doubted_since(&self, pod: &Pod, endpoint: &Endpoint) -> Option<Timestamp> {
        let others = self.of_others(pod, endpoint);
        let doubts =
            others.filter(|proof| matches!(proof.shown, Shown::Closed(_) | Shown::Nothing(_)));
        doubts.map(|proof| proof.since).max()
    }
}

/// What all endpoints of a pod together tell. A later variant is the worse one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No endpoint is named.
    Unasked,
    /// The certificate in service is served.
    Current,
    /// A handshake is to tell.
    Awaited,
    /// Somebody could not be reached: where, and why.
    Unreached(String),
    /// Somebody answers and serves no certificate: where, and how the handshake ended.
    Nothing(String),
    /// Another certificate is served: where.
    Another(String, Fingerprint),
}

/// How long handshakes must show the same wrong thing until it counts. A process that starts, or takes
/// its files up again, is given so long.
const CONFIRMATION: SignedDuration = SignedDuration::from_secs(10);

/// What the handshakes with a pod tell of the certificate that it serves.
#[must_use]
pub fn verdict(pod: &Pod, mounted: &Mounted) -> Verdict {
    let endpoints = mounted.assurance.endpoints.iter();
    let verdicts = endpoints.map(|endpoint| of_endpoint(pod, mounted, endpoint));
    verdicts.max().unwrap_or(Verdict::Unasked)
}

pub(super) fn of_endpoint(pod: &Pod, mounted: &Mounted, endpoint: &Endpoint) -> Verdict {
    let Some(proof) = mounted.assurance.proofs.of(pod, endpoint) else {
        return Verdict::Awaited;
    };
    let published = mounted.published_since().unwrap_or(Timestamp::MAX);
    let counts = proof.at.duration_since(proof.since.max(published)) >= CONFIRMATION;
    match &proof.shown {
        Shown::Leaf(leaf) if mounted.good_for(pod).contains(leaf) => {
            if may_have_changed_since(mounted, proof.at) {
                Verdict::Awaited
            } else {
                Verdict::Current
            }
        }
        // coturn opens no listener without its files, or fails each handshake. What is wrong with the
        // endpoint, or between it and us, is wrong for all pods alike.
        Shown::Closed(how) | Shown::Nothing(how) if mounted.is_served(pod, endpoint, proof) => {
            if counts {
                Verdict::Nothing(format!("{endpoint}: {how}"))
            } else {
                Verdict::Awaited
            }
        }
        Shown::Silence(why) | Shown::Closed(why) | Shown::Nothing(why) if proof.at >= published => {
            Verdict::Unreached(format!("{endpoint}: {why}"))
        }
        Shown::Leaf(leaf) if counts => Verdict::Another(endpoint.to_string(), *leaf),
        Shown::Leaf(_) | Shown::Nothing(_) | Shown::Closed(_) | Shown::Silence(_) => {
            Verdict::Awaited
        }
    }
}

/// How long before a publication a pod may have shown its certificate that is gone since.
const LATELY: SignedDuration = SignedDuration::from_mins(10);

impl Mounted {
    /// Whether it is the pod's own fault that it shows no certificate at an endpoint: another pod shows
    /// one meanwhile. Without another, the endpoint must have shown one before: as long as this operator remembers
    /// if somebody answers there; lately, and for what is being rolled out, if nobody does.
    fn is_served(&self, pod: &Pod, endpoint: &Endpoint, proof: &Proof) -> bool {
        let proofs = &self.assurance.proofs;
        let answered = proofs.answered.get(endpoint);
        let answers = matches!(proof.shown, Shown::Nothing(_));
        let published = self.published_since().unwrap_or(Timestamp::MAX);
        let lately = answered
            .is_some_and(|at| at.saturating_add(LATELY).unwrap_or(Timestamp::MAX) >= published);
        let is_rolled_out = lately && self.assurance.completed.is_none();
        proofs.another_serves(pod, endpoint, proof.since)
            || (answers && answered.is_some())
            || is_rolled_out
    }

    /// Whether a pod ever showed a certificate, as far as this operator remembers: then who does not answer
    /// is not only out of its reach.
    pub(super) fn was_ever_reached(&self) -> bool {
        let answered = &self.assurance.proofs.answered;
        let mut endpoints = self.assurance.endpoints.iter();
        endpoints.any(|endpoint| answered.contains_key(endpoint))
    }
}

/// Whether something else than what is good was published since, or lay there then and for longer: coturn
/// may have taken it up after the handshake.
fn may_have_changed_since(mounted: &Mounted, at: Timestamp) -> bool {
    let good = |held| match held {
        Some(Held::Leaf(leaf)) => leaf == mounted.current || mounted.is_predecessor(leaf),
        Some(Held::Foreign) | None => false,
    };
    let mut since = mounted.log.during(at, Timestamp::MAX);
    since.any(|interval| !good(interval.held))
}

/// What is known of a pod, by what its start tells and by what handshakes show.
pub fn weigh(by_start: Evidence, verdict: &Verdict, mounted: &Mounted) -> Evidence {
    use Doubt::{Unproven, Unreached};
    match (by_start, verdict) {
        (Evidence::NotStarted | Evidence::NotCurrent(NotCurrent::DoesNotMount), _)
        | (_, Verdict::Unasked) => by_start,
        (_, Verdict::Current) => Evidence::Current,
        (Evidence::Current, Verdict::Another(..)) => {
            Evidence::NotCurrent(NotCurrent::ServesAnother)
        }
        (Evidence::Current, Verdict::Nothing(_)) => Evidence::NotCurrent(NotCurrent::ServesNothing),
        (Evidence::Unknown(doubt), Verdict::Another(..) | Verdict::Nothing(_)) => {
            Evidence::NotCurrent(dispelled(doubt))
        }
        (Evidence::Unknown(_), Verdict::Awaited) => Evidence::Unknown(Unproven),
        // It may have taken the certificate up without a restart.
        (Evidence::NotCurrent(_), Verdict::Awaited) if mounted.may_reload() => {
            Evidence::Unknown(Unproven)
        }
        (Evidence::NotCurrent(_), Verdict::Unreached(_)) if mounted.may_reload() => {
            Evidence::Unknown(Unreached)
        }
        (
            Evidence::Current | Evidence::Unknown(_) | Evidence::NotCurrent(_),
            Verdict::Awaited | Verdict::Unreached(_) | Verdict::Another(..) | Verdict::Nothing(_),
        ) => by_start,
    }
}

/// What a pod started with that may have read the certificate in service and does not serve it: what else
/// it may have read. It is not known to break with the certificate.
const fn dispelled(doubt: Doubt) -> NotCurrent {
    match doubt {
        Doubt::Predecessor | Doubt::BeforeTheLog | Doubt::Unproven | Doubt::Unreached => {
            NotCurrent::StartedBefore
        }
        Doubt::Overwritten => NotCurrent::StartedWithForeign,
        Doubt::MayLackItsName => NotCurrent::LacksItsName,
    }
}

impl Mounted {
    /// Whether pods may serve the certificate in service although they started before it: that is asked
    /// for, or every pod was on it once.
    fn may_reload(&self) -> bool {
        self.assurance.completed.is_some() || self.strategy == RolloutStrategy::Reload
    }
}

impl Progress {
    /// Pods of which a handshake is to tell what they serve.
    pub(crate) fn unproven<'a>(&'a self, live: &'a Live) -> impl Iterator<Item = &'a Pod> {
        let is_unproven = |it: &&(String, Evidence)| it.1 == Evidence::Unknown(Doubt::Unproven);
        let names = self.not_current.iter().filter(is_unproven);
        names.filter_map(|(name, _)| live.pods.iter().find(|pod| pod.name == *name))
    }
}

impl Pod {
    /// Whether all containers that mount a Secret run since that time, or longer.
    pub(crate) fn runs_since(&self, secret: &str, time: Timestamp) -> bool {
        let mut starts = self.started.get(secret).into_iter().flatten();
        starts.all(|started| started.is_some_and(|started| started <= time))
    }
}

#[cfg(test)]
mod tests {
    use api::Protocol;

    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint {
            protocol: Protocol::Dtls,
            port,
            address: None,
        }
    }

    fn leaf(number: u8) -> Fingerprint {
        Fingerprint::from_digest([number; 32])
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    /// Two pods that served a leaf, one a minute after the other.
    fn proofs() -> Proofs {
        let mut proofs = Proofs::default();
        proofs.note("a", &endpoint(9191), Shown::Leaf(leaf(1)), at(1));
        proofs.note("b", &endpoint(9191), Shown::Leaf(leaf(1)), at(2));
        proofs
    }

    #[test]
    fn a_pod_that_does_not_answer_any_more_was_proven_when_it_did_last() {
        let mut proofs = proofs();
        let silence = || Shown::Silence("no answer".to_owned());
        proofs.note("a", &endpoint(9191), silence(), at(3));
        proofs.note("b", &endpoint(9191), silence(), at(3));
        assert_eq!(proofs.oldest_of(leaf(1)), Some(at(1)));
        assert_eq!(proofs.oldest_of(leaf(2)), None);
    }

    #[test]
    fn what_is_gone_or_not_dialled_any_more_is_not_the_oldest() {
        let mut proofs = proofs();
        proofs.note("b", &endpoint(5349), Shown::Leaf(leaf(1)), at(0));
        proofs.retain(&["b"].into(), &[endpoint(9191)]);
        assert_eq!(proofs.oldest_of(leaf(1)), Some(at(2)));
        assert_eq!(proofs.by_pod.len(), 1);
        proofs.retain(&BTreeSet::new(), &[]);
        assert_eq!(proofs, Proofs::default());
    }

    #[test]
    fn what_is_shown_is_shown_since_it_was_first() {
        let mut proofs = proofs();
        proofs.note("a", &endpoint(9191), Shown::Leaf(leaf(1)), at(5));
        proofs.note("b", &endpoint(9191), Shown::Leaf(leaf(2)), at(5));
        let since = |pod: &str| proofs.by_pod[&(pod.to_owned(), endpoint(9191))].since;
        assert_eq!((since("a"), since("b")), (at(1), at(5)));
    }
}
