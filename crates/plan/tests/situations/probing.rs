//! Handshakes with pods: what an operator remembers of them until it ends, and what the next one would
//! show. One that would show nothing new is left out: it is the same situation.

use api::{Endpoint, Protocol};
use plan::{
    certificate::plan,
    rollout::{self, Proof},
};

use crate::{
    facts::{Days, Pair, at},
    memory::Memory,
    state::{Break, Pod, State, TICK, WHILE},
    step::Ordinal,
};

/// The certificate whose pods are dialled.
const DIALLED: usize = 0;

/// What an operator remembers of the handshakes with a pod's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Glimpse {
    pub shown: Shown,
    pub at: i64,
    /// Since when every one showed just that.
    pub since: i64,
}

/// What a handshake shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    Leaf(Pair),
    Nothing,
    Silence,
}

/// Where pods are dialled.
pub fn endpoint() -> Endpoint {
    Endpoint {
        protocol: Protocol::Dtls,
        port: 9191,
        address: None,
    }
}

pub fn pod_name(ordinal: Ordinal) -> String {
    format!("coturn-{ordinal}")
}

/// Names a pod's process.
pub fn incarnation(ordinal: Ordinal, pod: &Pod) -> String {
    format!("{ordinal} of {}, {:?}", pod.created, pod.started)
}

impl Glimpse {
    pub fn facts(&self, days: &Days) -> Proof {
        Proof {
            shown: match self.shown {
                Shown::Leaf(pair) => rollout::Shown::Leaf(pair.facts(days).leaf.fingerprint),
                Shown::Nothing => rollout::Shown::Nothing("handshake_failure".to_owned()),
                Shown::Silence => rollout::Shown::Silence("nothing answered".to_owned()),
            },
            at: at(self.at),
            since: at(self.since),
        }
    }

    /// Whether it shows that the pair in service is served, which was published then.
    pub fn proves(&self, current: Option<Pair>, published: i64) -> bool {
        self.at >= published && current.map(Shown::Leaf) == Some(self.shown)
    }

    /// Whether it tells something else than that, and has for long enough.
    pub fn disproves(&self, current: Option<Pair>, published: i64) -> bool {
        let lasts = self.at - self.since.max(published);
        match self.shown {
            Shown::Leaf(pair) => current != Some(pair) && lasts >= WHILE,
            Shown::Nothing => lasts >= WHILE,
            Shown::Silence => false,
        }
    }
}

/// What a handshake with a pod shows at this moment.
fn shown_by(state: &State, pod: &Pod) -> Shown {
    match (state.truth.firewall, pod.broken, pod.reads[DIALLED]) {
        (true, _, _) => Shown::Silence,
        (false, Some(Break::Mute), _) | (false, _, None) => Shown::Nothing,
        (false, _, Some(pair)) => Shown::Leaf(pair),
    }
}

/// Pods that an operator would dial next, and of which that tells something.
pub fn pods(state: &State, memory: &Memory, operator: usize) -> Vec<Ordinal> {
    let telling = (0..state.pods.len()).filter(|it| is_telling(state, operator, *it));
    let telling: Vec<_> = telling.collect();
    if !state.setting.dialled || telling.is_empty() {
        return Vec::new();
    }
    let later = State {
        now: state.now + WHILE,
        ..state.clone()
    };
    let wanted = memory.wanted(&later, operator, DIALLED);
    telling
        .into_iter()
        .filter(|it| wanted.contains(it))
        .collect()
}

/// Pods that the plan wants dialled.
pub fn wanted(state: &State, operator: usize, certificate: usize) -> Vec<Ordinal> {
    let observed = state.seen_by(operator, certificate, &state.view(operator, certificate));
    let probes = plan(&observed, state.clock(operator)).wanted_probes;
    let there = (0..).zip(&state.pods);
    let processes = there.filter_map(|(it, pod)| Some((it, incarnation(it, pod.as_ref()?))));
    processes
        .filter(|(_, process)| probes.iter().any(|probe| probe.incarnation == *process))
        .map(|(ordinal, _)| ordinal)
        .collect()
}

fn is_telling(state: &State, operator: usize, ordinal: Ordinal) -> bool {
    let Some(pod) = &state.pods[ordinal] else {
        return false;
    };
    let Some(known) = state.operators[operator].proofs[ordinal] else {
        return true;
    };
    let published = state.published(DIALLED).map_or(state.now, |it| it.written);
    let counts = known.at - known.since.max(published) >= WHILE;
    match shown_by(state, pod) {
        shown if shown != known.shown => true,
        Shown::Leaf(pair) if Some(pair) == state.current(DIALLED) => known.at < published,
        Shown::Silence => known.at < published,
        Shown::Leaf(_) | Shown::Nothing => !counts,
    }
}

/// A handshake. One that is made again to see whether it shows the same is made after a while.
pub fn dial(state: &mut State, operator: usize, ordinal: Ordinal) {
    let Some(pod) = &state.pods[ordinal] else {
        return;
    };
    let shown = shown_by(state, pod);
    let before = state.operators[operator].proofs[ordinal];
    let same = before.filter(|before| before.shown == shown);
    state.now += same.map_or(0, |_| WHILE - TICK);
    let since = match shown {
        // Since when it was shown decides only where it is wrong, and until the next publication it is not.
        Shown::Leaf(pair) if Some(pair) == state.current(DIALLED) => state.now,
        Shown::Leaf(_) | Shown::Nothing | Shown::Silence => {
            same.map_or(state.now, |before| before.since)
        }
    };
    let glimpse = Glimpse {
        shown,
        at: state.now,
        since,
    };
    state.operators[operator].proofs[ordinal] = Some(glimpse);
}

impl State {
    /// What is known of a process that ended is of no use.
    pub fn forget_process(&mut self, ordinal: Ordinal) {
        for operator in &mut self.operators {
            operator.proofs[ordinal] = None;
        }
    }
}
