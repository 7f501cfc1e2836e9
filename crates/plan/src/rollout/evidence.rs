//! What a pod serves, as far as it can be told without asking it.
//!
//! coturn reads its certificate when it starts. Which content it read follows from what the Secret
//! held in the span in which its container's volume may have been filled: not before the pod was
//! created (API server's clock), not longer before the container's start than the kubelet takes to
//! bring a change of a Secret into a running pod, and not after the start.

use api::Fingerprint;
use jiff::{SignedDuration, Timestamp};

use super::{Mounted, Pod, Verdict, proof};
use crate::publication::{Held, Interval};

/// How long the kubelet may take until a changed Secret shows in a pod that runs already. Measured:
/// 60 to 81 s with the kubelet's defaults (sync period of a minute, jittered); doubled.
const PROJECTION_DELAY: SignedDuration = SignedDuration::from_secs(160);

/// How far a node's clock may be off the API server's, and the rounding of both to seconds.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// How far before the very first publication a container may seem to have started that waited for
/// it: its node's clock is behind.
const SLOW_CLOCK: SignedDuration = SignedDuration::from_secs(60);

/// What is known of the certificate that a pod serves. A later variant is the worse one: of several
/// containers the worst speaks for the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// It read the certificate in service.
    Current,
    /// It has not started: it serves nothing yet.
    NotStarted,
    /// It started too close to a change to tell.
    Unknown(Doubt),
    /// It read something else.
    NotCurrent(NotCurrent),
}

/// What else than the certificate in service a pod may have read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// What somebody overwrote it with, and was put right since.
    Overwritten,
    /// What the log does not tell: it begins later, or has forgotten.
    BeforeTheLog,
    /// A certificate that has not its own name yet.
    MayLackItsName,
    /// What was published before it.
    Predecessor,
    /// Whatever it took up since it started: a handshake is to tell.
    Unproven,
    /// The same, and nobody can reach it.
    Unreached,
}

/// Why a pod is known not to serve the certificate in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotCurrent {
    /// It started with a certificate to which only names were added since, its own among them.
    LacksItsName,
    /// It started before the certificate was published.
    StartedBefore,
    /// It started while the Secret held something foreign.
    StartedWithForeign,
    /// It was made before its workload mounted the Secret.
    DoesNotMount,
    /// It started with the certificate, and a handshake showed another.
    ServesAnother,
    /// It started with the certificate, and serves none.
    ServesNothing,
}

/// Judges one pod by what handshakes show, and by its start where they do not tell.
#[must_use]
pub fn of(pod: &Pod, mounted: &Mounted) -> Evidence {
    let verdict = proof::verdict(pod, mounted);
    proof::weigh(by_start(pod, mounted), &verdict, mounted)
}

/// Judges one pod by all its containers that mount the Secret: each read it for itself.
pub fn by_start(pod: &Pod, mounted: &Mounted) -> Evidence {
    let Some(starts) = pod.started.get(&mounted.secret) else {
        return Evidence::NotCurrent(NotCurrent::DoesNotMount);
    };
    let starts = starts.iter().map(|started| {
        started.map_or(Evidence::NotStarted, |started| {
            of_container(pod, mounted, started)
        })
    });
    starts.max().unwrap_or(Evidence::NotStarted)
}

/// Whether all that each container of the pod may have read is one of these leaves. One that has not
/// started read nothing.
pub fn read_one_of(pod: &Pod, mounted: &Mounted, leaves: &[Fingerprint]) -> bool {
    match proof::verdict(pod, mounted) {
        Verdict::Another(_, leaf) => return leaves.contains(&leaf),
        Verdict::Nothing(_) => return false,
        Verdict::Current if leaves.contains(&mounted.current) => return true,
        Verdict::Current | Verdict::Unasked | Verdict::Awaited | Verdict::Unreached(_) => {}
    }
    let is_one = |held| matches!(held, Some(Held::Leaf(leaf)) if leaves.contains(&leaf));
    let good = mounted.good_for(pod);
    let Some(starts) = pod.started.get(&mounted.secret) else {
        return false;
    };
    starts
        .iter()
        .flatten()
        .all(|started| match may_serve(pod, mounted, &good, *started) {
            MayServe::Just(leaf) => leaves.contains(&leaf),
            MayServe::OneOf(candidates) => {
                !candidates.is_empty() && candidates.iter().all(|it| is_one(it.held))
            }
        })
}

fn of_container(pod: &Pod, mounted: &Mounted, started: Timestamp) -> Evidence {
    let good = mounted.good_for(pod);
    match may_serve(pod, mounted, &good, started) {
        MayServe::Just(_) => Evidence::Current,
        MayServe::OneOf(candidates) => verdict(&candidates, &good, mounted),
    }
}

/// What a container may serve.
enum MayServe {
    /// The leaf that its pod was made for, whatever the times say.
    Just(Fingerprint),
    /// One of what it may have read.
    OneOf(Vec<Candidate>),
}

fn may_serve(pod: &Pod, mounted: &Mounted, good: &[Fingerprint], started: Timestamp) -> MayServe {
    let made_for = pod.fingerprints.get(&mounted.secret);
    let made_for = good
        .iter()
        .copied()
        .find(|leaf| made_for.is_some_and(|text| *text == leaf.to_string()));
    let since = made_for.unwrap_or_else(|| earliest(good, mounted));
    let mut candidates = candidates(pod, mounted, since, started);
    if let Some(made_for) = made_for {
        // The template got this fingerprint after the publication, and the pod was made from it:
        // what was published before is out of question, whatever the clocks say.
        candidates.retain(|candidate| candidate.since_first);
        if candidates.is_empty() {
            return MayServe::Just(made_for);
        }
    }
    MayServe::OneOf(candidates)
}

/// Of the leaves that are good, the first that the log knows the publication of.
fn earliest(good: &[Fingerprint], mounted: &Mounted) -> Fingerprint {
    let mut known = good.iter().copied();
    known
        .find(|leaf| mounted.log.first(Held::Leaf(*leaf)).is_some())
        .unwrap_or(mounted.current)
}

/// What a container may have read.
struct Candidate {
    /// None if that is not known any more.
    held: Option<Held>,
    /// Whether it was published with the first publication of a certificate that is good, or later.
    since_first: bool,
}

/// In the order of publication: times are whole seconds, and two publications may share one.
fn candidates(
    pod: &Pod,
    mounted: &Mounted,
    since: Fingerprint,
    started: Timestamp,
) -> Vec<Candidate> {
    let since = Held::Leaf(since);
    let first = mounted.log.first(since);
    let mut since_first = false;
    let judge = |interval: Interval| {
        since_first |= first.is_some_and(|first| {
            first == Timestamp::MIN
                || first < interval.from
                || (first == interval.from && interval.held == Some(since))
        });
        Candidate {
            held: interval.held,
            since_first,
        }
    };
    may_have_read(pod, mounted, started)
        .into_iter()
        .map(judge)
        .collect()
}

fn may_have_read(pod: &Pod, mounted: &Mounted, started: Timestamp) -> Vec<Interval> {
    let earliest = (started - PROJECTION_DELAY - CLOCK_TOLERANCE).max(pod.created);
    let latest = (started + CLOCK_TOLERANCE).max(earliest);
    if pod.optional.contains(&mounted.secret) {
        // It may have started with an empty volume.
        let log = mounted.log.after_something_else();
        return log.during(earliest, latest).collect();
    }
    match mounted.log.true_first() {
        // Without the Secret it could not start: it started right after the first publication, by
        // the clock of a node that is behind.
        Some(first) if latest < first.from && latest >= first.from - SLOW_CLOCK => vec![first],
        Some(_) | None => mounted.log.during(earliest, latest).collect(),
    }
}

fn verdict(candidates: &[Candidate], good: &[Fingerprint], mounted: &Mounted) -> Evidence {
    let holds = |candidate: &Candidate, is: &dyn Fn(Fingerprint) -> bool| match candidate.held {
        Some(Held::Leaf(leaf)) => is(leaf),
        Some(Held::Foreign) | None => false,
    };
    let is_current = |candidate: &&Candidate| holds(candidate, &|leaf| good.contains(&leaf));
    let is_nameless =
        |candidate: &Candidate| holds(candidate, &|leaf| mounted.is_predecessor(leaf));
    let may_be_current = |candidate: &Candidate| {
        is_current(&candidate) || (candidate.held.is_none() && candidate.since_first)
    };
    if !candidates.iter().any(may_be_current) {
        let foreign = candidates
            .iter()
            .any(|candidate| candidate.held == Some(Held::Foreign));
        return Evidence::NotCurrent(if foreign {
            NotCurrent::StartedWithForeign
        } else if !candidates.is_empty() && candidates.iter().all(is_nameless) {
            NotCurrent::LacksItsName
        } else {
            NotCurrent::StartedBefore
        });
    }
    let others = || candidates.iter().filter(|it| !is_current(it));
    if others().next().is_none() {
        Evidence::Current
    } else if others().all(is_nameless) {
        Evidence::Unknown(Doubt::MayLackItsName)
    } else if !others().all(|it| it.since_first) {
        Evidence::Unknown(Doubt::Predecessor)
    } else if others().any(|it| it.held.is_none()) {
        Evidence::Unknown(Doubt::BeforeTheLog)
    } else {
        Evidence::Unknown(Doubt::Overwritten)
    }
}

#[cfg(test)]
mod tests;
