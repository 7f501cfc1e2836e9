//! What a person is told of a write: a line in the log and a count at once, an Event once the pass
//! has done its work.

mod budget;

use api::{ConditionType, CoturnCertificateStatus, Leaf, names};
use jiff::SignedDuration;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Resource as _, runtime::events::EventType};
use plan::{
    certificate::{Action, PublishCause, Published, too_late},
    store::By,
};

use super::{Observation, observe::Unasked};
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
        if let Action::RollBack { .. } = action {
            context.metrics.rolled_back();
        }
        if let Action::WriteStatus(after) = action
            && let Some(took) = completed(before, after)
        {
            context.metrics.completed(took);
        }
        if !stands(observation, action) {
            return;
        }
        let warning = match action {
            Action::WriteStatus(after) => too_late(&observation.observed)
                .and_then(|warning| budget::notice(warning, before, after)),
            _ => None,
        };
        let applied = applied(observation).filter(|_| is_publication(action));
        let told = [warning, notice(observation, action, before), applied];
        for notice in told
            .into_iter()
            .flatten()
            .chain(unasked(observation, action))
        {
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

/// How long it took from the publication until every pod was on the certificate, if that is news; where
/// handshakes are to prove it, none if they did not.
fn completed(
    before: &CoturnCertificateStatus,
    after: &CoturnCertificateStatus,
) -> Option<SignedDuration> {
    let rollout = after.rollout.as_ref()?;
    let told = before.rollout.as_ref().is_some_and(|before| {
        before.fingerprint == rollout.fingerprint && before.completed_at.is_some()
    });
    let (from, to) = (rollout.started_at.as_ref()?, rollout.completed_at.as_ref()?);
    let verified = find(&after.conditions, ConditionType::Verified);
    let is_proven = verified.is_none_or(|verified| verified.status == "True");
    (!told && is_proven).then(|| to.0.duration_since(from.0))
}

/// Partners that could not be shown a certificate before it was stored: what they make of it is known
/// once it is in service.
fn unasked(observation: &Observation, action: &Action) -> Vec<Notice> {
    let Action::Issue { .. } = action else {
        return Vec::new();
    };
    let unasked = observation.unasked.iter();
    let told = unasked.map(|Unasked { partner, why }| Notice {
        kind: EventType::Warning,
        reason: "PartnerNotAsked".to_owned(),
        action: "Issue",
        note: format!(
            "{partner} could not be asked about the certificate before it was stored: {why}; whether it accepts it is \
             told by PartnerAccepted once the certificate is in service"
        ),
    });
    told.collect()
}

fn is_publication(action: &Action) -> bool {
    match action {
        Action::Publish { .. } => true,
        Action::Issue { .. }
        | Action::Recover { .. }
        | Action::Adopt { .. }
        | Action::NoteRollback { .. }
        | Action::RollBack { .. }
        | Action::Distrust { .. }
        | Action::DropPrevious { .. }
        | Action::Record { .. }
        | Action::WriteStatus(_) => false,
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
        | Action::Adopt { .. }
        | Action::NoteRollback { .. }
        | Action::RollBack { .. }
        | Action::Distrust { .. }
        | Action::DropPrevious { .. }
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
        Action::Adopt { .. } => {
            let leaf = leaf?;
            let note = format!(
                "Secret {secret}, made by {}, was taken over: serial {}, valid until {}",
                maker(observation),
                leaf.serial,
                leaf.not_after
            );
            normal("Adopted", "Adopt", note)
        }
        Action::Publish {
            cause: PublishCause::Overwritten,
            ..
        } => Some(restored(format!(
            "Secret {secret} was changed by {}; the certificate in service was put back",
            undone_by(observation)
        ))),
        Action::Publish {
            cause: PublishCause::Roots,
            ..
        } => Some(restored(format!(
            "ca.crt of Secret {secret} was changed by {}; the roots of the certificate in service were put back",
            undone_by(observation)
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
        Action::RollBack { by, .. } => Some(rolled_back(leaf?, by)),
        Action::Distrust { .. }
        | Action::DropPrevious { .. }
        | Action::Record { .. }
        | Action::Publish {
            cause: PublishCause::Metadata | PublishCause::TakenOver,
            ..
        } => None,
        Action::Publish {
            cause: PublishCause::Missing | PublishCause::Deleted | PublishCause::Superseded,
            ..
        } => normal(
            "Published",
            "Publish",
            format!("Secret {secret} holds sha256:{}", leaf?.fingerprint),
        ),
        Action::WriteStatus(after) => changed_condition(before, after),
    }
}

/// The field manager, other than the operator, that wrote the Secret last.
fn maker(observation: &Observation) -> &str {
    let writer = match &observation.observed.published {
        Published::Present(secret) => secret.last_writer.as_ref(),
        Published::Absent | Published::Unreadable(_) => None,
    };
    writer.map_or("somebody else", |writer| &writer.by)
}

fn undone_by(observation: &Observation) -> &str {
    let manager = observation.publication.undone_by.as_deref();
    manager.unwrap_or("somebody else")
}

/// What was written in the name of others, and why.
fn applied(observation: &Observation) -> Option<Notice> {
    let owners = observation.publication.owners.join(", ");
    (!owners.is_empty()).then(|| Notice {
        kind: EventType::Normal,
        reason: "AppliedForOwner".to_owned(),
        action: "Publish",
        note: format!(
            "{owners} owns fields of Secret {} by server-side apply; they were written in its name, so that its next \
             apply meets no conflict",
            observation.observed.resource.wanted.secret_name
        ),
    })
}

fn rolled_back(leaf: &Leaf, by: &By) -> Notice {
    let why = match by {
        By::Failure { what, .. } => what.clone(),
        By::Hand { .. } => format!("annotation {} asks for it", names::ROLLBACK_TO),
    };
    Notice {
        kind: EventType::Warning,
        reason: "RolledBack".to_owned(),
        action: "RollBack",
        note: format!("serial {} is in service again: {why}", leaf.serial),
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
        ConditionType::Verified,
        ConditionType::PartnerAccepted,
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
