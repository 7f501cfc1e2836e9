//! One situation of the whole: what the API server holds, the pods, what each operator has in mind,
//! and what is true of it all without anybody knowing.

use std::collections::{BTreeMap, BTreeSet};

use api::OnFailure;
use jiff::SignedDuration;
use model::{Object, Server};
use plan::{
    certificate::{self, Observed},
    rollout::{self, Workload},
};

use crate::{
    facts::{
        self, Certificate, DAY, DURATION, Days, Kinds as _, Leaf, Name, Pair, Resource, Sealed,
        StoreThing, Thing, WorkloadThing, at, version,
    },
    scenario::Scenario,
    support::{Case, Sts, workload},
};

/// How long any step takes: longer than the tolerance of clocks, within which nothing is told apart.
pub const TICK: i64 = 3;
/// Longer than any budget within which something is expected to move.
pub const LONG: i64 = 900;
/// Grace period of a pod: longer than a long time.
const GRACE: i64 = 3600;

/// Names of the published Secrets.
pub const SECRETS: [&str; 2] = ["tls", "tls-2"];
/// Names of the resources.
pub const RESOURCES: [&str; 2] = ["coturn", "coturn-2"];

/// One situation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The API server's clock, and that of the nodes.
    pub now: i64,
    pub server: Server<Name, Thing>,
    /// By ordinal.
    pub pods: Vec<Option<Pod>>,
    pub operators: Vec<Operator>,
    pub earlier: Vec<Earlier>,
    pub truth: Truth,
    pub budget: Budget,
}

/// What may yet happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Of what should not happen.
    pub faults: u8,
    /// Of what happens in the life of a certificate: a renewal's time, a request for one.
    pub events: u8,
}

/// What is true without anybody knowing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Truth {
    /// Days on which the leaves that were stored were signed.
    pub days: Days,
    /// Which leaves the template was stamped with.
    pub stamped: BTreeSet<(Certificate, Leaf)>,
    /// Leaves whose store was put back to a record that knows less of what was published. Nobody can
    /// tell that (decision 7): what it says of pods means nothing until the next leaf.
    pub forgotten: BTreeSet<Leaf>,
    /// A store was deleted, spoiled or put back: what it knew of pods is gone.
    pub records_lost: bool,
    /// What is done when pods break with a certificate.
    pub on_failure: OnFailure,
    /// The next container to start will never be Ready.
    pub breaks: bool,
    /// Somebody changed Secrets, a container ended or broke, a clock was wrong: the end need not be
    /// that every pod is known to be current.
    pub disturbed: bool,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pod {
    pub revision: u8,
    pub created: i64,
    pub annotated: Vec<Option<Leaf>>,
    pub started: Option<i64>,
    pub ready: Option<i64>,
    pub terminating: bool,
    /// What its container read of each Secret; none for something that is no pair.
    pub reads: Vec<Option<Pair>>,
    /// Per Secret, whether the span in which it read it held nothing else.
    pub sure: Vec<bool>,
    /// Per Secret, whether what it read vanished before any operator could take note of it: nobody
    /// can know what it serves (decision 7).
    pub unknowable: Vec<bool>,
    /// It runs and is never Ready.
    pub broken: bool,
}

/// A process of the operator's: its clock, and what its passes have in mind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    /// How many days its clock is off.
    pub skew: i64,
    /// The pass over each certificate.
    pub passes: Vec<Option<Box<View>>>,
    /// What the pass over the workload has decided to write.
    pub stamp: Option<Stamp>,
}

/// What a pass has read, with the replies to its writes folded in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    pub resource: Object<Thing>,
    pub store: Option<Object<Thing>>,
    pub published: Option<Object<Thing>>,
    pub workload: Option<Object<Thing>>,
    pub pods: Vec<Option<Pod>>,
}

/// A write to the workload that was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    pub at: model::Identity,
    pub fingerprints: BTreeMap<Certificate, Leaf>,
    /// Whether pods restart by it.
    pub restarts: bool,
}

/// The Secrets of a certificate before their last change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Earlier {
    /// Whether the store and the published Secret are kept: only where something reads them.
    pub is_kept: [bool; 2],
    pub store: Option<Object<Thing>>,
    pub published: Option<Object<Thing>>,
    /// The store as it was at the beginning, where a backup tool keeps it.
    pub backup: Option<Object<Thing>>,
}

impl Earlier {
    /// Drops what is not kept.
    pub fn forget(&mut self) {
        self.store.take_if(|_| !self.is_kept[0]);
        self.published.take_if(|_| !self.is_kept[1]);
    }
}

impl Operator {
    /// Whether it is in the middle of something.
    pub fn is_busy(&self) -> bool {
        self.stamp.is_some() || self.passes.iter().any(Option::is_some)
    }
}

impl State {
    /// Nothing is issued; the pods wait for their Secrets.
    pub fn fresh(scenario: &Scenario) -> Self {
        let mut server = Server::default();
        for certificate in 0..scenario.certificates {
            let resource = Thing::Resource(Resource {
                renew: None,
                status: Sealed::new(api::CoturnCertificateStatus::default()),
            });
            server
                .create(Name::Resource(certificate), resource)
                .unwrap();
        }
        let workload = Thing::Workload(WorkloadThing {
            template: vec![None; scenario.certificates],
            seen_template: vec![None; scenario.certificates],
            revision: 1,
            seen: 1,
            changed: 0,
        });
        server.create(Name::Workload, workload).unwrap();
        let operator = Operator {
            skew: 0,
            passes: vec![None; scenario.certificates],
            stamp: None,
        };
        Self {
            now: 0,
            server,
            pods: vec![None; scenario.pods],
            operators: vec![operator; scenario.operators],
            earlier: vec![Earlier::default(); scenario.certificates],
            truth: Truth {
                on_failure: scenario.on_failure,
                ..Truth::default()
            },
            budget: Budget {
                faults: 0,
                events: 0,
            },
        }
    }

    pub fn certificates(&self) -> usize {
        self.earlier.len()
    }

    pub fn published(&self, certificate: Certificate) -> Option<&facts::PublishedThing> {
        self.server.get(&Name::Published(certificate))?.published()
    }

    pub fn workload(&self) -> &WorkloadThing {
        let workload = self.server.get(&Name::Workload);
        workload.and_then(|object| object.workload()).unwrap()
    }

    /// The pair in service.
    pub fn current(&self, certificate: Certificate) -> Option<Pair> {
        match self.server.get(&Name::Store(certificate))?.store()? {
            StoreThing::Good { current, .. } => Some(*current),
            StoreThing::Corrupt => None,
        }
    }

    /// Whether a pair of the operator's is valid by an operator's clock.
    pub fn is_valid(&self, pair: Option<Pair>, operator: usize) -> bool {
        match pair {
            Some(Pair::Ours(leaf)) => {
                let end = facts::end_of(leaf, &self.truth.days);
                let start = end - DURATION * DAY - 300;
                (at(start)..at(end)).contains(&self.clock(operator))
            }
            Some(Pair::Foreign | Pair::Chart) | None => false,
        }
    }

    /// What is there at this moment.
    pub fn view(&self, certificate: Certificate) -> View {
        let get = |name| self.server.get(&name).cloned();
        View {
            resource: get(Name::Resource(certificate)).unwrap(),
            store: get(Name::Store(certificate)),
            published: get(Name::Published(certificate)),
            workload: get(Name::Workload),
            pods: self.pods.clone(),
        }
    }

    /// The time by the API server's clock.
    pub fn server_time(&self) -> jiff::Timestamp {
        at(self.now)
    }

    /// What plan is told by a view of an operator, which measures how far its clock is off.
    pub fn seen_by(&self, operator: usize, certificate: Certificate, view: &View) -> Observed {
        let ahead = self.operators[operator].skew * DAY;
        Observed {
            clock_ahead: Some(SignedDuration::from_secs(ahead)),
            ..self.observed(certificate, view)
        }
    }

    /// The time by an operator's clock.
    pub fn clock(&self, operator: usize) -> jiff::Timestamp {
        at(self.now + self.operators[operator].skew * DAY)
    }

    /// What plan is told by a view.
    pub fn observed(&self, certificate: Certificate, view: &View) -> Observed {
        let mut observed = Case::fresh().0;
        let Some(resource) = view.resource.resource() else {
            return observed;
        };
        observed.resource = certificate::Resource {
            name: RESOURCES[certificate].to_owned(),
            version: version(view.resource.identity),
            renew: resource.renew.map(|value| value.to_string()),
            status: (*resource.status).clone(),
            ..observed.resource
        };
        SECRETS[certificate].clone_into(&mut observed.resource.wanted.secret_name);
        observed.resource.wanted.workload = Some(workload());
        observed.resource.wanted.on_failure = self.truth.on_failure;
        let days = &self.truth.days;
        observed.store = facts::store(view.store.as_ref(), days);
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
        live.observed = thing.seen == thing.revision;
        live.update_revision = Some(thing.seen.to_string());
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
            name: format!("coturn-{ordinal}"),
            revision: Some(pod.revision.to_string()),
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
                uid: format!("coturn-{ordinal} of {}", pod.created),
                resource_version: "1".to_owned(),
            },
            unschedulable: false,
            ip: None,
            incarnation: format!("coturn-{ordinal} of {}", pod.created),
            restarts: 0,
            touched: None,
            relay: None,
        }
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
