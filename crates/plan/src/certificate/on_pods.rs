//! A certificate in service as its workload's pods have it.

use api::RolloutStrategy;
use jiff::Timestamp;

use super::{Observed, Published, Stored, observed::held, rollback};
use crate::{
    publication::Held,
    rollout::{Assurance, Mounted, Progress, Stage, Workload, assess},
};

/// Pods that are remembered not to have been Ready, at most.
const AILING: usize = 64;

impl Observed {
    /// The certificate as the workload's controller sees it: none before there is one, and none while
    /// the record of what was published is an earlier one.
    #[must_use]
    pub fn mounted(&self) -> Option<Mounted> {
        let stored = self.stored().filter(|_| self.lost().is_none())?;
        let Published::Present(published) = &self.published else {
            return None;
        };
        let current = stored.current.leaf.fingerprint;
        (held(published, stored) == Held::Leaf(current)).then(|| Mounted {
            certificate: self.resource.name.clone(),
            secret: self.resource.wanted.secret_name.clone(),
            current,
            log: stored.state.log_of(&self.resource.wanted.secret_name),
            strategy: self.strategy(),
            predecessors: self.predecessors(stored),
            assurance: self.assurance(stored),
        })
    }

    fn assurance(&self, stored: &Stored) -> Assurance {
        let verifying = &self.resource.wanted.verifying;
        // That a pod serves a certificate with fewer names is good only for a time.
        let is_grown = !stored.state.grown_from.is_empty();
        Assurance {
            endpoints: verifying.endpoints.clone(),
            interval: verifying.interval,
            proofs: self.proofs.clone(),
            completed: self.completed_at().filter(|_| !is_grown),
            reverts: rollback::target(self, stored).is_some(),
            instead_of: rollback::active(stored).map(|rolled_back| rolled_back.from),
            distrusted: stored.state.distrusted.clone(),
            ailing: stored.state.ailing.clone(),
        }
    }

    /// Whether every pod was on the certificate in service once, as the status tells.
    pub(super) fn was_completed(&self) -> bool {
        self.completed_at().is_some()
    }

    /// When every pod was on it for the first time. What was told of the certificate before it was put back
    /// into service counts no more.
    pub(super) fn completed_at(&self) -> Option<Timestamp> {
        let (stored, told) = (self.stored()?, self.resource.status.rollout.as_ref()?);
        let is_of_it = told.fingerprint == stored.current.leaf.fingerprint.to_string();
        let at = told.completed_at.as_ref().filter(|_| is_of_it)?.0;
        let log = stored.state.log_of(&self.resource.wanted.secret_name);
        let is_outdated = rollback::active(stored).is_some_and(|it| {
            let again = rollback::published_again(it, &log);
            log.holds(it.from) && again.is_none_or(|again| at < again)
        });
        (!is_outdated).then_some(at)
    }

    /// Whether what was told of the pods stays until handshakes tell more: whoever is to be dialled runs
    /// since all were on the certificate. An operator that has just started has seen none of them.
    pub(super) fn stays_told(&self, progress: &Progress) -> bool {
        let (Some(at), Some(Workload::Present(live))) = (self.completed_at(), &self.workload)
        else {
            return false;
        };
        let mut unproven = progress.unproven(live);
        progress.stage == Stage::Proving
            && unproven.all(|pod| pod.runs_since(&self.resource.wanted.secret_name, at))
    }

    /// A suspended resource restarts nothing either.
    fn strategy(&self) -> RolloutStrategy {
        if self.resource.wanted.suspend {
            RolloutStrategy::None
        } else {
            self.resource.wanted.strategy
        }
    }

    /// How far the workload is on the certificate in service. Its next check is by the API server's
    /// clock, as are the times of pods and publications.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        let now = self.server_time(now);
        Some(assess(self.workload.as_ref()?, &self.mounted()?, now))
    }

    /// Pods that are not Ready: with whatever comes next they may not be either.
    pub(super) fn ailing(&self) -> Vec<String> {
        let Some(Workload::Present(live)) = &self.workload else {
            return Vec::new();
        };
        let there = live.pods.iter().filter(|pod| pod.terminating.is_none());
        let ailing = there.filter(|pod| pod.ready_since.is_none());
        ailing.map(|pod| pod.name.clone()).take(AILING).collect()
    }
}
