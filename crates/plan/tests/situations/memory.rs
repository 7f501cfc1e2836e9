//! What the plans say of a situation, remembered: most steps leave most of a situation as it was.

use std::{cell::RefCell, collections::HashMap, hash::Hash};

use plan::{
    certificate::{Action, plan},
    rollout::Stage,
};

use crate::{
    facts::{Certificate, digest},
    guarantees, probing,
    state::{Intent, State, View},
    step::Ordinal,
    workload,
};

/// What the plan for a certificate says, as far as it is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub asks_for: Wish,
    claims: [bool; 4],
}

/// What a plan may claim to be the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Every pod is current.
    Done,
    /// The status says Ready, or is about to.
    Ready,
    /// The same of Verified.
    Verified,
    /// Every pod was on the certificate once.
    Completed,
}

/// The write that a plan asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    Status,
    Secret,
}

/// By what was asked.
#[derive(Default)]
pub struct Memory {
    said: RefCell<HashMap<u128, Said>>,
    decided: RefCell<HashMap<u128, Option<Intent>>>,
    wanted: RefCell<HashMap<u128, Vec<Ordinal>>>,
}

impl Said {
    pub fn claims(self, claim: Claim) -> bool {
        self.claims[claim as usize]
    }

    /// Whether a write is due.
    pub fn is_due(self) -> bool {
        self.asks_for != Wish::Nothing
    }
}

impl Memory {
    pub fn said(
        &self,
        state: &State,
        operator: usize,
        certificate: Certificate,
        view: &View,
    ) -> Said {
        let key = digest(&(certificate, view, state.clock(operator), &state.truth.days));
        remembered(&self.said, key, || say(state, operator, certificate, view))
    }

    /// What is said of what is there.
    pub fn said_of(&self, state: &State, operator: usize, certificate: Certificate) -> Said {
        self.said(
            state,
            operator,
            certificate,
            &state.view(operator, certificate),
        )
    }

    pub fn decided(&self, state: &State, operator: usize) -> Option<Intent> {
        let key = digest(&(
            &state.server,
            &state.pods,
            &state.operators[operator].proofs,
            state.clock(operator),
            &state.truth.days,
        ));
        remembered(&self.decided, key, || workload::decide(state, operator))
    }

    /// Pods that the plan wants dialled.
    pub fn wanted(&self, state: &State, operator: usize, certificate: Certificate) -> Vec<Ordinal> {
        let view = state.view(operator, certificate);
        let key = digest(&(certificate, view, state.clock(operator), &state.truth.days));
        remembered(&self.wanted, key, || {
            probing::wanted(state, operator, certificate)
        })
    }
}

fn remembered<K: Hash + Eq, V: Clone>(
    memory: &RefCell<HashMap<K, V>>,
    key: K,
    ask: impl FnOnce() -> V,
) -> V {
    if let Some(known) = memory.borrow().get(&key) {
        return known.clone();
    }
    let answer = ask();
    memory.borrow_mut().insert(key, answer.clone());
    answer
}

fn say(state: &State, operator: usize, certificate: Certificate, view: &View) -> Said {
    let now = state.clock(operator);
    let observed = state.seen_by(operator, certificate, view);
    let action = plan(&observed, now).action;
    let told = match &action {
        Some(Action::WriteStatus(status)) => Some(&**status),
        None => Some(&observed.resource.status),
        // What the status says next is told after this write.
        Some(_) => None,
    };
    let is_told = |kind| {
        let told = told.and_then(|status| guarantees::condition(status, kind));
        told.is_some_and(|told| told.0 == "True")
    };
    let progress = observed.progress(now);
    Said {
        asks_for: match &action {
            None => Wish::Nothing,
            Some(action) => action.step().map_or(Wish::Status, |_| Wish::Secret),
        },
        claims: [
            progress.is_some_and(|progress| progress.stage == Stage::Done),
            is_told("Ready"),
            is_told("Verified"),
            observed
                .mounted()
                .is_some_and(|it| it.assurance.completed.is_some()),
        ],
    }
}
