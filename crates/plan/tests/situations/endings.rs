//! What must be true once nobody has anything left to do, for ever.

use api::CoturnCertificateStatus;

use crate::{
    facts::{Certificate, Kinds as _, Name, Pair},
    guarantees::{condition, every_pod_is_current, holds, is_unknowable},
    probing::Shown,
    state::{Pod, State},
    taking_back,
};

/// What must be true once nobody has anything left to do, for ever.
pub fn of_the_end(state: &State) -> Result<(), String> {
    for certificate in 0..state.certificates() {
        let object = state.server.get(&Name::Resource(certificate));
        let Some(status) = object
            .and_then(|object| object.resource())
            .map(|it| &it.status)
        else {
            continue;
        };
        let ready = condition(status, "Ready").unwrap_or_default();
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
                let nobody_sees = state.setting.dialled && state.truth.firewall;
                every_pod_is_current(state, certificate, &|pod| nobody_sees && pod.reloaded)?;
                nobody_is_mute(state)?;
            }
        } else {
            is_blocked(state, certificate, &ready)?;
        }
        taking_back::of_the_end(state, certificate, status)?;
        if state.setting.dialled {
            is_proven(state, certificate, status)?;
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

/// Who serves nothing is found where pods are dialled.
fn nobody_is_mute(state: &State) -> Result<(), String> {
    let mute = state.pods.iter().flatten().any(Pod::is_mute);
    holds(!(mute && state.sees_what_is_served()), || {
        "the end: Ready while a pod serves no certificate".to_owned()
    })
}

/// What can be seen was seen, and what cannot is not known.
fn is_proven(
    state: &State,
    certificate: Certificate,
    status: &CoturnCertificateStatus,
) -> Result<(), String> {
    let verified = condition(status, "Verified").unwrap_or_default();
    let current = state.current(certificate);
    let serves =
        |pod: &Pod| pod.ready.is_some() && !pod.is_mute() && pod.reads[certificate] == current;
    let mut pods = state.pods.iter().map(Option::as_ref);
    let all_serve = pods.all(|pod| pod.is_some_and(serves));
    if state.sees_what_is_served() {
        return holds((verified.0 == "True") == all_serve, || {
            format!("the end: every pod serves {current:?}: {all_serve}; {verified:?}")
        });
    }
    let shown = || {
        state
            .operators
            .iter()
            .flat_map(|it| it.proofs.iter().flatten())
    };
    let is_silent = shown().any(|it| it.shown == Shown::Silence);
    let is_wrong = shown().any(|it| match it.shown {
        Shown::Leaf(leaf) => Some(leaf) != current,
        Shown::Nothing => true,
        Shown::Silence => false,
    });
    holds(!is_silent || is_wrong || verified.0 == "Unknown", || {
        format!("the end: nobody can be reached, and {verified:?}")
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
    let is_broken = |pod: &Pod| pod.broken.is_some();
    let waits_for_proof = state.setting.dialled && state.truth.firewall;
    let named = match ready.1.as_str() {
        "RolloutFailed" => pods().any(is_broken),
        "RolloutStuck" => pods().any(is_broken) || waits_for_proof,
        "PodUnknown" => pods().any(doubtful) || state.truth.records_lost,
        "RestartNeeded" => pods().any(doubtful) || pods().any(is_broken),
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
