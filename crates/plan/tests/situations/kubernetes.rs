//! The StatefulSet's controller (`OrderedReady`, `RollingUpdate`: the highest ordinal first, one at a
//! time) and the kubelet. Changes of pods leave the workload's revision alone: its status may lag.

use crate::{
    facts::{Kinds as _, Leaf, Name, Pair, StoreThing, Thing},
    state::{Break, LONG, Pod, SECRETS, State},
    step::{Move, Ordinal},
};

/// Everything that Kubernetes may do next.
pub fn moves(state: &State) -> Vec<Move> {
    let workload = state.workload();
    let unseen = (!workload.observed).then_some(Move::Observe);
    unseen
        .into_iter()
        .chain(of_the_controller(state))
        .chain(
            (0..)
                .zip(&state.pods)
                .filter_map(|(ordinal, pod)| of_the_kubelet(state, ordinal, pod.as_ref()?)),
        )
        .collect()
}

fn of_the_controller(state: &State) -> Option<Move> {
    for (ordinal, pod) in state.pods.iter().enumerate() {
        match pod {
            None => return Some(Move::Create(ordinal)),
            Some(pod) if pod.terminating || pod.ready.is_none() => return None,
            Some(_) => {}
        }
    }
    let seen = &state.workload().seen_template;
    let is_outdated = |pod: &Option<Pod>| pod.as_ref().is_some_and(|pod| pod.annotated != *seen);
    state.pods.iter().rposition(is_outdated).map(Move::Delete)
}

fn of_the_kubelet(state: &State, ordinal: Ordinal, pod: &Pod) -> Option<Move> {
    let mounted = (0..state.certificates()).all(|it| state.published(it).is_some());
    match pod {
        pod if pod.terminating => Some(Move::Gone(ordinal)),
        pod if pod.started.is_none() && mounted => Some(Move::Start(ordinal)),
        _ => None,
    }
}

/// What may happen and need not.
pub fn chances(state: &State, reloads: bool) -> Vec<Move> {
    let mut chances = Vec::new();
    if reloads {
        chances.extend(reloading(state));
    }
    if state.truth.may_break.is_some() {
        chances.extend(moves(state).into_iter().filter_map(|it| match it {
            Move::Start(ordinal) => Some(Move::Break(ordinal)),
            _ => None,
        }));
    }
    chances
}

/// Processes that may take up what is published without a restart.
fn reloading(state: &State) -> impl Iterator<Item = Move> {
    let published: Vec<_> = (0..state.certificates())
        .map(|it| state.published(it).and_then(|secret| secret.pair))
        .collect();
    let may = move |pod: &Pod| {
        let stays = pod.broken.is_none() && pod.ready.is_some() && pod.runs();
        stays && published.iter().all(Option::is_some) && pod.reads != published
    };
    let pods = (0..).zip(&state.pods);
    let reloading = pods.filter(move |(_, pod)| pod.as_ref().is_some_and(&may));
    reloading.map(|(ordinal, _)| Move::Reload(ordinal))
}

/// One move.
pub fn take(state: &mut State, step: Move) {
    match step {
        Move::Observe => see(state),
        Move::Create(ordinal) => state.pods[ordinal] = Some(created(state)),
        Move::Delete(ordinal) => {
            if let Some(pod) = &mut state.pods[ordinal] {
                pod.terminating = true;
            }
        }
        Move::Gone(ordinal) => {
            state.pods[ordinal] = None;
            state.forget_process(ordinal);
        }
        Move::Break(ordinal) => {
            state.truth.breaks = state.truth.may_break.take();
            state.truth.disturbed = true;
            start(state, ordinal);
        }
        Move::Reload(ordinal) => reload(state, ordinal),
        Move::Start(ordinal) => start(state, ordinal),
    }
}

/// Changes the workload's status, whose revision nothing depends on.
fn see(state: &mut State) {
    for (name, object) in state.server.objects_mut() {
        if let (Name::Workload, Thing::Workload(workload)) = (name, &mut object.content) {
            workload.observed = true;
            workload.seen_template.clone_from(&workload.template);
        }
    }
}

fn created(state: &State) -> Pod {
    let workload = state.workload();
    let secrets = state.certificates();
    Pod {
        created: state.now,
        annotated: workload.seen_template.clone(),
        started: None,
        ready: None,
        terminating: false,
        reads: vec![None; secrets],
        sure: vec![false; secrets],
        unknowable: vec![false; secrets],
        came_with: vec![None; secrets],
        reloaded: false,
        broken: None,
        spared: false,
    }
}

fn start(state: &mut State, ordinal: Ordinal) {
    let now = state.now;
    let read: Vec<_> = (0..state.certificates())
        .filter_map(|it| {
            state
                .published(it)
                .map(|secret| (secret.pair, secret.written))
        })
        .collect();
    let first: Vec<_> = (0..)
        .zip(&read)
        .map(|(it, (pair, _))| is_first(state, it, *pair))
        .collect();
    let breaks = std::mem::take(&mut state.truth.breaks);
    let Some(pod) = &mut state.pods[ordinal] else {
        return;
    };
    for (certificate, (pair, written)) in read.into_iter().enumerate() {
        pod.reads[certificate] = pair;
        pod.sure[certificate] = written < pod.created || first[certificate];
        pod.came_with[certificate] = leaf(pair).filter(|_| pod.sure[certificate]);
    }
    pod.started = Some(now);
    pod.ready = (breaks != Some(Break::NeverReady)).then_some(now);
    pod.broken = breaks;
    state.note_what_broke(ordinal);
}

const fn leaf(pair: Option<Pair>) -> Option<Leaf> {
    match pair {
        Some(Pair::Ours(leaf)) => Some(leaf),
        Some(Pair::Foreign | Pair::Chart) | None => None,
    }
}

/// It takes up what is published.
fn reload(state: &mut State, ordinal: Ordinal) {
    for certificate in 0..state.certificates() {
        let published = state.published(certificate).and_then(|it| it.pair);
        if let Some(pod) = &mut state.pods[ordinal] {
            pod.reads[certificate] = published;
            pod.sure[certificate] = false;
            pod.reloaded = true;
            pod.spared = false;
        }
    }
}

/// Whether nothing else was ever published.
fn is_first(state: &State, certificate: usize, pair: Option<Pair>) -> bool {
    let store = state
        .server
        .get(&Name::Store(certificate))
        .and_then(|it| it.store());
    let issued = match store {
        Some(StoreThing::Good { state, .. }) => state.history.len(),
        Some(StoreThing::Corrupt) | None => usize::MAX,
    };
    !state.truth.disturbed && issued == 1 && pair == state.current(certificate)
}

/// A container ends and starts again in its pod.
pub fn restart(state: &mut State, ordinal: Ordinal, earlier: bool) {
    let now = state.now;
    for certificate in 0..state.certificates() {
        let there = state.published(certificate).map(|it| (it.pair, it.written));
        let before = state.earlier[certificate].published.as_ref();
        let before = before.and_then(|it| it.published()).map(|it| it.pair);
        let (Some((pair, written)), Some(pod)) = (there, &mut state.pods[ordinal]) else {
            continue;
        };
        let changed = earlier && now - written < LONG && pod.created <= written;
        let read = if changed {
            before.unwrap_or(pair)
        } else {
            pair
        };
        let known = !changed || state.is_logged(certificate, read);
        if let Some(pod) = &mut state.pods[ordinal] {
            pod.reads[certificate] = read;
            pod.sure[certificate] = now - written >= LONG;
            pod.came_with[certificate] = leaf(read).filter(|_| pod.sure[certificate]);
            pod.unknowable[certificate] = !known;
            pod.started = Some(now);
            pod.ready = Some(now);
            pod.reloaded = false;
            pod.broken = None;
            pod.spared = false;
        }
    }
    state.forget_process(ordinal);
}

impl State {
    /// A pod has started, and come back if it was evicted.
    fn note_what_broke(&mut self, ordinal: Ordinal) {
        let Some(pod) = &self.pods[ordinal] else {
            return;
        };
        if pod.ready.is_some() {
            self.truth.down.remove(&ordinal);
        }
        let served = pod.reads.iter().filter(|_| pod.broken.is_some());
        let leaves = served.filter_map(|read| leaf(*read));
        self.truth.broke.extend(leaves);
    }

    /// Whether the log tells of this content.
    fn is_logged(&self, certificate: usize, content: Option<Pair>) -> bool {
        let store = self
            .server
            .get(&Name::Store(certificate))
            .and_then(|it| it.store());
        let Some(StoreThing::Good { state, .. }) = store else {
            return false;
        };
        let log = state.log_of(SECRETS[certificate]);
        let mut held = log
            .during(jiff::Timestamp::MIN, jiff::Timestamp::MAX)
            .filter_map(|interval| interval.held);
        held.any(|it| it == crate::guarantees::held(content))
    }
}
