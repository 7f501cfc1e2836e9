//! The guarantees of the design, as far as `plan` decides them.

use api::{RolloutStrategy, Trigger};
use plan::{
    RenewalPolicy,
    certificate::{Action, Observed},
    publication::Held,
    renewal_time,
};

use crate::{
    evictions,
    facts::{Certificate, Kinds as _, Leaf, Pair},
    memory::{Claim, Memory},
    probing::{Glimpse, Shown},
    state::{Intent, LONG, Pod, RESOURCES, Stamp, State, View},
    support::fingerprint,
    taking_back,
};

/// Content in the terms of the log.
pub fn held(content: Option<Pair>) -> Held {
    match content {
        Some(Pair::Ours(leaf)) => Held::Leaf(fingerprint(u32::from(leaf))),
        Some(Pair::Foreign | Pair::Chart) | None => Held::Foreign,
    }
}

/// What a write for a certificate must not do.
pub fn of_a_write(
    before: &State,
    after: &State,
    operator: usize,
    certificate: Certificate,
    action: &Action,
    view: &View,
) -> Result<(), String> {
    match action {
        Action::Issue { trigger, .. } => {
            is_justified(before, operator, certificate, *trigger)?;
            waits_for_the_rollout(before, operator, certificate, *trigger, view)?;
            store_is_not_older(before, after, certificate)
        }
        Action::Recover { .. } | Action::Adopt { .. } => {
            store_is_not_older(before, after, certificate)
        }
        Action::Publish { .. } => publication(before, after, certificate),
        Action::RollBack { by, .. } => {
            taking_back::of_a_write(before, after, operator, certificate, by)
        }
        Action::DropPrevious { .. } => is_replaced_for_good(before, certificate),
        Action::Distrust { .. }
        | Action::NoteRollback { .. }
        | Action::Record { .. }
        | Action::WriteStatus(_) => Ok(()),
    }
}

/// No pod that runs serves the pair that is dropped.
fn is_replaced_for_good(before: &State, certificate: Certificate) -> Result<(), String> {
    let previous = before.previous(certificate);
    let serves = |pod: &Pod| pod.runs() && pod.reads[certificate] == previous;
    let needs_it = before.pods.iter().flatten().any(serves);
    holds(previous.is_some() && !needs_it, || {
        format!("guarantee 5: {previous:?} is dropped while a pod serves it")
    })
}

/// One certificate for each trigger: what is there, and not only what was read, asks for it.
fn is_justified(
    before: &State,
    operator: usize,
    certificate: Certificate,
    trigger: Trigger,
) -> Result<(), String> {
    let observed = before.observed(certificate, &before.view(operator, certificate));
    let now = before.clock(operator);
    let again = taking_back::is_tried_again(before, certificate, now);
    let justified = again
        || observed.stored().is_none_or(|stored| {
            let leaf = &stored.current.leaf;
            match trigger {
                Trigger::DoesNotExist
                | Trigger::Corrupt
                | Trigger::SpecChanged
                | Trigger::ReplicasGrew => false,
                Trigger::Requested => observed.resource.renew != stored.state.handled_renew,
                Trigger::Renewing => now >= renewal(&observed, leaf.not_before, leaf.not_after),
                Trigger::Expired => now >= leaf.not_after,
            }
        });
    holds(justified, || {
        format!("guarantee 8: a certificate is stored that nothing asks for ({trigger})")
    })
}

/// What can wait is not issued while pods are still brought onto the certificate in service.
fn waits_for_the_rollout(
    before: &State,
    operator: usize,
    certificate: Certificate,
    trigger: Trigger,
    view: &View,
) -> Result<(), String> {
    let works = before.is_valid(before.current(certificate), operator);
    let can_wait = works && matches!(trigger, Trigger::Requested | Trigger::Renewing);
    let seen = view.workload.as_ref().and_then(|it| it.workload());
    let unchanged = seen == Some(before.workload());
    if !can_wait || !unchanged {
        return Ok(());
    }
    let known = State {
        pods: view.pods.clone(),
        ..before.clone()
    };
    is_not_stacked(&known)
}

fn renewal(observed: &Observed, from: jiff::Timestamp, until: jiff::Timestamp) -> jiff::Timestamp {
    let policy = RenewalPolicy {
        renew_before: observed.resource.wanted.renew_before,
        uid: &observed.resource.version.uid,
    };
    renewal_time(from, until, policy)
}

fn store_is_not_older(
    before: &State,
    after: &State,
    certificate: Certificate,
) -> Result<(), String> {
    let (old, new) = (before.current(certificate), after.current(certificate));
    match (old, new) {
        (Some(Pair::Ours(old)), Some(Pair::Ours(new))) => holds(old < new, || {
            format!("guarantee 5: the store goes back from leaf {old} to leaf {new}")
        }),
        (_, Some(Pair::Ours(_))) => Ok(()),
        (_, other) => Err(format!(
            "guarantee 3: the store takes up {other:?}, which is not the operator's"
        )),
    }
}

fn publication(before: &State, after: &State, certificate: Certificate) -> Result<(), String> {
    let written = after.published(certificate).and_then(|secret| secret.pair);
    let Some(Pair::Ours(leaf)) = written else {
        return Err(format!("guarantee 1: {written:?} is published"));
    };
    let issued = usize::from(leaf) <= before.truth.days.len();
    holds(issued, || {
        format!("guarantee 1: leaf {leaf} is published and was never stored")
    })?;
    let Some(secret) = before.published(certificate) else {
        return Ok(());
    };
    holds(secret.claimed, || {
        "guarantee 3: a Secret is written that is somebody else's".to_owned()
    })?;
    taking_back::of_a_publication(before, secret.pair, leaf)
}

/// What must not be decided on.
pub fn of_a_decision(state: &State, operator: usize, intent: &Intent) -> Result<(), String> {
    match intent {
        Intent::Evict(eviction) => evictions::of_a_decision(state, operator, *eviction),
        Intent::Restore(_) => may_write_the_template(state),
        Intent::Stamp(stamp) => {
            may_write_the_template(state)?;
            if !stamp.restarts {
                return Ok(());
            }
            is_needed(state, operator, stamp)?;
            let mut carried = state.workload().template.iter().flatten();
            // What pods break with is taken back at once.
            if carried.any(|leaf| state.truth.rejected.contains(leaf)) {
                return Ok(());
            }
            is_not_stacked(state)
        }
    }
}

fn may_write_the_template(state: &State) -> Result<(), String> {
    let strategy = state.setting.strategy;
    holds(strategy == RolloutStrategy::RollingRestart, || {
        format!("guarantee 3: {strategy:?}, and the workload is written")
    })
}

/// What a stamp on the template must not do.
pub fn of_a_stamp(before: &State, after: &mut State, stamp: &Stamp) -> Result<(), String> {
    for (&certificate, &leaf) in &stamp.fingerprints {
        holds(after.truth.stamped.insert((certificate, leaf)), || {
            format!("guarantee 4: a second rollout for leaf {leaf}")
        })?;
        let there = before.workload().template[certificate];
        let in_service = before.current(certificate) == Some(Pair::Ours(leaf));
        let gives_way = there.is_some_and(|there| before.truth.rejected.contains(&there));
        holds(in_service || gives_way || there <= Some(leaf), || {
            format!("guarantee 4: a rollout back from leaf {there:?} to leaf {leaf}")
        })?;
    }
    Ok(())
}

/// Some pod serves something else, or it cannot be told that it does not.
fn is_needed(before: &State, operator: usize, stamp: &Stamp) -> Result<(), String> {
    let was_seen = |ordinal: usize, certificate: Certificate, leaf: Leaf| {
        let published = before.published(certificate).map_or(0, |it| it.written);
        let known = before.operators[operator].proofs[ordinal];
        known.is_some_and(|known| known.proves(Some(Pair::Ours(leaf)), published))
    };
    let serves = |ordinal: usize, pod: &Pod, certificate: Certificate, leaf: Leaf| {
        let is_known = pod.sure[certificate] && !is_unknowable(before, pod, certificate);
        pod.started.is_none()
            || (pod.reads[certificate] == Some(Pair::Ours(leaf))
                && (is_known || was_seen(ordinal, certificate, leaf)))
    };
    let needed = stamp.fingerprints.iter().any(|(&certificate, &leaf)| {
        let pods = (0..).zip(&before.pods);
        let mut there = pods.filter_map(|(ordinal, pod)| Some((ordinal, pod.as_ref()?)));
        there.any(|(ordinal, pod)| !pod.terminating && !serves(ordinal, pod, certificate, leaf))
            && !before.all_were_on_it(operator, certificate)
    });
    holds(needed, || {
        "guarantee 4: a rollout although every pod serves the certificate".to_owned()
    })
}

/// Kubernetes has ended the rollout before, or has not moved for long.
fn is_not_stacked(before: &State) -> Result<(), String> {
    let workload = before.workload();
    let pods = || before.pods.iter().flatten();
    let under_way = !workload.observed
        || before.pods.iter().any(Option::is_none)
        || pods().any(|pod| pod.terminating || pod.annotated != workload.template);
    let times = pods().flat_map(|pod| [Some(pod.created), pod.ready].into_iter().flatten());
    let moved = times.fold(workload.changed, i64::max);
    let draining = pods().any(|pod| pod.terminating);
    let stacked = under_way && (draining || before.now - moved < LONG);
    holds(!stacked, || {
        "guarantee 4: a rollout is stacked on another".to_owned()
    })
}

/// What must be true in every situation.
pub fn of_a_situation(state: &State, memory: &Memory, operator: usize) -> Result<(), String> {
    for certificate in 0..state.certificates() {
        let said = memory.said_of(state, operator, certificate);
        if said.claims(Claim::Done) {
            every_pod_is_current(state, certificate, &is_unseen(state, operator, certificate))?;
        }
        if said.claims(Claim::Ready) {
            is_ready(state, operator, certificate)?;
        }
        if said.claims(Claim::Completed) {
            taking_back::of_a_situation(state, certificate)?;
        }
        if said.claims(Claim::Verified) {
            is_verified(state, operator, certificate)?;
        }
    }
    Ok(())
}

pub fn every_pod_is_current(
    state: &State,
    certificate: Certificate,
    excused: &dyn Fn(&Pod) -> bool,
) -> Result<(), String> {
    let current = state.current(certificate);
    let serves = |pod: &Pod| {
        pod.reads[certificate] == current || is_unknowable(state, pod, certificate) || excused(pod)
    };
    let mut pods = state.pods.iter().map(Option::as_ref);
    let all = pods.all(|pod| pod.is_some_and(|pod| pod.started.is_some() && serves(pod)));
    holds(all, || {
        format!(
            "guarantee 9: all pods are said to serve {current:?} of {}",
            RESOURCES[certificate]
        )
    })
}

/// Pods that took something else up since they started, which no handshake has shown yet, or none since
/// the publication was recorded: what was known last stands.
fn is_unseen(state: &State, operator: usize, certificate: Certificate) -> impl Fn(&Pod) -> bool {
    let current = state.current(certificate);
    let secret = state.published(certificate);
    let secret = secret.filter(|it| state.is_recorded(certificate, it));
    let published = secret.map_or(i64::MAX, |it| it.written);
    let seen: Vec<_> = state
        .pods
        .iter()
        .zip(&state.operators[operator].proofs)
        .filter(|(_, known)| known.is_some_and(|it| it.disproves(current, published)))
        .filter_map(|(pod, _)| pod.clone())
        .collect();
    move |pod| pod.reloaded && !seen.contains(pod)
}

/// Whether nobody can know what the pod serves: a hand was too quick, or the record was put back.
pub fn is_unknowable(state: &State, pod: &Pod, certificate: Certificate) -> bool {
    let forgotten = match state.current(certificate) {
        Some(Pair::Ours(leaf)) => state.truth.forgotten.contains(&leaf),
        Some(Pair::Foreign | Pair::Chart) | None => false,
    };
    forgotten || pod.unknowable[certificate]
}

/// No pod was seen to serve something else. As long as that is to be confirmed, what was told stays.
fn is_verified(state: &State, operator: usize, certificate: Certificate) -> Result<(), String> {
    let current = state.current(certificate);
    let published = state.published(certificate).map_or(0, |it| it.written);
    let proofs = &state.operators[operator].proofs;
    let is_wrong = |pod: &Pod| pod.is_mute() || pod.reads[certificate] != current;
    let mut pods = state.pods.iter().zip(proofs);
    let disproven = pods.find(|(pod, known)| {
        pod.as_ref().is_some_and(|pod| pod.runs() && is_wrong(pod))
            && known.is_some_and(|known| {
                known.disproves(current, published) || known.proves(current, published)
            })
    });
    holds(disproven.is_none(), || {
        format!("guarantee 9: Verified with {disproven:?} where {current:?} is in service")
    })
}

/// The certificate is valid and published, and each pod serves it or, in the middle of a rollout, an
/// earlier one that is valid.
fn is_ready(state: &State, operator: usize, certificate: Certificate) -> Result<(), String> {
    let is_valid = |pair| state.is_valid(pair, operator);
    let current = state.current(certificate);
    let published = state.published(certificate).and_then(|secret| secret.pair);
    holds(is_valid(current) && published == current, || {
        format!("guarantee 9: Ready with {current:?} in service and {published:?} published")
    })?;
    let is_unseen = is_unseen(state, operator, certificate);
    let works = |pod: &&Pod| {
        is_valid(pod.reads[certificate]) || is_unknowable(state, pod, certificate) || is_unseen(pod)
    };
    let mut pods = state.pods.iter().flatten();
    let is_known_to_be_mute = |(pod, known): (&Option<Pod>, &Option<Glimpse>)| {
        pod.as_ref().is_some_and(|pod| pod.is_mute() && pod.runs())
            && known.is_some_and(|known| known.again && known.shown == Shown::Nothing)
    };
    let mut seen = state.pods.iter().zip(&state.operators[operator].proofs);
    holds(!seen.any(is_known_to_be_mute), || {
        "guarantee 9: Ready while a pod is known to serve no certificate".to_owned()
    })?;
    match pods.find(|pod| pod.started.is_some() && !works(pod)) {
        None => Ok(()),
        Some(pod) => {
            let serves = pod.reads[certificate];
            Err(format!(
                "guarantee 9: Ready while a pod serves {serves:?}, which is not valid"
            ))
        }
    }
}

pub fn holds(condition: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(broken()) }
}

/// Status, reason and message of a condition.
pub fn condition(
    status: &api::CoturnCertificateStatus,
    kind: &str,
) -> Option<(String, String, String)> {
    let found = status.conditions.iter().find(|it| it.type_ == kind)?;
    Some((
        found.status.clone(),
        found.reason.clone(),
        found.message.clone(),
    ))
}
