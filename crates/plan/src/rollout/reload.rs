//! Certificates that coturn takes up without a restart: the kubelet is hurried to bring them into the
//! pods, what has coturn load them is not the operator's.

use api::RolloutStrategy;
use jiff::Timestamp;

use super::{Action, Evidence, Live, Mounted, Pod, evidence, pod_by_pod};

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
    pod.terminating.is_none()
        && evidence::by_start(pod, mounted).is_outdated()
        && evidence::of(pod, mounted) != Evidence::Current
        && pod.touched.as_deref() != Some(mounted.current.to_string().as_str())
}
