//! Certificates that were replaced only to add names by ordinal: a pod whose own name was in one of
//! them already serves it on until its renewal time.

use api::Fingerprint;
use jiff::Timestamp;

use super::{Live, Mounted, Pod, Workload, evidence};

/// A certificate that was replaced by one with more names by ordinal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Its leaf.
    pub leaf: Fingerprint,
    /// Ordinals whose names the certificate in service has and this one lacks.
    pub lacks: Vec<u32>,
    /// Its renewal time: from then on no pod is to serve it.
    pub until: Timestamp,
}

impl Predecessor {
    fn is_good_for(&self, pod: &Pod) -> bool {
        ordinal(pod).is_none_or(|ordinal| !self.lacks.contains(&ordinal))
    }
}

/// The number that a `StatefulSet` gives its pod.
fn ordinal(pod: &Pod) -> Option<u32> {
    pod.name.rsplit_once('-')?.1.parse().ok()
}

impl Mounted {
    /// The same at a time: a predecessor whose renewal time has come is none any more.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let mut mounted = self.clone();
        mounted.predecessors.retain(|it| now < it.until);
        mounted
    }

    /// Leaves that are as good as the one in service for a pod, in the order of their publication, and
    /// that one.
    pub(super) fn good_for(&self, pod: &Pod) -> Vec<Fingerprint> {
        let good = self.predecessors.iter().filter(|it| it.is_good_for(pod));
        good.map(|it| it.leaf).chain([self.current]).collect()
    }

    /// Whether a leaf is one that was replaced only to add names.
    pub(super) fn is_predecessor(&self, leaf: Fingerprint) -> bool {
        self.predecessors.iter().any(|it| it.leaf == leaf)
    }

    /// When the first of the predecessors ends.
    pub(super) fn predecessors_end(&self) -> Option<Timestamp> {
        self.predecessors.iter().map(|it| it.until).min()
    }
}

impl Live {
    /// Whether the template carries the certificate, or one that was replaced only to add names: for
    /// those nothing is stamped.
    #[must_use]
    pub fn is_stamped_for(&self, mounted: &Mounted) -> bool {
        let mut leaves = mounted.predecessors.iter().map(|it| it.leaf);
        self.carries(&mounted.secret, mounted.current)
            || leaves.any(|leaf| self.carries(&mounted.secret, leaf))
    }
}

/// How many pods serve such a certificate, and until when the first of them may.
#[must_use]
pub fn staying(
    workload: &Workload,
    mounted: &Mounted,
    now: Timestamp,
) -> Option<(usize, Timestamp)> {
    let Workload::Present(live) = workload else {
        return None;
    };
    let with = mounted.at(now);
    let until = with.predecessors_end()?;
    let mut without = with.clone();
    without.predecessors.clear();
    let staying = live.pods.iter().filter(|pod| {
        evidence::of(pod, &with) == evidence::Evidence::Current
            && evidence::of(pod, &without) != evidence::Evidence::Current
    });
    let count = staying.count();
    (count > 0).then_some((count, until))
}
