//! What `plan` is told of a situation.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use plan::{
    certificate::{self, Observed},
    rollout::{self, Proofs, Workload},
};

use crate::{
    facts::{self, Certificate, DAY, Kinds as _, Leaf, at, version},
    probing,
    state::{Pod, RESOURCES, SECRETS, State, View},
    support::{Case, Sts, workload},
    taking_back,
};

/// Grace period of a pod: longer than a long time.
const GRACE: i64 = 3600;

impl State {
    /// What plan is told by a view of an operator, which measures how far its clock is off.
    pub fn seen_by(&self, operator: usize, certificate: Certificate, view: &View) -> Observed {
        let ahead = self.operators[operator].skew * DAY;
        Observed {
            clock_ahead: Some(SignedDuration::from_secs(ahead)),
            ..self.observed(certificate, view)
        }
    }

    /// What plan is told by a view.
    pub fn observed(&self, certificate: Certificate, view: &View) -> Observed {
        let mut observed = Case::fresh().0;
        let Some(resource) = view.resource.resource() else {
            return observed;
        };
        let days = &self.truth.days;
        observed.store = facts::store(view.store.as_ref(), days);
        observed.resource = certificate::Resource {
            name: RESOURCES[certificate].to_owned(),
            version: version(view.resource.identity),
            renew: resource.renew.map(|value| value.to_string()),
            rollback_to: resource.rollback_to.map(fingerprint),
            status: taking_back::with_the_next_attempt(&resource.status, observed.stored()),
            ..observed.resource
        };
        let wanted = &mut observed.resource.wanted;
        SECRETS[certificate].clone_into(&mut wanted.secret_name);
        wanted.workload = Some(workload());
        wanted.strategy = self.setting.strategy;
        wanted.on_failure = self.setting.on_failure;
        if self.setting.dialled {
            wanted.verifying.endpoints = vec![probing::endpoint()];
            observed.proofs = proofs(view, days);
        }
        observed.published =
            facts::published(view.published.as_ref(), RESOURCES[certificate], days);
        observed.workload = Some(self.live(view));
        observed
    }

    /// What plan is told of the workload.
    pub fn live(&self, view: &View) -> Workload {
        let Some((object, thing)) = view
            .workload
            .as_ref()
            .and_then(|object| Some((object, object.workload()?)))
        else {
            return Workload::Missing;
        };
        let mut live = Sts::of(i32::try_from(self.pods.len()).unwrap()).0;
        live.version = version(object.identity);
        live.observed = thing.observed;
        live.update_revision = Some(revision(&thing.seen_template));
        live.changed = at(thing.changed);
        live.template = annotations(&thing.template);
        live.mounts = SECRETS[..thing.template.len()]
            .iter()
            .map(|&name| name.to_owned())
            .collect();
        live.pods = (0..)
            .zip(&view.pods)
            .filter_map(|(ordinal, pod)| Some(self.pod(ordinal, pod.as_ref()?)))
            .collect();
        Workload::Present(Box::new(live))
    }

    fn pod(&self, ordinal: usize, pod: &Pod) -> rollout::Pod {
        let started = pod.started.map(at);
        rollout::Pod {
            name: probing::pod_name(ordinal),
            revision: Some(revision(&pod.annotated)),
            created: at(pod.created),
            started: SECRETS[..pod.annotated.len()]
                .iter()
                .map(|&secret| (secret.to_owned(), vec![started]))
                .collect(),
            optional: BTreeSet::new(),
            terminating: pod
                .terminating
                .then(|| at(self.now) + SignedDuration::from_secs(GRACE)),
            ready_since: pod.ready.map(at),
            fingerprints: annotations(&pod.annotated),
            version: plan::Version {
                uid: facts::pod_uid(ordinal, pod.created),
                resource_version: format!("{:?}", pod.started),
            },
            unschedulable: false,
            ip: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            incarnation: probing::incarnation(ordinal, pod),
            restarts: 0,
            backs_off: None,
            touched: None,
            relay: None,
        }
    }
}

/// A template that is put back to what it was has the revision that it had.
fn revision(template: &[Option<Leaf>]) -> String {
    format!("{template:?}")
}

fn proofs(view: &View, days: &facts::Days) -> Proofs {
    let secret = view.published.as_ref().and_then(|it| it.published());
    let written = secret.map(|secret| secret.written);
    let pods = (0..).zip(view.pods.iter().zip(&view.proofs));
    let by_pod = pods.filter_map(|(ordinal, (pod, glimpse))| {
        let key = (
            probing::incarnation(ordinal, pod.as_ref()?),
            probing::endpoint(),
        );
        Some((key, glimpse.as_ref()?.facts(written, days)))
    });
    Proofs {
        by_pod: by_pod.collect(),
        // Whoever is dialled has answered at some time.
        answered: [(probing::endpoint(), jiff::Timestamp::MAX)].into(),
        ..Proofs::default()
    }
}

fn annotations(leaves: &[Option<Leaf>]) -> BTreeMap<String, String> {
    let named = SECRETS.iter().zip(leaves);
    named
        .filter_map(|(secret, leaf)| Some(((*secret).to_owned(), fingerprint((*leaf)?))))
        .collect()
}

fn fingerprint(leaf: Leaf) -> String {
    crate::support::fingerprint(u32::from(leaf)).to_string()
}
