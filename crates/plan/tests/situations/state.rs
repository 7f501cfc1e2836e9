//! One situation of the whole: what the API server holds, the pods, what each operator has in mind,
//! and what is true of it all without anybody knowing.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{Hash, Hasher},
};

use api::{OnFailure, RolloutStrategy};
use model::{Object, Server};

use crate::{
    facts::{
        self, Certificate, DAY, DURATION, Days, Kinds as _, Leaf, Name, Pair, Resource, Sealed,
        StoreThing, Thing, WorkloadThing, at,
    },
    probing::Glimpse,
    scenario::Scenario,
    step::Ordinal,
};

/// How long any step takes: longer than the tolerance of clocks, within which nothing is told apart.
pub const TICK: i64 = 3;
/// As long as the same wrong thing has to be shown until it counts.
pub const WHILE: i64 = 20;
/// Longer than any budget within which something is expected to move.
pub const LONG: i64 = 900;
/// Longer than another certificate waits after the first that was taken back, and than a certificate is
/// on trial.
pub const HOUR: i64 = 4000;

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
    pub setting: Setting,
}

/// What stays as it is throughout a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// How pods are brought onto a certificate.
    pub strategy: RolloutStrategy,
    /// What is done when pods break with a certificate.
    pub on_failure: OnFailure,
    /// Whether pods are dialled, at one endpoint.
    pub dialled: bool,
    /// Whether something beside coturn has it take up what is published, at any time or never.
    pub reloads: bool,
}

impl Hash for Setting {
    /// It tells no situation of a scenario from another.
    fn hash<H: Hasher>(&self, _: &mut H) {}
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
    /// How the next container to start will break.
    pub breaks: Option<Break>,
    /// How one container may break that starts from now on.
    pub may_break: Option<Break>,
    /// Nobody reaches a pod.
    pub firewall: bool,
    /// Leaves with which some pod broke.
    pub broke: BTreeSet<Leaf>,
    /// Leaves that were taken back, until somebody asks for them.
    pub rejected: BTreeSet<Leaf>,
    /// Leaves that somebody asked to be put back into service.
    pub asked_for: BTreeSet<Leaf>,
    /// Leaves that every pod served at some time since they were put back into service.
    pub reached_all: BTreeSet<(Certificate, Leaf)>,
    /// Pods that the operator evicted and that have not come back.
    pub down: BTreeSet<Ordinal>,
    /// Pods that were evicted although they had started with this leaf.
    pub replaced: BTreeSet<(Ordinal, Leaf)>,
    /// Somebody changed Secrets, a container ended or broke, a clock was wrong: the end need not be
    /// that every pod is known to be current.
    pub disturbed: bool,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pod {
    pub created: i64,
    /// What the template was annotated with that it was made from, which is its revision.
    pub annotated: Vec<Option<Leaf>>,
    pub started: Option<i64>,
    pub ready: Option<i64>,
    pub terminating: bool,
    /// What its process read last of each Secret; none for something that is no pair.
    pub reads: Vec<Option<Pair>>,
    /// Per Secret, whether it read it when it started, and the span in which it did held nothing else.
    pub sure: Vec<bool>,
    /// Per Secret, whether what it read vanished before any operator could take note of it: nobody
    /// can know what it serves (decision 7).
    pub unknowable: Vec<bool>,
    /// Per Secret, the leaf that its process started with, as far as its start tells.
    pub came_with: Vec<Option<Leaf>>,
    /// Its process took something up since it started.
    pub reloaded: bool,
    /// It runs and does not work.
    pub broken: Option<Break>,
    /// It served the certificate that was put back into service, and the one that was taken back had not
    /// reached it.
    pub spared: bool,
}

/// How a process breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Break {
    /// It is never Ready.
    NeverReady,
    /// It is Ready, and serves no certificate.
    Mute,
}

/// A process of the operator's: its clock, and what its passes have in mind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    /// How many days its clock is off.
    pub skew: i64,
    /// The pass over each certificate.
    pub passes: Vec<Option<Box<View>>>,
    /// What the pass over the workload has decided to do.
    pub intent: Option<Intent>,
    /// By ordinal, what handshakes with the pod's process showed.
    pub proofs: Vec<Option<Glimpse>>,
}

/// What a pass has read, with the replies to its writes folded in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    pub resource: Object<Thing>,
    pub store: Option<Object<Thing>>,
    pub published: Option<Object<Thing>>,
    pub workload: Option<Object<Thing>>,
    pub pods: Vec<Option<Pod>>,
    pub proofs: Vec<Option<Glimpse>>,
}

/// What was decided on for the workload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    Stamp(Stamp),
    Restore(Restoration),
    Evict(Eviction),
}

/// The template is to be put back to what it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Restoration {
    pub at: model::Identity,
    pub annotations: BTreeMap<Certificate, Option<Leaf>>,
}

/// A pod is to be evicted, as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Eviction {
    pub ordinal: Ordinal,
    pub created: i64,
    pub started: Option<i64>,
}

/// The template is to be stamped.
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
    /// Whether it remembers anything that is nowhere else.
    pub fn has_something_to_lose(&self) -> bool {
        self.is_busy() || self.proofs.iter().any(Option::is_some)
    }

    /// Whether it is in the middle of something.
    pub fn is_busy(&self) -> bool {
        self.intent.is_some() || self.passes.iter().any(Option::is_some)
    }
}

impl State {
    /// Nothing is issued; the pods wait for their Secrets.
    pub fn fresh(scenario: &Scenario) -> Self {
        let mut server = Server::default();
        for certificate in 0..scenario.certificates {
            let resource = Thing::Resource(Resource {
                renew: None,
                rollback_to: None,
                status: Sealed::new(api::CoturnCertificateStatus::default()),
            });
            server
                .create(Name::Resource(certificate), resource)
                .unwrap();
        }
        let workload = Thing::Workload(WorkloadThing {
            template: vec![None; scenario.certificates],
            seen_template: vec![None; scenario.certificates],
            observed: true,
            changed: 0,
        });
        server.create(Name::Workload, workload).unwrap();
        let operator = Operator {
            skew: 0,
            passes: vec![None; scenario.certificates],
            intent: None,
            proofs: vec![None; scenario.pods],
        };
        Self {
            now: 0,
            server,
            pods: vec![None; scenario.pods],
            operators: vec![operator; scenario.operators],
            earlier: vec![Earlier::default(); scenario.certificates],
            truth: Truth {
                may_break: scenario.may_break,
                ..Truth::default()
            },
            budget: Budget {
                faults: 0,
                events: 0,
            },
            setting: scenario.setting,
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

    pub fn stored(&self, certificate: Certificate) -> Option<&StoreThing> {
        self.server.get(&Name::Store(certificate))?.store()
    }

    /// The pair in service.
    pub fn current(&self, certificate: Certificate) -> Option<Pair> {
        match self.stored(certificate)? {
            StoreThing::Good { current, .. } => Some(*current),
            StoreThing::Corrupt => None,
        }
    }

    /// The pair before in the store.
    pub fn previous(&self, certificate: Certificate) -> Option<Pair> {
        match self.stored(certificate)? {
            StoreThing::Good { previous, .. } => *previous,
            StoreThing::Corrupt => None,
        }
    }

    /// The last of what a time in the status is compared with: it stands for any time since.
    pub fn latest_start_or_publication(&self, certificate: Certificate) -> i64 {
        let written = self.published(certificate).map(|it| it.written);
        let started = self.pods.iter().flatten().filter_map(|pod| pod.started);
        started.chain(written).max().unwrap_or(self.now)
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

    /// What an operator finds at this moment.
    pub fn view(&self, operator: usize, certificate: Certificate) -> View {
        let get = |name| self.server.get(&name).cloned();
        View {
            resource: get(Name::Resource(certificate)).unwrap(),
            store: get(Name::Store(certificate)),
            published: get(Name::Published(certificate)),
            workload: get(Name::Workload),
            pods: self.pods.clone(),
            proofs: self.operators[operator].proofs.clone(),
        }
    }

    /// The time by the API server's clock.
    pub fn server_time(&self) -> jiff::Timestamp {
        at(self.now)
    }

    /// The time by an operator's clock.
    pub fn clock(&self, operator: usize) -> jiff::Timestamp {
        at(self.now + self.operators[operator].skew * DAY)
    }
}

impl Pod {
    /// Whether its process is there and shall stay.
    pub const fn runs(&self) -> bool {
        self.started.is_some() && !self.terminating
    }
}
