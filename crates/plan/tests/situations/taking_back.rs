//! Certificates that are taken back: the write, what it must not do, and how it must end.

use api::{CoturnCertificateStatus, OnFailure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::{
    Precondition,
    certificate::{Action, Store, Stored},
    publication::Held,
    store::{By, RolledBack},
};

use crate::{
    facts::{Certificate, Leaf, Name, Pair, Sealed, StoreThing, Thing},
    guarantees::{condition, holds},
    operator::Writer,
    state::{Pod, SECRETS, State},
    support::hours,
};

/// What stands for the time of the next attempt in a status of the model, as times are renamed.
const NEXT_ATTEMPT: &str = "the next attempt";
const AWAITED: Time = Time(Timestamp::MIN);

/// When another certificate is issued after one was taken back.
fn next_attempt(stored: Option<&Stored>) -> Option<Timestamp> {
    let rolled_back = stored?.state.rolled_back.as_ref()?;
    match rolled_back.by {
        By::Hand { .. } => None,
        By::Failure { attempts, .. } => {
            Some(rolled_back.at + hours(1) * (1 << attempts.saturating_sub(1).min(5)))
        }
    }
}

fn reworded(status: &CoturnCertificateStatus, from: &str, to: &str) -> CoturnCertificateStatus {
    let mut status = status.clone();
    for condition in &mut status.conditions {
        condition.message = condition.message.replace(from, to);
    }
    status
}

pub fn without_the_next_attempt(
    status: &CoturnCertificateStatus,
    stored: Option<&Stored>,
) -> CoturnCertificateStatus {
    let Some(time) = next_attempt(stored) else {
        return status.clone();
    };
    let mut status = reworded(status, &time.to_string(), NEXT_ATTEMPT);
    let told = status.next_attempt_time.take();
    status.next_attempt_time = told.map(|told| if told.0 == time { AWAITED } else { told });
    status
}

pub fn with_the_next_attempt(
    status: &CoturnCertificateStatus,
    stored: Option<&Stored>,
) -> CoturnCertificateStatus {
    let Some(time) = next_attempt(stored) else {
        return status.clone();
    };
    let mut status = reworded(status, NEXT_ATTEMPT, &time.to_string());
    let told = status.next_attempt_time.take();
    status.next_attempt_time = told.map(|told| if told == AWAITED { Time(time) } else { told });
    status
}

impl Writer<'_> {
    pub fn roll_back(
        &mut self,
        at: &plan::Version,
        by: &By,
    ) -> Result<(Name, model::Identity), model::Refused> {
        let (Store::Present(stored), Some((rejected, Some(back)))) =
            (&self.observed.store, self.in_store())
        else {
            return Err(model::Refused::Conflict);
        };
        let asked = self.observed.resource.rollback_to.as_deref();
        let days = &self.state.truth.days;
        let to = back.facts(days).leaf;
        let rolled_back = RolledBack {
            from: rejected.facts(days).leaf.fingerprint,
            to: to.fingerprint,
            at: self.now,
            published: stored
                .state
                .log_of(SECRETS[self.certificate])
                .since(Held::Leaf(rejected.facts(days).leaf.fingerprint)),
            generation: self.observed.resource.generation,
            by: by.clone(),
        };
        let thing = StoreThing::Good {
            current: back,
            previous: Some(rejected),
            state: Sealed::new(
                stored
                    .state
                    .with_the_pair_before(rolled_back, &to.serial, asked),
            ),
        };
        let at = Precondition::At(at.clone());
        self.put(Name::Store(self.certificate), &at, Thing::Store(thing))
    }
}

/// A pod broke with what is taken back, or somebody asked for it, and what is put back works.
pub fn of_a_write(
    before: &State,
    after: &State,
    operator: usize,
    certificate: Certificate,
    by: &By,
) -> Result<(), String> {
    let (Some(Pair::Ours(rejected)), Some(Pair::Ours(back))) =
        (before.current(certificate), after.current(certificate))
    else {
        return Err("guarantee 5: something is put back that is not the operator's".to_owned());
    };
    let truth = &before.truth;
    match by {
        By::Failure { .. } => {
            holds(truth.broke.contains(&rejected), || {
                format!("guarantee 5: leaf {rejected} is taken back, and no pod broke with it")
            })?;
            holds(!truth.rejected.contains(&back), || {
                format!("guarantee 5: leaf {back} is put back, which was itself taken back")
            })?;
            let may = before.setting.on_failure == OnFailure::Rollback;
            holds(may, || {
                format!("guarantee 5: leaf {rejected} is taken back, which nobody wants")
            })?;
        }
        By::Hand { .. } => holds(truth.asked_for.contains(&back), || {
            format!("guarantee 5: leaf {back} is put back, which nobody asked for")
        })?,
    }
    holds(before.is_valid(Some(Pair::Ours(back)), operator), || {
        format!("guarantee 5: leaf {back} is put back, which does not work")
    })
}

/// A leaf that was taken back is never published again, and only one that was gives way to an older one.
pub fn of_a_publication(before: &State, old: Option<Pair>, leaf: Leaf) -> Result<(), String> {
    let rejected = &before.truth.rejected;
    holds(!rejected.contains(&leaf), || {
        format!("guarantee 5: leaf {leaf} is published, which was taken back")
    })?;
    match old {
        Some(Pair::Ours(old)) => holds(old <= leaf || rejected.contains(&old), || {
            format!("guarantee 5: leaf {old} is replaced by the older leaf {leaf}")
        }),
        Some(Pair::Foreign | Pair::Chart) | None => Ok(()),
    }
}

/// What is true from a write on.
pub fn note(before: &State, state: &mut State, certificate: Certificate, action: &Action) {
    match action {
        Action::RollBack { .. } => note_what_was_taken_back(before, state, certificate),
        Action::Issue { .. } => spare(state, |_| false),
        Action::Recover { .. }
        | Action::Adopt { .. }
        | Action::NoteRollback { .. }
        | Action::Record { .. }
        | Action::Distrust { .. }
        | Action::DropPrevious { .. }
        | Action::Publish { .. }
        | Action::WriteStatus(_) => {}
    }
}

fn note_what_was_taken_back(before: &State, state: &mut State, certificate: Certificate) {
    let back = state.current(certificate);
    let (Some(Pair::Ours(rejected)), Some(Pair::Ours(leaf))) = (before.current(certificate), back)
    else {
        return;
    };
    state.truth.rejected.insert(rejected);
    state.truth.rejected.remove(&leaf);
    state.truth.reached_all.remove(&(certificate, leaf));
    // It is rolled out once more where it is needed.
    state.truth.stamped.remove(&(certificate, leaf));
    spare(state, |pod| {
        pod.runs()
            && pod.broken.is_none()
            && pod.sure[certificate]
            && pod.reads[certificate] == back
            && pod.annotated[certificate] != Some(rejected)
    });
}

fn spare(state: &mut State, is_spared: impl Fn(&Pod) -> bool) {
    for pod in state.pods.iter_mut().flatten() {
        pod.spared = is_spared(pod);
    }
}

impl State {
    /// Notes whether every pod serves what was put back into service.
    pub fn note_what_reached_all(&mut self) {
        for certificate in 0..self.certificates() {
            let Some(Pair::Ours(leaf)) = self.current(certificate) else {
                continue;
            };
            let serves = |pod: &Pod| pod.runs() && pod.reads[certificate] == Some(Pair::Ours(leaf));
            let mut pods = self.pods.iter().map(Option::as_ref);
            if rolled_back(self, certificate).is_some() && pods.all(|pod| pod.is_some_and(serves)) {
                self.truth.reached_all.insert((certificate, leaf));
            }
        }
    }
}

/// What was put back into service is not taken to have reached every pod before it has.
pub fn of_a_situation(state: &State, certificate: Certificate) -> Result<(), String> {
    let current = state.current(certificate);
    let (Some(Pair::Ours(leaf)), Some(_)) = (current, rolled_back(state, certificate)) else {
        return Ok(());
    };
    let reached = state.truth.reached_all.contains(&(certificate, leaf));
    holds(reached, || {
        format!("guarantee 9: every pod is taken to have been on leaf {leaf} since it was put back")
    })
}

/// What pods break with is not in service for ever, and what was put back is told.
pub fn of_the_end(
    state: &State,
    certificate: Certificate,
    status: &CoturnCertificateStatus,
) -> Result<(), String> {
    let broken = state.pods.iter().flatten().any(|pod| {
        let shows = pod.broken.is_some() && (!pod.is_mute() || state.sees_what_is_served());
        shows && is_made_for_it(state, certificate, pod)
    });
    let is_to_go = broken && !state.is_completed(certificate);
    holds(!is_to_go || target(state, certificate).is_none(), || {
        "the end: a certificate is in service with which a pod broke".to_owned()
    })?;
    let Some(rolled_back) = rolled_back(state, certificate) else {
        return Ok(());
    };
    let issued = condition(status, "Issued").unwrap_or_default();
    let is_told = issued.0 == "False" && issued.1 == "RolledBack";
    holds(is_told, || {
        format!("the end: {rolled_back:?}, and the status tells {issued:?}")
    })
}

fn is_made_for_it(state: &State, certificate: Certificate, pod: &Pod) -> bool {
    let published = state.published(certificate);
    pod.reads[certificate] == state.current(certificate)
        && published.is_some_and(|secret| pod.created > secret.written)
}

/// What the certificate in service may be taken back to.
fn target(state: &State, certificate: Certificate) -> Option<Leaf> {
    let previous = match state.stored(certificate)? {
        StoreThing::Good { previous, .. } => (*previous)?,
        StoreThing::Corrupt => return None,
    };
    let Pair::Ours(leaf) = previous else {
        return None;
    };
    let may = state.setting.on_failure == OnFailure::Rollback
        && !state.truth.rejected.contains(&leaf)
        && state.is_valid(Some(previous), 0);
    may.then_some(leaf)
}

/// What was put back into service, if that is in service.
fn rolled_back(state: &State, certificate: Certificate) -> Option<&RolledBack> {
    let StoreThing::Good {
        current: Pair::Ours(leaf),
        state,
        ..
    } = state.stored(certificate)?
    else {
        return None;
    };
    let current = crate::support::fingerprint(u32::from(*leaf));
    state.rolled_back.as_ref().filter(|it| it.to == current)
}

/// Whether another certificate is due as the last one was taken back long enough ago.
pub fn is_tried_again(state: &State, certificate: Certificate, now: jiff::Timestamp) -> bool {
    rolled_back(state, certificate).is_some_and(|it| match it.by {
        By::Failure { .. } => now.duration_since(it.at) >= SignedDuration::from_hours(1),
        By::Hand { .. } => false,
    })
}
