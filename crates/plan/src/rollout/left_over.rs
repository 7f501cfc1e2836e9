//! Pods that a rolling restart leaves behind with a certificate that was taken back, as Kubernetes does not
//! replace them. They are evicted one at a time; nothing else brings them back.

use api::RolloutStrategy;
use jiff::SignedDuration;

use super::{Live, Mounted, Pod, SingleRestarts, pod_by_pod::Eviction, reload, reverting, single};

/// How long a pod that is not Ready is given once the certificate that works is published again: longer than the
/// kubelet takes to bring that into it. One that comes up with it is Kubernetes' to replace.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// The pod that is to be evicted for the certificate that was put back into service.
pub fn due<'a>(live: &'a Live, mounted: &'a Mounted) -> Option<Eviction<'a>> {
    let published = mounted.published_since()?;
    let may = mounted.strategy == RolloutStrategy::RollingRestart
        && mounted.assurance.instead_of.is_some()
        && !reverting::is_reverted(live, mounted)
        && !live.holds_back()
        && live.observed
        && live.mounts.contains(&mounted.secret);
    let mut left_over = live.pods.iter().filter(|pod| {
        (is_wedged(live, pod, mounted) && others_rest(live, pod))
            || (took_it_up_in_place(live, pod, mounted)
                && single::rests_but_for(live, |it| it.name == pod.name))
    });
    let pod = left_over.next().filter(|_| may)?;
    let patience = if is_wedged(live, pod, mounted) {
        PATIENCE
    } else {
        single::SETTLE.max(reload::patience_with(pod, mounted))
    };
    Some(Eviction {
        pod,
        mounted,
        from: pod.created.max(published) + patience,
    })
}

/// Whether a pod was made by the rollout that was taken back and is not Ready: then Kubernetes replaces neither
/// it nor any other (`podManagementPolicy: OrderedReady`, "Forced rollback" in the documentation of
/// `StatefulSet`s).
fn is_wedged(live: &Live, pod: &Pod, mounted: &Mounted) -> bool {
    let taken_back = mounted.assurance.instead_of.map(|leaf| leaf.to_string());
    live.ordered
        && pod.terminating.is_none()
        && pod.ready_since.is_none()
        && !live.is_of_the_template(pod)
        && pod.fingerprints.get(&mounted.secret) == taken_back.as_ref()
}

/// Whether a pod that the rollout had not reached started again meanwhile, with what was taken back. Where
/// single pods may be deleted, that is done as for any other.
fn took_it_up_in_place(live: &Live, pod: &Pod, mounted: &Mounted) -> bool {
    live.single_restarts == SingleRestarts::NotAllowed && single::is_wrong(live, pod, mounted)
}

fn others_rest(live: &Live, pod: &Pod) -> bool {
    let mut others = live.pods.iter().filter(|it| it.name != pod.name);
    others.all(|it| it.terminating.is_none() && it.ready_since.is_some())
}
