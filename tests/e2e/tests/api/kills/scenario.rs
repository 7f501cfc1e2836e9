//! A scenario is a value: how the world is prepared, what is done, which writes that takes, and what
//! the end looks like.

use api::WorkloadKind;
use e2e::{fixtures::COTURN, proxy::Mark};
use futures::future::LocalBoxFuture;

use crate::scene::Scene;

/// Something that is done to a world.
pub type Deed = for<'a> fn(&'a Scene) -> LocalBoxFuture<'a, ()>;

pub struct Scenario {
    /// For the names of namespaces.
    pub name: &'static str,
    pub setting: Setting,
    /// How the world is before. An operator runs meanwhile.
    pub prepared: Deed,
    /// What the operator does while it is done.
    pub operator: Operator,
    /// What happens to it.
    pub done: Deed,
    /// What the operator then writes.
    pub writes: Vec<Written>,
    pub end: End,
}

/// What a scenario takes place with.
pub struct Setting {
    /// Names of the resources.
    pub certificates: &'static [&'static str],
    /// What the resources' workload is.
    pub workload: WorkloadKind,
    /// What the operator is told beside the usual.
    pub arguments: &'static [&'static str],
}

/// One resource and a StatefulSet, whose pods the operator may not delete.
pub const USUAL: Setting = Setting {
    certificates: &[COTURN],
    workload: WorkloadKind::StatefulSet,
    arguments: &[],
};

/// What the operator does while something happens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    LooksOn,
    StartsAfterwards,
}

/// How often an object is written.
pub struct Written {
    pub object: &'static str,
    pub times: Times,
}

#[derive(Clone, Copy)]
pub enum Times {
    Exactly(usize),
    /// A status that tells also of states which pass, if the operator is there to see them.
    AtLeast(usize),
}

/// How the world is in the end.
pub struct End {
    /// Certificates that were issued for what was done.
    pub certificates: usize,
    /// Changes of the workload's specification, what was done included.
    pub changes: i64,
    pub restarted: Restarted,
    pub pair: Pair,
    /// Status and reason of Ready: one of these.
    pub ready: &'static [(&'static str, &'static str)],
}

/// Which of the pods that were there before are gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Restarted {
    All,
    Only(usize),
}

/// What the published Secret holds in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// The same as before, roots included.
    Kept,
    /// The same as before, and roots beside it.
    OnlyRoots,
    /// One that was never there before.
    Another,
    /// What it was put back to.
    PutBack,
    /// Somebody else's, whose Secret it is by now: nothing is published.
    Strangers,
}

pub const STORE: &str = "secrets/coturn-coturn-cert-store";
pub const PUBLISHED: &str = "secrets/coturn-dtls-certificate";
pub const WORKLOAD: &str = "statefulsets/coturn";
pub const STATUS: &str = "coturncertificates/coturn/status";

pub const READY: &[(&str, &str)] = &[("True", "Ready")];

/// So many writes of an object.
pub const fn exactly(times: usize, object: &'static str) -> Written {
    Written {
        object,
        times: Times::Exactly(times),
    }
}

/// So many writes of an object, or more.
pub const fn at_least(times: usize, object: &'static str) -> Written {
    Written {
        object,
        times: Times::AtLeast(times),
    }
}

impl Scenario {
    /// Each write.
    pub fn marks(&self) -> Vec<Mark> {
        let marks = self.writes.iter().flat_map(|written| {
            let (Times::Exactly(times) | Times::AtLeast(times)) = written.times;
            (1..=times).map(|number| Mark {
                object: written.object.to_owned(),
                number,
            })
        });
        marks.collect()
    }
}

impl Times {
    pub fn admits(self, times: usize) -> bool {
        match self {
            Self::Exactly(exactly) => times == exactly,
            Self::AtLeast(least) => times >= least,
        }
    }
}
