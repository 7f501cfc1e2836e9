//! The pod template after a certificate was put back into service: it becomes what it was for the pods
//! that the rollout had not reached, so that Kubernetes replaces only those that it had.

use std::collections::BTreeMap;

use super::{Action, Evidence, Live, Mounted, Pod, evidence};

/// The write that takes a rollout back, if one is to be taken back and pods are left that it has not
/// reached. Where none is, the certificate is rolled out like any other.
pub fn due(live: &Live, restarting: &[&Mounted]) -> Option<Action> {
    let reverted = restarting
        .iter()
        .filter(|mounted| is_reverted(live, mounted));
    let annotations: BTreeMap<_, _> = reverted
        .filter_map(|mounted| {
            let pod = untouched(live, mounted)?;
            let annotation = pod.fingerprints.get(&mounted.secret).cloned();
            Some((mounted.secret.clone(), annotation))
        })
        .collect();
    (!annotations.is_empty() && !live.holds_back()).then(|| Action::RestoreTemplate {
        workload: live.version.clone(),
        annotations,
    })
}

/// Whether the template still carries the certificate that was taken back.
pub fn is_reverted(live: &Live, mounted: &Mounted) -> bool {
    let taken_back = mounted.assurance.instead_of;
    taken_back.is_some_and(|leaf| live.carries(&mounted.secret, leaf))
}

/// A pod that the rollout has not reached.
fn untouched<'a>(live: &'a Live, mounted: &Mounted) -> Option<&'a Pod> {
    let taken_back = mounted.assurance.instead_of?.to_string();
    live.pods.iter().find(|pod| {
        pod.terminating.is_none()
            && evidence::of(pod, mounted) == Evidence::Current
            && pod.fingerprints.get(&mounted.secret) != Some(&taken_back)
    })
}
