//! A cluster in memory whose workload is scaled, and whose pods are deleted one by one.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plan::{
    Version,
    rollout::{Live, Pod, Workload},
};

use super::cluster::{Cluster, Stale, TICK};

impl Cluster {
    fn live(&mut self) -> &mut Live {
        match &mut self.truth.workload {
            Some(Workload::Present(live)) => live,
            other => panic!("no workload, but {other:?}"),
        }
    }

    /// Somebody sets the number of replicas; what is too much ends at once.
    pub fn scale(&mut self, replicas: i32) {
        self.clock += TICK;
        let changed = self.clock;
        let live = self.live();
        live.replicas = replicas;
        live.changed = changed;
        let surplus = usize::try_from(replicas).unwrap().min(live.pods.len());
        let gone: Vec<_> = live.pods.drain(surplus..).collect();
        for pod in gone {
            self.serves.remove(&pod.name);
        }
    }

    /// The operator deletes exactly this pod; its successor is there at once.
    pub(super) fn restart_pod(&mut self, name: &str, version: &Version) -> Result<(), Stale> {
        self.clock += TICK;
        let created = self.clock;
        let live = self.live();
        let is_it = |pod: &Pod| pod.name == name && pod.version == *version;
        let ordinal = live.pods.iter().position(is_it).ok_or(Stale)?;
        live.pods[ordinal] = successor(live, ordinal, created);
        self.serves.remove(name);
        self.restarted.push(name.to_owned());
        Ok(())
    }

    /// Names of the pods that are there.
    pub fn pods(&mut self) -> Vec<Pod> {
        self.live().pods.clone()
    }
}

/// A pod made from the template, which has not started.
pub(super) fn successor(live: &Live, ordinal: usize, created: Timestamp) -> Pod {
    let name = format!("coturn-{ordinal}");
    Pod {
        version: Version {
            uid: format!("{name} of {created}"),
            resource_version: "1".to_owned(),
        },
        name,
        revision: live.update_revision.clone(),
        created,
        started: live
            .mounts
            .iter()
            .map(|it| (it.clone(), vec![None]))
            .collect(),
        optional: BTreeSet::new(),
        terminating: None,
        ready_since: None,
        fingerprints: live.template.clone(),
        unschedulable: false,
        ip: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        incarnation: format!("coturn-{ordinal} of {created}"),
        restarts: 0,
        backs_off: None,
        touched: None,
        relay: None,
    }
}
