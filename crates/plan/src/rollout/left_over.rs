//! Pods that a rolling restart leaves behind with a certificate that was taken back, as Kubernetes does not
//! replace them. They are evicted one at a time; nothing else brings them back.

use api::RolloutStrategy;
use jiff::{SignedDuration, Timestamp};

use super::{
    Evidence, Live, Mounted, Pod, evidence, failure, pod_by_pod::Eviction, reload, reverting,
    single,
};

/// How long a pod that is not Ready is given once the certificate that works is published again: longer than the
/// kubelet takes to bring that into it. One that comes up with it is Kubernetes' to replace.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// The pod that is to be evicted for the certificate that was put back into service.
pub fn due<'a>(live: &'a Live, mounted: &'a Mounted, now: Timestamp) -> Option<Eviction<'a>> {
    let published = mounted.published_since()?;
    let may = mounted.strategy == RolloutStrategy::RollingRestart
        && !reverting::is_reverted(live, mounted)
        && !live.holds_back()
        && live.observed
        && live.mounts.contains(&mounted.secret);
    let wedged = wedged(live, mounted).map(|pod| (pod, PATIENCE));
    let found = wedged.or_else(|| {
        let pod = restarted_in_place(live, mounted, now)?;
        let patience = single::SETTLE.max(reload::patience_with(pod, mounted));
        Some((pod, patience))
    });
    let (pod, patience) = found.filter(|_| may)?;
    Some(Eviction {
        pod,
        mounted,
        from: pod.created.max(published) + patience,
    })
}

/// A pod that was made by the rollout that was taken back and is not Ready: then Kubernetes replaces neither it
/// nor any other (`podManagementPolicy: OrderedReady`, "Forced rollback" in the documentation of
/// `StatefulSet`s).
fn wedged<'a>(live: &'a Live, mounted: &Mounted) -> Option<&'a Pod> {
    let taken_back = mounted.assurance.instead_of?.to_string();
    let is_wedged = |pod: &&Pod| {
        live.ordered
            && pod.terminating.is_none()
            && pod.ready_since.is_none()
            && !live.is_of_the_template(pod)
            && pod.fingerprints.get(&mounted.secret) == Some(&taken_back)
    };
    let others_rest = |pod: &&Pod| {
        let mut others = live.pods.iter().filter(|it| it.name != pod.name);
        others.all(|it| it.terminating.is_none() && it.ready_since.is_some())
    };
    live.pods.iter().find(is_wedged).filter(others_rest)
}

fn restarted_in_place<'a>(live: &'a Live, mounted: &Mounted, now: Timestamp) -> Option<&'a Pod> {
    let breaks = failure::of(live, mounted, now).is_some();
    let mut pods = live.pods.iter().filter(|pod| has_it(live, pod, mounted));
    let rests = |pod: &&Pod| single::rests_but_for(live, |it| it.name == pod.name);
    pods.find(rests).filter(|_| !breaks)
}

/// Whether a pod that the rollout had not reached started again meanwhile, with what was taken back, and others
/// have what was put back. Where none has, that is rolled out like any other.
pub fn has_it(live: &Live, pod: &Pod, mounted: &Mounted) -> bool {
    let is_current = |pod: &Pod| evidence::of(pod, mounted) == Evidence::Current;
    let has_what_was_taken_back = |leaf| {
        evidence::of(pod, mounted).is_outdated() && evidence::read_one_of(pod, mounted, &[leaf])
    };
    pod.terminating.is_none()
        && live.is_of_the_template(pod)
        && mounted
            .assurance
            .instead_of
            .is_some_and(has_what_was_taken_back)
        && live.pods.iter().any(is_current)
}
