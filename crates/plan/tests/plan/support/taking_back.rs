//! A cluster in memory in which certificates are taken back, and pods are seen to serve what they serve.

use std::collections::BTreeMap;

use api::Fingerprint;
use plan::{
    Version,
    publication::Held,
    rollout::{Distrusted, Workload},
    store::{By, RolledBack},
};

use super::cluster::{Cluster, Stale, TICK};

impl Cluster {
    /// The pair before is in service again.
    pub(super) fn roll_back(&mut self, at: &Version, by: &By) -> Result<(), Stale> {
        let (clock, generation) = (self.clock, self.truth.resource.generation);
        let asked = self.truth.resource.rollback_to.clone();
        self.revision += 1;
        let plan::certificate::Store::Present(stored) = &mut self.truth.store else {
            return Err(Stale);
        };
        if stored.version != *at {
            return Err(Stale);
        }
        let previous = stored.previous.take().ok_or(Stale)?;
        let rejected = std::mem::replace(&mut stored.current, previous);
        let rolled_back = RolledBack {
            from: rejected.leaf.fingerprint,
            to: stored.current.leaf.fingerprint,
            at: clock,
            published: stored
                .state
                .log
                .since(Held::Leaf(rejected.leaf.fingerprint)),
            generation,
            by: by.clone(),
        };
        let serial = &stored.current.leaf.serial;
        stored.state = stored
            .state
            .with_the_pair_before(rolled_back, serial, asked.as_deref());
        stored.previous = Some(rejected);
        stored.version.resource_version = self.revision.to_string();
        Ok(())
    }

    pub(super) fn drop_previous(&mut self, at: &Version) -> Result<(), Stale> {
        self.revision += 1;
        let plan::certificate::Store::Present(stored) = &mut self.truth.store else {
            return Err(Stale);
        };
        if stored.version != *at {
            return Err(Stale);
        }
        stored.previous = None;
        stored.version.resource_version = self.revision.to_string();
        Ok(())
    }

    pub(super) fn distrust(&mut self, pod: &str, uid: &str) -> Result<(), Stale> {
        let pod = Distrusted {
            pod: pod.to_owned(),
            uid: uid.to_owned(),
        };
        self.change_store(|state| state.with_distrusted(pod))
    }

    /// The template is what it was, and so is its revision: `StatefulSet`s find an earlier one again.
    pub(super) fn restore_template(
        &mut self,
        workload: &Version,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), Stale> {
        self.clock += TICK;
        self.revision += 1;
        let Some(Workload::Present(live)) = &mut self.truth.workload else {
            return Err(Stale);
        };
        if live.version != *workload {
            return Err(Stale);
        }
        for (secret, annotation) in annotations {
            match annotation {
                Some(annotation) => live.template.insert(secret.clone(), annotation.clone()),
                None => live.template.remove(secret),
            };
        }
        let same = live
            .pods
            .iter()
            .find(|pod| pod.fingerprints == live.template);
        let revision = same.and_then(|pod| pod.revision.clone());
        live.update_revision = revision.or_else(|| Some(self.revision.to_string()));
        live.version.resource_version = self.revision.to_string();
        live.changed = self.clock;
        self.restored += 1;
        Ok(())
    }

    pub(super) fn touch(&mut self, name: &str, leaf: Fingerprint) {
        self.clock += TICK;
        if let Some(Workload::Present(live)) = &mut self.truth.workload {
            let touched = live.pods.iter_mut().filter(|pod| pod.name == name);
            touched.for_each(|pod| pod.touched = Some(leaf.to_string()));
        }
    }
}
