//! StatefulSets and pods in a few words.

use std::collections::{BTreeMap, BTreeSet};

use api::{Fingerprint, WorkloadKind, WorkloadRef};
use jiff::{SignedDuration, Timestamp};
use plan::rollout::{Live, Pod, Reloader, Replacement, SingleRestarts, Touches, Workload};

use super::{fingerprint, hours, minutes, now, version};

pub fn workload() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::StatefulSet,
        name: "coturn".to_owned(),
    }
}

/// A StatefulSet that mounts the Secret `tls`.
#[derive(Clone)]
pub struct Sts(pub Live);

impl Sts {
    /// Without any pod, and nothing changed for a hundred hours.
    pub fn of(replicas: i32) -> Self {
        Self(Live {
            version: version("coturn", 1),
            replicas,
            partition: 0,
            replacement: Replacement::Automatic,
            ordered: true,
            min_ready: SignedDuration::ZERO,
            host_ports: false,
            observed: true,
            update_revision: Some("1".to_owned()),
            changed: now() - hours(100),
            template: BTreeMap::new(),
            mounts: BTreeSet::from(["tls".to_owned()]),
            pods: Vec::new(),
            refused: None,
            refused_since: None,
            contest: None,
            first_ordinal: 0,
            grace_period: SignedDuration::from_secs(30),
            single_restarts: SingleRestarts::NotAllowed,
            touches: Touches::NotAllowed,
            rolled_by: None,
            reloader: Reloader::NotKnown,
        })
    }

    /// With one more pod, which started that long ago and is Ready since.
    pub fn pod(self, age: SignedDuration) -> Self {
        self.pod_with(age, |_| {})
    }

    pub fn pod_with(mut self, age: SignedDuration, change: impl FnOnce(&mut Pod)) -> Self {
        let created = now() - age;
        let name = format!("coturn-{}", self.0.pods.len());
        let mut pod = Pod {
            version: version(&name, 1),
            ip: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            incarnation: format!("{name} of {created}"),
            restarts: 0,
            backs_off: None,
            touched: None,
            relay: None,
            name,
            revision: self.0.update_revision.clone(),
            created,
            started: self
                .0
                .mounts
                .iter()
                .map(|it| (it.clone(), vec![Some(created)]))
                .collect(),
            optional: BTreeSet::new(),
            terminating: None,
            ready_since: Some(created),
            fingerprints: BTreeMap::new(),
            unschedulable: false,
        };
        change(&mut pod);
        self.0.pods.push(pod);
        self
    }

    /// Its template carries this fingerprint of the Secret `tls`.
    pub fn stamped(self, fingerprint: Fingerprint) -> Self {
        self.with(|live| {
            live.template
                .insert("tls".to_owned(), fingerprint.to_string());
        })
    }

    pub fn with(mut self, change: impl FnOnce(&mut Live)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn observed(self) -> Workload {
        Workload::Present(Box::new(self.0))
    }
}

/// A pod that has not started.
pub fn waiting(pod: &mut Pod) {
    pod.started
        .values_mut()
        .for_each(|starts| starts.fill(None));
    pod.ready_since = None;
}

/// A pod that is being deleted, with its grace period ending then.
pub fn terminating(until: Timestamp) -> impl FnOnce(&mut Pod) {
    move |pod| pod.terminating = Some(until)
}

/// One pod is current, the other drains.
pub fn draining() -> Sts {
    Sts::of(2)
        .stamped(fingerprint(1))
        .pod(minutes(50))
        .pod_with(hours(50), terminating(now() + hours(11)))
}

/// The only pod is current.
pub fn done() -> Sts {
    Sts::of(1).pod(minutes(50))
}
