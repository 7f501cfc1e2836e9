//! One pod after the other, by eviction: the first is the canary, each is Ready and proven before the
//! next goes. Nothing in the workload is written.

use api::RolloutStrategy;
use jiff::{SignedDuration, Timestamp};

use super::{
    Action, Evidence, Live, Mounted, NotCurrent, Pod, Touches, Trust, Verdict, evidence, failure,
    proof, reload, single,
};

/// A pod whose turn it is.
#[derive(Clone, Copy, Debug)]
pub struct Eviction<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// For which certificate.
    pub mounted: &'a Mounted,
    /// From when on.
    pub from: Timestamp,
}

impl Eviction<'_> {
    /// The write.
    pub fn action(&self) -> Action {
        Action::EvictPod {
            pod: self.pod.name.clone(),
            version: self.pod.version.clone(),
        }
    }
}

/// The pod whose turn it is, for one of the certificates.
pub fn next<'a>(
    live: &'a Live,
    certificates: &[&'a Mounted],
    now: Timestamp,
) -> Option<Eviction<'a>> {
    // Who is evicted for one certificate takes up all of them.
    let mut others = certificates
        .iter()
        .filter(|mounted| mounted.strategy != RolloutStrategy::None);
    let are_sound = others
        .all(|mounted| failure::of(live, mounted, now).is_none() && are_proven(live, mounted));
    let evictions = certificates
        .iter()
        .filter_map(|mounted| due(live, mounted, now));
    evictions
        .filter(|_| are_sound)
        .min_by_key(|eviction| eviction.from)
}

/// The pod whose turn it is for a certificate. One that is not Ready goes first: its calls are cut
/// already. Then the highest ordinal, as in a `StatefulSet`'s own rollout.
pub fn due<'a>(live: &'a Live, mounted: &'a Mounted, now: Timestamp) -> Option<Eviction<'a>> {
    let published = mounted.published_since()?;
    if failure::of(live, mounted, now).is_some()
        || !are_proven(live, mounted)
        || mounted.is_replacing_in_vain(live)
    {
        return None;
    }
    let leaving = live.pods.iter().filter(|pod| leaves(live, pod, mounted));
    let pod = leaving.min_by_key(|pod| {
        let ready = pod.ready_since.is_some();
        (ready, std::cmp::Reverse(ordinal(pod)), pod.name.clone())
    })?;
    let is_its_turn = |it: &Pod| it.name == pod.name || mounted.was_ailing(it);
    single::rests_but_for(live, is_its_turn).then(|| Eviction {
        pod,
        mounted,
        from: published + patience(live, mounted).max(reload::patience_with(pod, mounted)),
    })
}

/// Until when coturn is given to take a certificate up by itself.
pub fn patience_ends(live: &Live, mounted: &Mounted) -> Timestamp {
    let published = mounted.published_since().unwrap_or(Timestamp::MIN);
    published + patience(live, mounted)
}

fn patience(live: &Live, mounted: &Mounted) -> SignedDuration {
    match (mounted.strategy, live.touches) {
        (RolloutStrategy::Reload, Touches::Allowed) => reload::BUDGET,
        (RolloutStrategy::Reload, Touches::NotAllowed) => reload::UNHURRIED,
        (
            RolloutStrategy::PodByPod | RolloutStrategy::RollingRestart | RolloutStrategy::None,
            Touches::Allowed | Touches::NotAllowed,
        ) => single::SETTLE,
    }
}

fn ordinal(pod: &Pod) -> u32 {
    let number = pod.name.rsplit_once('-').map(|(_, number)| number);
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// Whether a pod's turn comes in this rollout.
pub fn leaves(live: &Live, pod: &Pod, mounted: &Mounted) -> bool {
    if !live.mounts.contains(&mounted.secret) || pod.terminating.is_some() {
        return false;
    }
    let evidence = evidence::of(pod, mounted);
    match mounted.strategy {
        RolloutStrategy::PodByPod => {
            evidence.is_outdated() || is_to_go_once(pod, mounted) || is_left_over(pod, mounted)
        }
        // Only who was seen to serve something else: it is not known of the others.
        RolloutStrategy::Reload => match proof::verdict(pod, mounted) {
            Verdict::Another(..) | Verdict::Nothing(_) => {
                evidence.is_outdated() || is_to_go_once(pod, mounted)
            }
            Verdict::Unasked | Verdict::Current | Verdict::Awaited | Verdict::Unreached(_) => false,
        },
        RolloutStrategy::RollingRestart | RolloutStrategy::None => false,
    }
}

/// Whether a pod crashes since before the certificate was put back that works: its successor need not wait
/// for the kubelet, which starts what crashes ever more rarely.
fn is_left_over(pod: &Pod, mounted: &Mounted) -> bool {
    let published = mounted.published_since().unwrap_or(Timestamp::MIN);
    mounted.assurance.instead_of.is_some()
        && evidence::of(pod, mounted) == Evidence::NotStarted
        && pod.restarts > 0
        && pod.created < published
}

/// Whether a pod that started with the certificate in service serves something else, and may go for it.
pub fn is_to_go_once(pod: &Pod, mounted: &Mounted) -> bool {
    match evidence::of(pod, mounted) {
        Evidence::NotCurrent(NotCurrent::ServesAnother | NotCurrent::ServesNothing) => {
            mounted.trust(pod) == Trust::Withdrawn
        }
        Evidence::Current
        | Evidence::NotStarted
        | Evidence::Unknown(_)
        | Evidence::NotCurrent(_) => false,
    }
}

/// Whether each pod that started with the certificate in service was seen to serve it, as far as that is
/// asked for.
fn are_proven(live: &Live, mounted: &Mounted) -> bool {
    unproven(live, mounted).is_none()
}

/// A pod that started with the certificate in service and was not seen to serve it, and what the handshake
/// with it told. Where nobody ever answered, no handshake is waited for.
pub fn unproven<'a>(live: &'a Live, mounted: &Mounted) -> Option<(&'a Pod, Verdict)> {
    let took_it_up = |pod: &&Pod| evidence::by_start(pod, mounted) == Evidence::Current;
    let pods = live.pods.iter().filter(|pod| pod.terminating.is_none());
    // One of those that serve something else goes after the other.
    let one_goes = live.pods.iter().any(|pod| is_to_go_once(pod, mounted));
    pods.filter(took_it_up)
        .filter(|pod| !mounted.was_ailing(pod))
        .map(|pod| (pod, proof::verdict(pod, mounted)))
        .find(|(_, verdict)| match verdict {
            Verdict::Unasked | Verdict::Current => false,
            Verdict::Another(..) | Verdict::Nothing(_) => !one_goes,
            Verdict::Unreached(_) => mounted.was_ever_reached(),
            Verdict::Awaited => true,
        })
}
