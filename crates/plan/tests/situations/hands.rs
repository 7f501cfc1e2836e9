//! What others do to the cluster: people, Helm, clocks, containers that end.

use model::{Object, Precondition};

use crate::{
    facts::{Certificate, Kinds as _, Leaf, Name, Pair, PublishedThing, StoreThing, Thing, at},
    guarantees, kubernetes,
    state::{Break, SECRETS, State},
    step::Hand,
};

/// How far a wrong clock is ahead, in days: beyond the renewal of a certificate, not its end.
const AHEAD: i64 = 340;
/// How far a wrong clock is behind, in days.
const BEHIND: i64 = -2;

impl Hand {
    /// Whether it can be, and changes anything.
    pub fn is_possible(self, state: &State) -> bool {
        let published = |it| state.published(it);
        let holds = |it, pair| published(it).is_some_and(|secret| secret.pair != pair);
        match self {
            Self::Garbage(it) => holds(it, None),
            Self::ForeignPair(it) => holds(it, Some(Pair::Foreign)),
            Self::Clobber(it) => holds(it, Some(Pair::Chart)),
            Self::Relabel(it) => published(it).is_some_and(|secret| secret.labelled),
            Self::Stranger(it) => published(it).is_none_or(|secret| secret.claimed),
            Self::DeletePublished(it) => published(it).is_some(),
            Self::DeleteStore(it) => state.server.get(&Name::Store(it)).is_some(),
            Self::RestoreStore(it) => {
                let content = |object: &Object<Thing>| object.content.clone();
                let there = state.server.get(&Name::Store(it)).map(content);
                let backup = state.earlier[it].backup.as_ref().map(content);
                there.is_some() && backup.is_some() && there != backup
            }
            Self::CorruptStore(it) | Self::Renew(it) => state.current(it).is_some(),
            Self::Break => state.truth.breaks.is_none(),
            Self::Firewall => !state.truth.firewall,
            Self::FirewallAway => state.truth.firewall,
            Self::RollBackTo(it) => {
                let asked_for = state.server.get(&Name::Resource(it));
                let asked_for = asked_for.and_then(|it| it.resource()?.rollback_to);
                previous(state, it).is_some_and(|leaf| asked_for != Some(leaf))
            }
            Self::Unstamp => state.workload().template.iter().any(Option::is_some),
            Self::Restart(ordinal) | Self::RestartWithEarlier(ordinal) => {
                state.pods[ordinal]
                    .as_ref()
                    .is_some_and(|pod| pod.ready.is_some() && !pod.terminating)
                    && (0..state.certificates()).all(|it| published(it).is_some())
            }
            Self::ClockForward(it) | Self::ClockBackward(it) => state.operators[it].skew == 0,
            Self::ClockRight(it) => state.operators[it].skew != 0,
        }
    }

    /// The certificate whose published Secret it changes.
    const fn published(self) -> Option<Certificate> {
        match self {
            Self::Garbage(it)
            | Self::ForeignPair(it)
            | Self::Clobber(it)
            | Self::Stranger(it)
            | Self::DeletePublished(it) => Some(it),
            Self::Relabel(_)
            | Self::DeleteStore(_)
            | Self::CorruptStore(_)
            | Self::RestoreStore(_)
            | Self::Renew(_)
            | Self::RollBackTo(_)
            | Self::Break
            | Self::Firewall
            | Self::FirewallAway
            | Self::Unstamp
            | Self::Restart(_)
            | Self::RestartWithEarlier(_)
            | Self::ClockForward(_)
            | Self::ClockBackward(_)
            | Self::ClockRight(_) => None,
        }
    }

    /// Whether it is part of a certificate's life and no disturbance.
    pub const fn is_ordinary(self) -> bool {
        matches!(self, Self::Renew(_) | Self::RollBackTo(_))
    }

    /// Whether what it does costs nothing of a budget: it ends a disturbance.
    pub const fn is_free(self) -> bool {
        matches!(self, Self::ClockRight(_) | Self::FirewallAway)
    }
}

/// Somebody does it. What the published Secret held before is `noted` if every operator had the time to
/// take note of it.
pub fn act(state: &mut State, hand: Hand, noted: bool) {
    state.truth.disturbed |= !hand.is_ordinary();
    if let (Some(it), false) = (hand.published(), noted) {
        state.forget_unrecorded(it);
    }
    state.truth.records_lost |= matches!(
        hand,
        Hand::DeleteStore(_) | Hand::CorruptStore(_) | Hand::RestoreStore(_)
    );
    match hand {
        Hand::Garbage(it) => overwrite(state, it, None),
        Hand::ForeignPair(it) => overwrite(state, it, Some(Pair::Foreign)),
        Hand::Clobber(it) => {
            overwrite(state, it, Some(Pair::Chart));
            relabel(state, it);
        }
        Hand::Relabel(it) => relabel(state, it),
        Hand::Stranger(it) => replace_by_a_stranger(state, it),
        Hand::DeletePublished(it) => delete(state, Name::Published(it)),
        Hand::DeleteStore(it) => delete(state, Name::Store(it)),
        Hand::RestoreStore(it) => restore_store(state, it),
        Hand::CorruptStore(it) => change(state, Name::Store(it), |thing| {
            *thing = Thing::Store(StoreThing::Corrupt);
        }),
        Hand::Renew(it) => change(state, Name::Resource(it), |thing| {
            if let Thing::Resource(resource) = thing {
                resource.renew = Some(resource.renew.map_or(1, |value| value + 1));
            }
        }),
        Hand::RollBackTo(it) => ask_for_the_one_before(state, it),
        Hand::Break => state.truth.breaks = Some(Break::NeverReady),
        Hand::Firewall => state.truth.firewall = true,
        Hand::FirewallAway => state.truth.firewall = false,
        Hand::Unstamp => unstamp(state),
        Hand::Restart(ordinal) => kubernetes::restart(state, ordinal, false),
        Hand::RestartWithEarlier(ordinal) => kubernetes::restart(state, ordinal, true),
        Hand::ClockForward(it) => state.operators[it].skew = AHEAD,
        Hand::ClockBackward(it) => state.operators[it].skew = BEHIND,
        Hand::ClockRight(it) => state.operators[it].skew = 0,
    }
}

fn change(state: &mut State, name: Name, change: impl FnOnce(&mut Thing)) {
    state.note_earlier(name);
    // Whose object it is does not matter to them.
    state
        .server
        .patch(&name, Precondition::default(), change)
        .unwrap();
}

fn overwrite(state: &mut State, certificate: Certificate, pair: Option<Pair>) {
    let now = state.now;
    change(state, Name::Published(certificate), |thing| {
        if let Thing::Published(secret) = thing {
            secret.pair = pair;
            secret.written = now;
        }
    });
}

fn restore_store(state: &mut State, certificate: Certificate) {
    let Some(backup) = state.earlier[certificate].backup.clone() else {
        return;
    };
    let there = state.current(certificate);
    change(state, Name::Store(certificate), |thing| {
        *thing = backup.content;
    });
    if let Some(Pair::Ours(leaf)) = state.current(certificate).filter(|it| there == Some(*it)) {
        state.truth.forgotten.insert(leaf);
    }
}

fn relabel(state: &mut State, certificate: Certificate) {
    change(state, Name::Published(certificate), |thing| {
        if let Thing::Published(secret) = thing {
            secret.labelled = false;
        }
    });
}

/// What a tool does that knows nothing of the operator's annotation: pods are replaced once more. A pod
/// that reads something else afterwards may get the rollout that was undone once more.
fn unstamp(state: &mut State) {
    let now = state.now;
    state.truth.stamped.clear();
    change(state, Name::Workload, |thing| {
        if let Thing::Workload(workload) = thing {
            workload.change(now, |template| template.fill(None));
        }
    });
}

/// The leaf before, if there is one.
fn previous(state: &State, certificate: Certificate) -> Option<Leaf> {
    match state.stored(certificate)? {
        StoreThing::Good {
            previous: Some(Pair::Ours(leaf)),
            ..
        } => Some(*leaf),
        StoreThing::Good { .. } | StoreThing::Corrupt => None,
    }
}

fn ask_for_the_one_before(state: &mut State, certificate: Certificate) {
    let leaf = previous(state, certificate);
    state.truth.asked_for.extend(leaf);
    change(state, Name::Resource(certificate), |thing| {
        if let Thing::Resource(resource) = thing {
            resource.rollback_to = leaf;
        }
    });
}

fn delete(state: &mut State, name: Name) {
    state.note_earlier(name);
    state.server.delete(&name, Precondition::default()).unwrap();
}

fn replace_by_a_stranger(state: &mut State, certificate: Certificate) {
    let name = Name::Published(certificate);
    if state.published(certificate).is_some() {
        delete(state, name);
    }
    let secret = PublishedThing {
        claimed: false,
        pair: Some(Pair::Foreign),
        mark: None,
        labelled: false,
        written: state.now,
    };
    state.server.create(name, Thing::Published(secret)).unwrap();
}

impl State {
    /// What is there of an object before it is changed: for reads that are late, and for backups.
    pub fn note_earlier(&mut self, name: Name) {
        let there = self.server.get(&name).cloned();
        match name {
            Name::Store(it) => {
                self.earlier[it].store = there;
                self.earlier[it].forget();
            }
            Name::Published(it) => {
                self.earlier[it].published = there;
                self.earlier[it].forget();
            }
            Name::Resource(_) | Name::Workload => {}
        }
    }

    /// Somebody is about to change the published Secret. If no operator could yet take note of what it
    /// holds, nobody can ever know what the pods serve that read it.
    fn forget_unrecorded(&mut self, certificate: Certificate) {
        let object = self.server.get(&Name::Published(certificate));
        let Some(secret) = object.and_then(|it| it.published()) else {
            return;
        };
        if self.is_recorded(certificate, secret) {
            return;
        }
        let (content, written) = (secret.pair, secret.written);
        for pod in self.pods.iter_mut().flatten() {
            let read_it = pod.started.is_some_and(|started| written <= started);
            if read_it && pod.reads[certificate] == content {
                pod.unknowable[certificate] = true;
            }
        }
    }

    /// Whether the store tells of what lies in the published Secret.
    pub fn is_recorded(&self, certificate: Certificate, secret: &PublishedThing) -> bool {
        let store = self.server.get(&Name::Store(certificate));
        match store.and_then(|it| it.store()) {
            Some(StoreThing::Good { state, .. }) => {
                let last = state.log_of(SECRETS[certificate]).last();
                last.is_some_and(|it| {
                    it.held == guarantees::held(secret.pair) && it.from == at(secret.written)
                })
            }
            Some(StoreThing::Corrupt) | None => false,
        }
    }
}
