//! What is known, and wanted, of a certificate on its pods beyond their start times.

use api::{Endpoint, Fingerprint, RolloutStrategy};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Live, Mounted, Pod, evidence, proof::Proofs};

/// What is known, and wanted, of a certificate on its pods beyond their start times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assurance {
    /// Where pods are dialled.
    pub endpoints: Vec<Endpoint>,
    /// How often.
    pub interval: SignedDuration,
    /// What that showed.
    pub proofs: Proofs,
    /// When every pod was on the certificate for the first time, if each was.
    pub completed: Option<Timestamp>,
    /// Whether the certificate before is put back into service if pods break with this one.
    pub reverts: bool,
    /// The certificate that this one was put back into service for.
    pub instead_of: Option<Fingerprint>,
    /// Pods that were seen to serve something else although they started with it.
    pub distrusted: Vec<Distrusted>,
    /// Pods that were not Ready when it was issued: that they, or their successors, are not Ready with it
    /// tells nothing of it.
    pub ailing: Vec<String>,
}

impl Default for Assurance {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            interval: SignedDuration::from_hours(24),
            proofs: Proofs::default(),
            completed: None,
            reverts: false,
            instead_of: None,
            distrusted: Vec::new(),
            ailing: Vec::new(),
        }
    }
}

/// A pod that was seen to serve something else although it started with the certificate in service. It is
/// replaced once: its successor of the same name is not.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Distrusted {
    /// Its name; of a workload that gives its pods other names each time, nothing else tells of whom
    /// it is the successor: any later one counts as that.
    pub pod: String,
    /// Its uid.
    pub uid: String,
}

/// Whether a pod that serves something else may be replaced for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is to be noted first.
    ToBeNoted,
    /// It is noted: it may be replaced.
    Withdrawn,
    /// It was replaced for it already: that did not help.
    Lost,
}

/// Pods that are noted, at most.
const NOTED: usize = 16;

impl Mounted {
    /// The same without what tells nothing of this workload: of several pods nobody knows which of them
    /// answers at one address. By a rolling restart if another certificate asks for one.
    #[must_use]
    pub fn within(&self, live: &Live) -> Self {
        let mut mounted = self.clone();
        mounted.strategy = self.strategy_beside(live);
        let endpoints = &mut mounted.assurance.endpoints;
        endpoints.retain(|endpoint| endpoint.address.is_none() || live.replicas <= 1);
        mounted
    }

    /// Whether the pod that was made for one that was replaced serves something else as well: then no other
    /// is replaced for that.
    #[must_use]
    pub fn is_replacing_in_vain(&self, live: &Live) -> bool {
        let wrong = live
            .pods
            .iter()
            .filter(|pod| evidence::of(pod, self).serves_something_else());
        wrong
            .map(|pod| self.trust(pod))
            .any(|trust| trust == Trust::Lost)
    }

    fn strategy_beside(&self, live: &Live) -> RolloutStrategy {
        match self.strategy {
            RolloutStrategy::PodByPod | RolloutStrategy::Reload if live.rolled_by.is_some() => {
                RolloutStrategy::RollingRestart
            }
            own @ (RolloutStrategy::RollingRestart
            | RolloutStrategy::PodByPod
            | RolloutStrategy::Reload
            | RolloutStrategy::None) => own,
        }
    }

    /// Whether a pod, or the one whose name it has, was not Ready before the certificate was there.
    pub(super) fn was_ailing(&self, pod: &Pod) -> bool {
        is_numbered(&pod.name) && self.assurance.ailing.contains(&pod.name)
    }

    /// Without those who were not Ready before the certificate was there.
    pub(super) fn but_for_who_was_ailing<T>(
        &self,
        pods: impl Iterator<Item = T>,
        name: impl Fn(&T) -> &str,
    ) -> impl Iterator<Item = T> {
        but_for(&self.assurance.ailing, pods, name)
    }

    /// Whether a pod that serves something else may be replaced for it.
    #[must_use]
    pub fn trust(&self, pod: &Pod) -> Trust {
        let distrusted = &self.assurance.distrusted;
        if distrusted.iter().any(|it| it.uid == pod.version.uid) {
            return Trust::Withdrawn;
        }
        let is_successor = |it: &Distrusted| it.pod == pod.name || !is_numbered(&it.pod);
        if distrusted.len() >= NOTED || distrusted.iter().any(is_successor) {
            Trust::Lost
        } else {
            Trust::ToBeNoted
        }
    }
}

/// Without these pods and their successors. Where successors have other names, as many are left out as there
/// were.
pub fn but_for<T>(
    left_out: &[String],
    pods: impl Iterator<Item = T>,
    name: impl Fn(&T) -> &str,
) -> impl Iterator<Item = T> {
    let mut nameless = left_out.iter().filter(|it| !is_numbered(it)).count();
    pods.filter(move |pod| {
        let name = name(pod);
        if is_numbered(name) {
            return !left_out.iter().any(|it| it == name);
        }
        let counts = nameless == 0;
        nameless = nameless.saturating_sub(1);
        counts
    })
}

/// Whether a pod's successor has its name, as a `StatefulSet`'s.
fn is_numbered(pod: &str) -> bool {
    pod.rsplit_once('-')
        .is_some_and(|(_, number)| number.parse::<u32>().is_ok())
}
