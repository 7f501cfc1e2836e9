//! The guarantees of the design, as far as `plan` decides them.

use api::Trigger;
use plan::{
    RenewalPolicy,
    certificate::{Action, Observed},
    publication::Held,
    renewal_time,
};

use crate::{
    facts::{Certificate, Kinds as _, Leaf, Name, Pair},
    memory::Memory,
    state::{LONG, Pod, RESOURCES, Stamp, State, View},
    support::fingerprint,
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
        Action::RollBack { .. } => is_taken_back_for_a_reason(before, after, certificate),
        Action::Distrust { .. }
        | Action::NoteRollback { .. }
        | Action::Record { .. }
        | Action::WriteStatus(_) => Ok(()),
    }
}

/// What is taken back broke a pod, and what is put back works.
fn is_taken_back_for_a_reason(
    before: &State,
    after: &State,
    certificate: Certificate,
) -> Result<(), String> {
    let rejected = before.current(certificate);
    let broke = |pod: &Pod| pod.reads[certificate] == rejected && pod.broken;
    let mut pods = before.pods.iter().flatten();
    holds(pods.any(broke), || {
        format!("guarantee 5: {rejected:?} is taken back, and no pod broke with it")
    })?;
    let back = after.current(certificate);
    holds(before.is_valid(back, 0), || {
        format!("guarantee 5: {back:?} is put back, which does not work")
    })
}

/// One certificate for each trigger: what is there, and not only what was read, asks for it.
fn is_justified(
    before: &State,
    operator: usize,
    certificate: Certificate,
    trigger: Trigger,
) -> Result<(), String> {
    let observed = before.observed(certificate, &before.view(certificate));
    let now = before.clock(operator);
    let justified = observed.stored().is_none_or(|stored| {
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
    match secret.pair {
        Some(Pair::Ours(old)) => holds(old <= leaf, || {
            format!("guarantee 5: leaf {old} is replaced by the older leaf {leaf}")
        }),
        Some(Pair::Foreign | Pair::Chart) | None => Ok(()),
    }
}

/// What must not be decided on.
pub fn of_a_decision(state: &State, stamp: &Stamp) -> Result<(), String> {
    if !stamp.restarts {
        return Ok(());
    }
    is_needed(state, stamp)?;
    is_not_stacked(state)
}

/// What a stamp on the template must not do.
pub fn of_a_stamp(before: &State, after: &mut State, stamp: &Stamp) -> Result<(), String> {
    for (&certificate, &leaf) in &stamp.fingerprints {
        holds(after.truth.stamped.insert((certificate, leaf)), || {
            format!("guarantee 4: a second rollout for leaf {leaf}")
        })?;
        let there = before.workload().template[certificate];
        let in_service = before.current(certificate) == Some(Pair::Ours(leaf));
        holds(in_service || there <= Some(leaf), || {
            format!("guarantee 4: a rollout back from leaf {there:?} to leaf {leaf}")
        })?;
    }
    Ok(())
}

/// Some pod serves something else, or it cannot be told that it does not.
fn is_needed(before: &State, stamp: &Stamp) -> Result<(), String> {
    let serves = |pod: &Pod, certificate: Certificate, leaf: Leaf| {
        pod.started.is_none()
            || (pod.reads[certificate] == Some(Pair::Ours(leaf))
                && pod.sure[certificate]
                && !is_unknowable(before, pod, certificate))
    };
    let needed = stamp.fingerprints.iter().any(|(&certificate, &leaf)| {
        let mut pods = before.pods.iter().flatten().filter(|pod| !pod.terminating);
        pods.any(|pod| !serves(pod, certificate, leaf))
    });
    holds(needed, || {
        "guarantee 4: a rollout although every pod serves the certificate".to_owned()
    })
}

/// Kubernetes has ended the rollout before, or has not moved for long.
fn is_not_stacked(before: &State) -> Result<(), String> {
    let workload = before.workload();
    let pods = || before.pods.iter().flatten();
    let under_way = workload.seen != workload.revision
        || before.pods.iter().any(Option::is_none)
        || pods().any(|pod| pod.terminating || pod.revision != workload.revision);
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
        if said.is_done {
            every_pod_is_current(state, certificate)?;
        }
        if said.is_ready {
            is_ready(state, operator, certificate)?;
        }
    }
    Ok(())
}

fn every_pod_is_current(state: &State, certificate: Certificate) -> Result<(), String> {
    let current = state.current(certificate);
    let serves =
        |pod: &Pod| pod.reads[certificate] == current || is_unknowable(state, pod, certificate);
    let mut pods = state.pods.iter().map(Option::as_ref);
    let all = pods.all(|pod| pod.is_some_and(|pod| pod.started.is_some() && serves(pod)));
    holds(all, || {
        format!(
            "guarantee 9: all pods are said to serve {current:?} of {}",
            RESOURCES[certificate]
        )
    })
}

/// Whether nobody can know what the pod serves: a hand was too quick, or the record was put back.
fn is_unknowable(state: &State, pod: &Pod, certificate: Certificate) -> bool {
    let forgotten = match state.current(certificate) {
        Some(Pair::Ours(leaf)) => state.truth.forgotten.contains(&leaf),
        Some(Pair::Foreign | Pair::Chart) | None => false,
    };
    forgotten || pod.unknowable[certificate]
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
    let works =
        |pod: &&Pod| is_valid(pod.reads[certificate]) || is_unknowable(state, pod, certificate);
    let mut pods = state.pods.iter().flatten();
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

/// What must be true once nobody has anything left to do, for ever.
pub fn of_the_end(state: &State) -> Result<(), String> {
    for certificate in 0..state.certificates() {
        let object = state.server.get(&Name::Resource(certificate));
        let status = object
            .and_then(|object| object.resource())
            .map(|it| &it.status);
        let ready = status
            .and_then(|status| condition(status, "Ready"))
            .unwrap_or_default();
        let reached = match state.published(certificate) {
            Some(secret) if secret.claimed => is_in_service(state, certificate),
            Some(_) => ready.1 == "SecretNotOwned",
            None => ready.1 == "ClockSkewed",
        };
        holds(reached, || {
            format!("the end: what is stored is not published: {ready:?}")
        })?;
        if ready.0 == "True" {
            if state.operators.iter().all(|operator| operator.skew == 0) {
                every_pod_is_current(state, certificate)?;
            }
        } else {
            is_blocked(state, certificate, &ready)?;
        }
    }
    Ok(())
}

fn is_in_service(state: &State, certificate: Certificate) -> bool {
    let secret = state.published(certificate);
    secret.is_some_and(|secret| {
        secret.labelled
            && secret.pair.is_some()
            && secret.pair == state.current(certificate)
            && secret.mark.map(Pair::Ours) == secret.pair
    })
}

/// The blocker that the condition names is there.
fn is_blocked(
    state: &State,
    certificate: Certificate,
    ready: &(String, String, String),
) -> Result<(), String> {
    let pods = || state.pods.iter().flatten();
    let doubtful = |pod: &Pod| {
        pod.reads[certificate] != state.current(certificate)
            || !pod.sure[certificate]
            || is_unknowable(state, pod, certificate)
    };
    let wrong_clock = state.truth.disturbed;
    let named = match ready.1.as_str() {
        "RolloutStuck" | "RolloutFailed" => pods().any(|pod| pod.broken),
        "PodUnknown" => pods().any(doubtful) || state.truth.records_lost,
        "RestartNeeded" => pods().any(doubtful),
        "SecretNotOwned" => state
            .published(certificate)
            .is_some_and(|secret| !secret.claimed),
        "NotYetValid" => wrong_clock,
        "ClockSkewed" => state.operators.iter().any(|operator| operator.skew != 0),
        _ => false,
    };
    holds(named && state.truth.disturbed, || {
        format!("the end: blocked by what is not there: {ready:?}")
    })
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

fn holds(condition: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(broken()) }
}
