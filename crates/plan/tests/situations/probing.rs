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
/// How long it may take until a handshake that showed something wrong is repeated.
const LATER: i64 = 60;

/// What an operator remembers of the handshakes with a pod's process. Of their times it counts only after
/// which start and which publication they were, and whether they showed the same for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Glimpse {
    pub shown: Shown,
    /// The start of the process, or the publication if that is later.
    pub after: i64,
    /// Whether it showed that a while before.
    pub again: bool,
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
    /// As `plan` is told, where the published Secret was written last at that time.
    pub fn facts(&self, written: Option<i64>, days: &Days) -> Proof {
        let lasts = match (self.again, written) {
            (_, Some(written)) if written > self.after => 1,
            (true, _) => WHILE,
            (false, _) => TICK,
        };
        Proof {
            shown: match self.shown {
                Shown::Leaf(pair) => rollout::Shown::Leaf(pair.facts(days).leaf.fingerprint),
                Shown::Nothing => rollout::Shown::Nothing("handshake_failure".to_owned()),
                Shown::Silence => rollout::Shown::Silence("nothing answered".to_owned()),
            },
            at: at(self.after + lasts),
            since: at(self.after),
        }
    }

    /// Whether it shows that the pair in service is served, which was published then.
    pub fn proves(&self, current: Option<Pair>, published: i64) -> bool {
        self.after >= published && current.map(Shown::Leaf) == Some(self.shown)
    }

    /// Whether it tells something else than that, and has for long enough.
    pub fn disproves(&self, current: Option<Pair>, published: i64) -> bool {
        let is_wrong = match self.shown {
            Shown::Leaf(pair) => current != Some(pair),
            Shown::Nothing => true,
            Shown::Silence => false,
        };
        is_wrong && self.again && self.after >= published
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
        now: state.now + LATER,
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
    let is_outdated = known.after < published;
    match shown_by(state, pod) {
        shown if shown != known.shown => true,
        Shown::Leaf(pair) if Some(pair) == state.current(DIALLED) => is_outdated,
        Shown::Silence => is_outdated,
        // Without a reloader it serves what it started with, which is what counts in a rollout.
        Shown::Leaf(_)
            if !state.setting.reloads && pod.sure[DIALLED] && !state.is_completed(DIALLED) =>
        {
            false
        }
        Shown::Leaf(_) | Shown::Nothing => is_outdated || !known.again,
    }
}

/// A handshake. One that is to show whether the same is shown again is made after a while.
pub fn dial(state: &mut State, operator: usize, ordinal: Ordinal) {
    let Some(pod) = &state.pods[ordinal] else {
        return;
    };
    let published = state.published(DIALLED).map_or(0, |it| it.written);
    let shown = shown_by(state, pod);
    let before = state.operators[operator].proofs[ordinal];
    let is_right = state.current(DIALLED).map(Shown::Leaf) == Some(shown);
    let counts_if_repeated = !is_right && shown != Shown::Silence;
    let again = counts_if_repeated && before.is_some_and(|before| before.shown == shown);
    let glimpse = Glimpse {
        shown,
        after: published.max(pod.started.unwrap_or(published)),
        again,
    };
    state.now += if again { WHILE - TICK } else { 0 };
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
