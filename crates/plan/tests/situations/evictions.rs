//! What the operator must not do to single pods.

use api::RolloutStrategy;

use crate::{
    facts::{Certificate, Kinds as _, Leaf, Name, Pair},
    guarantees::{holds, is_unknowable},
    probing::{Glimpse, Shown},
    state::{Break, Eviction, Pod, State},
    step::Ordinal,
};

/// What must not be decided on.
pub fn of_a_decision(state: &State, operator: usize, eviction: Eviction) -> Result<(), String> {
    is_not_spared(state, eviction.ordinal)?;
    let Some(pod) = &state.pods[eviction.ordinal] else {
        return Ok(());
    };
    match state.setting.strategy {
        RolloutStrategy::PodByPod | RolloutStrategy::Reload => {}
        strategy @ RolloutStrategy::RollingRestart => {
            let is_left_over = (0..state.certificates()).any(|it| is_left_over(state, pod, it));
            return holds(is_left_over, || {
                format!("guarantee 4: {strategy:?}, and a pod is evicted")
            });
        }
        RolloutStrategy::None => {
            return Err(
                "guarantee 4: nothing is to be rolled out, and a pod is evicted".to_owned(),
            );
        }
    }
    let reasons = (0..state.certificates()).map(|it| is_due(state, operator, eviction, pod, it));
    let refusals: Result<Vec<_>, _> = reasons.collect();
    refusals.map(drop)
}

fn is_due(
    state: &State,
    operator: usize,
    eviction: Eviction,
    pod: &Pod,
    certificate: Certificate,
) -> Result<(), String> {
    let known = state.operators[operator].proofs[eviction.ordinal];
    is_needed(state, pod, known, certificate)?;
    others_are_proven(state, operator, eviction.ordinal, certificate)?;
    holds(!state.all_were_on_it(operator, certificate), || {
        "guarantee 4: a pod is evicted although every pod serves the certificate and was seen to"
            .to_owned()
    })?;
    if state.setting.strategy == RolloutStrategy::Reload {
        let published = state.published(certificate).map_or(0, |it| it.written);
        let current = state.current(certificate);
        let seen = known.is_some_and(|known| known.disproves(current, published));
        holds(seen, || {
            format!("guarantee 4: {known:?} is no proof that the certificate was not taken up")
        })?;
    }
    Ok(())
}

/// The template is what it was, and the pod has what was taken back, or was made for that and does not come up:
/// Kubernetes replaces neither.
fn is_left_over(state: &State, pod: &Pod, certificate: Certificate) -> bool {
    let is_rejected =
        |leaf: Option<Leaf>| leaf.is_some_and(|it| state.truth.rejected.contains(&it));
    let read = match pod.reads[certificate] {
        Some(Pair::Ours(leaf)) if pod.started.is_some() => Some(leaf),
        Some(Pair::Ours(_) | Pair::Foreign | Pair::Chart) | None => None,
    };
    let is_wedged = is_rejected(pod.annotated[certificate]) && pod.ready.is_none();
    !is_rejected(state.workload().template[certificate]) && (is_wedged || is_rejected(read))
}

/// It serves something else, or nothing, or nobody can know.
fn is_needed(
    state: &State,
    pod: &Pod,
    known: Option<Glimpse>,
    certificate: Certificate,
) -> Result<(), String> {
    let current = state.current(certificate);
    let published = state.published(certificate).map_or(0, |it| it.written);
    let was_seen = known.is_some_and(|known| known.proves(current, published));
    let known = pod.sure[certificate] && !is_unknowable(state, pod, certificate);
    let serves = pod.started.is_some() && pod.reads[certificate] == current && pod.broken.is_none();
    holds(!serves || !(was_seen || known), || {
        "guarantee 4: a pod is evicted that serves the certificate and is known to".to_owned()
    })
}

/// What the canary showed comes first.
fn others_are_proven(
    state: &State,
    operator: usize,
    evicted: Ordinal,
    certificate: Certificate,
) -> Result<(), String> {
    let current = state.current(certificate);
    let took_it_up =
        |pod: &Pod| pod.runs() && pod.reads[certificate] == current && pod.sure[certificate];
    let proofs = &state.operators[operator].proofs;
    let was_seen = |known: &Option<Glimpse>| {
        known.is_some_and(|known| current.map(Shown::Leaf) == Some(known.shown))
    };
    let mut others = state.pods.iter().zip(proofs).enumerate();
    let unproven = others.find(|(ordinal, (pod, known))| {
        *ordinal != evicted && pod.as_ref().is_some_and(took_it_up) && !was_seen(known)
    });
    holds(!state.setting.dialled || unproven.is_none(), || {
        "guarantee 4: a pod is evicted before the certificate was seen on one that took it up"
            .to_owned()
    })
}

/// What must not be carried out.
pub fn of_an_eviction(state: &mut State, evicted: Ordinal) -> Result<(), String> {
    let down = &state.truth.down;
    holds(down.iter().all(|it| *it == evicted), || {
        format!("guarantee 4: pod {evicted} is evicted while {down:?} have not come back")
    })?;
    for certificate in 0..state.certificates() {
        let Some(pod) = &state.pods[evicted] else {
            continue;
        };
        let current = state.current(certificate);
        let came_with = pod.came_with[certificate];
        if let Some(leaf) = came_with.filter(|leaf| current == Some(Pair::Ours(*leaf))) {
            let first = state.truth.replaced.insert((evicted, leaf));
            holds(first, || {
                format!("guarantee 4: pod {evicted} is replaced again and again for leaf {leaf}")
            })?;
        }
    }
    Ok(())
}

/// The StatefulSet's controller replaces a pod as the template was changed.
pub fn of_a_deletion(state: &State, ordinal: Ordinal) -> Result<(), String> {
    let mut seen = state.workload().seen_template.iter().flatten();
    // The rollout of what was taken back may still be under way.
    if seen.any(|leaf| state.truth.rejected.contains(leaf)) {
        return Ok(());
    }
    is_not_spared(state, ordinal)
}

fn is_not_spared(state: &State, ordinal: Ordinal) -> Result<(), String> {
    let spared = state.pods[ordinal].as_ref().is_some_and(|pod| pod.spared);
    holds(!spared, || {
        format!(
            "guarantee 4: pod {ordinal} is restarted, which the certificate that was taken back had \
             not reached"
        )
    })
}

impl State {
    /// Whether the status tells that every pod was on the certificate in service once.
    pub fn is_completed(&self, certificate: Certificate) -> bool {
        let Some(Pair::Ours(leaf)) = self.current(certificate) else {
            return false;
        };
        let leaf = crate::support::fingerprint(u32::from(leaf)).to_string();
        let resource = self.server.get(&Name::Resource(certificate));
        let status = resource.and_then(|it| it.resource()).map(|it| &it.status);
        let rollout = status.and_then(|status| status.rollout.as_ref());
        rollout.is_some_and(|told| told.fingerprint == leaf && told.completed_at.is_some())
    }

    /// Whether it tells that, every pod serves it still, and the operator has seen nothing else.
    pub fn all_were_on_it(&self, operator: usize, certificate: Certificate) -> bool {
        let current = self.current(certificate);
        let published = self.published(certificate).map_or(0, |it| it.written);
        let serves =
            |pod: &Pod| pod.runs() && pod.broken.is_none() && pod.reads[certificate] == current;
        let mut pods = self.pods.iter().zip(&self.operators[operator].proofs);
        self.is_completed(certificate)
            && pods.all(|(pod, known)| {
                pod.as_ref().is_some_and(serves)
                    && known.is_none_or(|known| !known.disproves(current, published))
            })
    }

    /// Whether what is not served can be seen: pods are dialled, and can be.
    pub fn sees_what_is_served(&self) -> bool {
        self.setting.dialled && !self.truth.firewall
    }
}

impl Pod {
    /// Whether it is Ready, and serves no certificate.
    pub fn is_mute(&self) -> bool {
        self.broken == Some(Break::Mute)
    }
}
