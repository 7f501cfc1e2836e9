//! What a person is told of a write: a line in the log and a count at once, an Event once the pass
//! has done its work.

mod budget;

use api::{ConditionType, CoturnCertificateStatus};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Resource as _, runtime::events::EventType};
use plan::certificate::{Action, PublishCause, Published, too_late};

use super::Observation;
use crate::{context::Context, events::Notice};

/// Events of one pass that are not written yet.
#[derive(Default)]
pub struct Notices(Vec<(Notice, ObjectReference)>);

impl Notices {
    /// Tells of a write that was done.
    pub fn done(
        &mut self,
        context: &Context,
        observation: &Observation,
        action: &Action,
        before: &CoturnCertificateStatus,
    ) {
        if let Action::Issue { trigger, .. } = action {
            context.metrics.issued(*trigger);
        }
        if !stands(observation, action) {
            return;
        }
        if let Action::WriteStatus(after) = action
            && let Some(warning) = too_late(&observation.observed)
            && let Some(notice) = budget::notice(warning, before, after)
        {
            self.tell(observation, notice);
        }
        if let Some(notice) = notice(observation, action, before) {
            self.tell(observation, notice);
        }
    }

    fn tell(&mut self, observation: &Observation, notice: Notice) {
        let resource = &observation.observed.resource;
        tracing::info!(
            namespace = resource.namespace,
            certificate = resource.name,
            event = notice.reason,
            "{}",
            notice.note
        );
        self.0.push((notice, observation.object.object_ref(&())));
    }

    /// Writes the Events.
    pub async fn publish(self, context: &Context) {
        for (notice, regarding) in &self.0 {
            context.events.publish(notice, regarding).await;
        }
    }
}

/// Whether what was written is what the API server stored. What an admission webhook made of it is
/// told of as a failure.
fn stands(observation: &Observation, action: &Action) -> bool {
    match action {
        Action::Publish { .. } => {
            let observed = &observation.observed;
            let stored = observed.stored().map(|stored| stored.current.digest);
            let published = match &observed.published {
                Published::Present(secret) => secret.pair.as_ref().map(|pair| pair.digest),
                Published::Absent | Published::Unreadable(_) => None,
            };
            published.is_some() && published == stored
        }
        Action::Issue { .. }
        | Action::Recover { .. }
        | Action::NoteRollback { .. }
        | Action::Record { .. }
        | Action::WriteStatus(_) => true,
    }
}

fn notice(
    observation: &Observation,
    action: &Action,
    before: &CoturnCertificateStatus,
) -> Option<Notice> {
    let normal = |reason: &str, action, note| {
        Some(Notice {
            kind: EventType::Normal,
            reason: reason.to_owned(),
            action,
            note,
        })
    };
    let leaf = observation
        .observed
        .stored()
        .map(|stored| &stored.current.leaf);
    let secret = &observation.observed.resource.wanted.secret_name;
    match action {
        Action::Issue { trigger, .. } => {
            let leaf = leaf?;
            let note = format!(
                "{trigger}: serial {}, valid until {}",
                leaf.serial, leaf.not_after
            );
            normal("Issued", "Issue", note)
        }
        Action::Recover { .. } => normal(
            "Recovered",
            "Recover",
            format!("the store was taken up again from Secret {secret}"),
        ),
        Action::Publish {
            cause: PublishCause::Overwritten,
            ..
        } => Some(restored(format!(
            "Secret {secret} was changed by somebody else; the certificate in service was put back"
        ))),
        Action::Publish {
            cause: PublishCause::Roots,
            ..
        } => Some(restored(format!(
            "ca.crt of Secret {secret} was changed by somebody else; the roots of the certificate in service were put \
             back"
        ))),
        Action::NoteRollback { lost, .. } => Some(Notice {
            kind: EventType::Warning,
            reason: "StoreRolledBack".to_owned(),
            action: "NoteRollback",
            note: format!(
                "the store was put back to an earlier state: serial {lost} is not in it, serial {} stays in service",
                leaf?.serial
            ),
        }),
        Action::Record { .. }
        | Action::Publish {
            cause: PublishCause::Metadata,
            ..
        } => None,
        Action::Publish {
            cause: PublishCause::Missing | PublishCause::Superseded,
            ..
        } => normal(
            "Published",
            "Publish",
            format!("Secret {secret} holds sha256:{}", leaf?.fingerprint),
        ),
        Action::WriteStatus(after) => changed_condition(before, after),
    }
}

fn restored(note: String) -> Notice {
    Notice {
        kind: EventType::Warning,
        reason: "Restored".to_owned(),
        action: "Publish",
        note,
    }
}

/// Ready, and where Ready stays what it is the conditions below it, when they turn or change their
/// reason.
fn changed_condition(
    before: &CoturnCertificateStatus,
    after: &CoturnCertificateStatus,
) -> Option<Notice> {
    let kinds = [
        ConditionType::Ready,
        ConditionType::Issued,
        ConditionType::RolledOut,
    ];
    let changed = kinds.into_iter().filter_map(|kind| {
        let now = find(&after.conditions, kind)?;
        let then = find(&before.conditions, kind);
        let same = then.is_some_and(|then| then.status == now.status && then.reason == now.reason);
        (!same).then_some((kind, now))
    });
    let (kind, condition) = changed
        .max_by_key(|(kind, condition)| (condition.status != "True", std::cmp::Reverse(*kind)))?;
    Some(Notice {
        kind: if condition.status == "True" {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: condition.reason.clone(),
        action: kind.as_str(),
        note: condition.message.clone(),
    })
}

fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

#[cfg(test)]
mod tests;
