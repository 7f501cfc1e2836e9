//! The operators' pass over the workload: it reads everything and decides in one step, and does what the
//! real `plan` decided in another.

use std::collections::BTreeMap;

use api::Fingerprint;
use plan::{certificate::Observed, rollout};

use crate::{
    evictions,
    facts::{Certificate, Leaf, Name, Thing, WorkloadThing, identity, of_pod_uid},
    guarantees, probing,
    state::{Eviction, Intent, Restoration, SECRETS, Stamp, State},
    step::{Ordinal, Reply},
    support::fingerprint,
};

/// What the pass over the workload would do, were it to read now.
pub fn decide(state: &State, operator: usize) -> Option<Intent> {
    let now = state.clock(operator);
    let observations: Vec<_> = (0..state.certificates())
        .map(|certificate| {
            let view = state.view(operator, certificate);
            let mut observed = state.seen_by(operator, certificate, &view);
            // The workload itself is observed once.
            observed.resource.wanted.workload = None;
            observed.workload = None;
            observed
        })
        .collect();
    let pending = observations
        .iter()
        .filter(|observed| observed.is_pending(now));
    let observed = rollout::Observed {
        workload: state.live(&state.view(operator, 0)),
        certificates: observations.iter().filter_map(Observed::mounted).collect(),
        pending: pending.map(|it| it.resource.name.clone()).collect(),
    };
    rollout::plan(&observed, state.server_time())
        .action
        .map(|action| intent(state, action))
}

fn intent(state: &State, action: rollout::Action) -> Intent {
    match action {
        rollout::Action::StampTemplate {
            workload,
            fingerprints,
            effect,
        } => Intent::Stamp(Stamp {
            at: identity(&workload),
            fingerprints: by_certificate(fingerprints)
                .filter_map(|(it, leaf)| Some((it, numbered(state, &leaf.to_string())?)))
                .collect(),
            restarts: effect == rollout::Effect::Rollout,
        }),
        rollout::Action::RestoreTemplate {
            workload,
            annotations,
        } => Intent::Restore(Restoration {
            at: identity(&workload),
            annotations: by_certificate(annotations)
                .map(|(it, leaf)| (it, leaf.and_then(|leaf| numbered(state, &leaf))))
                .collect(),
        }),
        rollout::Action::EvictPod { pod, version } => {
            let ordinal: Ordinal = (0..state.pods.len())
                .find(|it| probing::pod_name(*it) == pod)
                .unwrap();
            Intent::Evict(Eviction {
                ordinal,
                created: of_pod_uid(&version.uid).unwrap().1,
                started: state.pods[ordinal].as_ref().and_then(|pod| pod.started),
            })
        }
        rollout::Action::RestartPod { .. } | rollout::Action::TouchPod { .. } => {
            panic!("no pod may be restarted alone, or touched")
        }
    }
}

fn by_certificate<T>(mut by_secret: BTreeMap<String, T>) -> impl Iterator<Item = (Certificate, T)> {
    let certificates = (0..).zip(SECRETS);
    certificates.filter_map(move |(it, secret)| Some((it, by_secret.remove(secret)?)))
}

fn numbered(state: &State, leaf: &str) -> Option<Leaf> {
    let leaf: Fingerprint = leaf.parse().ok()?;
    (1..)
        .take(state.truth.days.len())
        .find(|it| fingerprint(u32::from(*it)) == leaf)
}

/// What was decided on is done, if what it was decided on is still as it was.
pub fn act(state: &mut State, operator: usize, reply: Reply) -> Result<(), String> {
    let intent = state.operators[operator].intent.take();
    match intent.filter(|_| reply != Reply::Conflict) {
        None => Ok(()),
        Some(Intent::Stamp(stamp)) => {
            let before = state.clone();
            let stamped = change(state, stamp.at, |template| {
                for (certificate, leaf) in &stamp.fingerprints {
                    template[*certificate] = Some(*leaf);
                }
            });
            if stamped {
                guarantees::of_a_stamp(&before, state, &stamp)?;
            }
            Ok(())
        }
        Some(Intent::Restore(restoration)) => {
            change(state, restoration.at, |template| {
                for (certificate, leaf) in restoration.annotations {
                    template[certificate] = leaf;
                }
            });
            Ok(())
        }
        Some(Intent::Evict(eviction)) => evict(state, eviction),
    }
}

/// Whether the template was changed.
fn change(
    state: &mut State,
    at: model::Identity,
    change: impl FnOnce(&mut [Option<Leaf>]),
) -> bool {
    let now = state.now;
    let written = state.server.patch(&Name::Workload, at.into(), |thing| {
        if let Thing::Workload(workload) = thing {
            workload.change(now, change);
        }
    });
    written.is_ok()
}

impl WorkloadThing {
    pub fn change(&mut self, now: i64, change: impl FnOnce(&mut [Option<Leaf>])) {
        change(&mut self.template);
        self.observed = false;
        self.changed = now;
    }
}

fn evict(state: &mut State, eviction: Eviction) -> Result<(), String> {
    let is_as_it_was = state.pods[eviction.ordinal].as_ref().is_some_and(|pod| {
        pod.created == eviction.created && pod.started == eviction.started && !pod.terminating
    });
    if !is_as_it_was {
        return Ok(());
    }
    evictions::of_an_eviction(state, eviction.ordinal)?;
    if let Some(pod) = &mut state.pods[eviction.ordinal] {
        pod.terminating = true;
    }
    state.truth.down.insert(eviction.ordinal);
    Ok(())
}
