//! Which handshakes are wanted, and when.

use std::net::{IpAddr, SocketAddr};

use api::Endpoint;
use jiff::{SignedDuration, Timestamp};

use super::{Live, Mounted, Pod, Verdict, proof::of_endpoint};
use crate::renewal::fnv1a;

/// A handshake that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The pod's name.
    pub pod: String,
    /// What of it is dialled: the proof is of this incarnation.
    pub incarnation: String,
    /// The endpoint as specified.
    pub endpoint: Endpoint,
    /// Where it is.
    pub address: SocketAddr,
}

/// How soon a handshake is repeated that did not show what was hoped for, at first and at last.
const SOON: SignedDuration = SignedDuration::from_secs(1);
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// Which handshakes are wanted at a time, and when the next is.
#[must_use]
pub fn wanted(live: &Live, mounted: &Mounted, now: Timestamp) -> (Vec<Probe>, Option<Timestamp>) {
    let is_there = |pod: &&Pod| pod.terminating.is_none() && pod.ready_since.is_some();
    let pods = live.pods.iter().filter(is_there);
    let each = pods.flat_map(|pod| {
        let endpoints = mounted.assurance.endpoints.iter();
        endpoints.filter_map(move |endpoint| {
            let probe = probe(pod, endpoint)?;
            Some((probe, due(pod, mounted, endpoint)))
        })
    });
    let (wanted, later): (Vec<_>, Vec<_>) = each.partition(|(_, due)| *due <= now);
    let next = later.into_iter().map(|(_, due)| due).min();
    let wanted = wanted.into_iter().map(|(probe, _)| probe).collect();
    (wanted, next)
}

fn probe(pod: &Pod, endpoint: &Endpoint) -> Option<Probe> {
    let address: IpAddr = endpoint.address.or(pod.ip)?;
    Some(Probe {
        pod: pod.name.clone(),
        incarnation: pod.incarnation.clone(),
        endpoint: endpoint.clone(),
        address: SocketAddr::new(address, endpoint.port),
    })
}

/// When an endpoint is to be dialled: what shows the certificate in service after the interval, not all
/// in one second; what does not, ever less often.
fn due(pod: &Pod, mounted: &Mounted, endpoint: &Endpoint) -> Timestamp {
    let Some(proof) = mounted.assurance.proofs.of(pod, endpoint) else {
        return Timestamp::MIN;
    };
    if of_endpoint(pod, mounted, endpoint) == Verdict::Current {
        let interval = mounted.assurance.interval;
        let share = i64::from(fnv1a(&pod.incarnation) % 1000);
        let earlier = SignedDuration::from_secs(interval.as_secs() / 10 * share / 1000);
        let doubted = mounted.assurance.proofs.doubted_since(pod, endpoint);
        let next = proof.at + (interval - earlier);
        // Is it the other pod, or the way to all of them?
        return doubted
            .filter(|since| proof.at < *since)
            .map_or(next, |since| since.min(next));
    }
    let published = mounted.published_since().unwrap_or(proof.at);
    let lasts = proof.at.duration_since(proof.since.max(published));
    proof.at + (lasts / 4).clamp(SOON, LATE)
}
