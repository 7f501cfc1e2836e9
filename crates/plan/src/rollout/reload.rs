//! Certificates that coturn takes up without a restart: the kubelet is hurried to bring them into the
//! pods, what has coturn load them is not the operator's.

use api::RolloutStrategy;
use jiff::{SignedDuration, Timestamp};

use super::{Action, Evidence, Live, Mounted, Pod, Verdict, evidence, pod_by_pod, proof};
use crate::publication::Held;

/// How long a reloader may take to have coturn load a certificate that lies in the pod. Then pods that were
/// seen not to have done so are replaced.
pub const BUDGET: SignedDuration = SignedDuration::from_mins(1);

/// The same where nobody hurries the kubelet, which brings it there: 81 s, as measured.
pub const UNHURRIED: SignedDuration = SignedDuration::from_mins(3);

/// How long a pod is given after a publication as it is seen to have a reloader: it serves a certificate
/// that was published after it started.
pub fn patience_with(pod: &Pod, mounted: &Mounted) -> SignedDuration {
    let Verdict::Another(_, leaf) = proof::verdict(pod, mounted) else {
        return SignedDuration::ZERO;
    };
    let published = mounted.log.first(Held::Leaf(leaf));
    let started = pod
        .started
        .get(&mounted.secret)
        .into_iter()
        .flatten()
        .flatten();
    let is_later = |started| published.is_some_and(|published| published > started);
    if started.copied().max().is_some_and(is_later) {
        UNHURRIED
    } else {
        SignedDuration::ZERO
    }
}

/// Whether the operator may hurry the kubelet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Touches {
    /// The user allowed it.
    Allowed,
    /// The user did not: the kubelet takes up to 81 s, as measured.
    #[default]
    NotAllowed,
}

/// The next pod whose kubelet is to be hurried: any change of a pod has it look at the pod's volumes at
/// once. Once per pod and certificate.
pub fn touch(live: &Live, certificates: &[&Mounted], now: Timestamp) -> Option<Action> {
    let reloaded = certificates
        .iter()
        .filter(|mounted| mounted.strategy == RolloutStrategy::Reload)
        // Later it comes too late.
        .filter(|mounted| now < pod_by_pod::patience_ends(live, mounted));
    let mut due = reloaded.flat_map(|mounted| {
        let pods = live.pods.iter();
        pods.filter(|pod| is_to_be_touched(pod, mounted))
            .map(|pod| Action::TouchPod {
                pod: pod.name.clone(),
                version: pod.version.clone(),
                leaf: mounted.current,
            })
    });
    due.next().filter(|_| live.touches == Touches::Allowed)
}

fn is_to_be_touched(pod: &Pod, mounted: &Mounted) -> bool {
    let evidence = evidence::of(pod, mounted);
    let is_wrong =
        evidence::by_start(pod, mounted).is_outdated() || evidence.serves_something_else();
    pod.terminating.is_none()
        && is_wrong
        && evidence != Evidence::Current
        && pod.touched.as_deref() != Some(mounted.current.to_string().as_str())
}
