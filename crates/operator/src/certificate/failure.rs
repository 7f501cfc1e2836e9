//! What the status tells of a step that failed, and of what could not be read.

use api::{ConditionType, Reason, WorkloadKind, names};
use plan::{
    Refusal,
    certificate::{Action, Authority, Observed, Obstacle, Published, Step, Store},
    rollout::Workload,
};

use crate::{
    context::Context,
    error::{Error, remedy},
};

/// A write that failed is an obstacle that the status shall tell of; the pass goes on to write
/// that, and ends as failed. A write that met a changed object ends the pass, unless it did so time
/// and again.
pub fn blocked(
    context: &Context,
    observed: &mut Observed,
    action: &Action,
    error: Error,
) -> Result<Error, Error> {
    let object = super::named(observed);
    match action.step() {
        Some(step) if context.is_failure(&object, &error) => {
            tell(observed, step, &error);
            Ok(error)
        }
        Some(_) | None => Err(error),
    }
}

/// Whether what was published is to be published once more for the same cause: the reply to the
/// first write tells that it did not stay as it was written.
pub fn is_undone(last: Option<&Action>, next: &Action) -> bool {
    let cause = |action: &Action| match action {
        Action::Publish { cause, .. } => Some(*cause),
        Action::Issue { .. }
        | Action::Recover { .. }
        | Action::Adopt { .. }
        | Action::NoteRollback { .. }
        | Action::RollBack { .. }
        | Action::Distrust { .. }
        | Action::DropPrevious { .. }
        | Action::Record { .. }
        | Action::WriteStatus(_) => None,
    };
    cause(next).is_some_and(|next| last.and_then(cause) == Some(next))
}

/// Makes a failure what stands in the way of a step.
pub fn tell(observed: &mut Observed, step: Step, error: &Error) {
    let refusal = Refusal {
        reason: error.reason(),
        message: told_already(observed, step, error).unwrap_or_else(|| message(error)),
    };
    observed.failed = Some(Obstacle { step, refusal });
}

/// The message that stands in the status for the same failure. It is kept: messages of webhooks and
/// quotas differ from one try to the next, and each change of the status would be a try of its own.
fn told_already(observed: &Observed, step: Step, error: &Error) -> Option<String> {
    let kind = match step {
        Step::Issue | Step::Suspended => ConditionType::Issued,
        Step::Publish => ConditionType::Published,
    };
    let own_words = error.own_words();
    observed
        .resource
        .status
        .conditions
        .iter()
        .find(|condition| {
            condition.type_ == kind.as_str()
                && condition.reason == error.reason().as_str()
                && condition.observed_generation == Some(observed.resource.generation)
                && condition.message.starts_with(&own_words)
        })
        .map(|condition| condition.message.clone())
}

fn message(error: &Error) -> String {
    remedy(error).map_or_else(|| error.to_string(), |remedy| format!("{error}; {remedy}"))
}

/// What could not be read and is to be read again, though nothing will tell of a change: a watch
/// that is allowed once does not tell that reading is allowed again. What the operator was never told
/// that it may read, it does not try to.
pub fn unread(
    observed: &Observed,
    may_read: impl Fn(&str) -> bool,
    is_watched: impl Fn(WorkloadKind) -> bool,
) -> Option<Refusal> {
    let wanted = &observed.resource.wanted;
    let store_name = names::store_secret(&observed.resource.name);
    let authority = match &observed.authority {
        Authority::Unusable(refusal) => wanted.issuer.ca_secret().map(|name| (refusal, name)),
        Authority::Usable(_) | Authority::Itself => None,
    };
    let store = match &observed.store {
        Store::Unreadable(refusal) => Some((refusal, store_name.as_str())),
        Store::Absent | Store::NotAStore | Store::Corrupt(_) | Store::Present(_) => None,
    };
    let published = match &observed.published {
        Published::Unreadable(refusal) => Some((refusal, wanted.secret_name.as_str())),
        Published::Absent | Published::Present(_) => None,
    };
    let workload = match &observed.workload {
        Some(Workload::Unreadable(refusal)) => wanted
            .workload
            .as_ref()
            .filter(|workload| is_watched(workload.kind))
            .map(|_| refusal),
        Some(Workload::Missing | Workload::Present(_)) | None => None,
    };
    [authority, store, published]
        .into_iter()
        .flatten()
        .filter(|(refusal, name)| was_asked_for(refusal) && may_read(name))
        .map(|(refusal, _)| refusal)
        .chain(workload)
        .next()
        .cloned()
}

/// Whether the API server was asked, and did not give what was asked for. A CA that cannot sign was
/// read.
fn was_asked_for(refusal: &Refusal) -> bool {
    [Reason::ApiUnavailable, Reason::Refused, Reason::Forbidden].contains(&refusal.reason)
}

#[cfg(test)]
mod tests;
