//! What a condition says, and how it is written down.

use api::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::Refusal;

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub status: Truth,
    pub reason: Reason,
    pub message: String,
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It cannot be told.
    Unknown,
}

/// Everything that the conditions of one certificate say.
pub struct Findings {
    pub issued: Finding,
    pub published: Finding,
    pub rolled_out: Finding,
    pub ready: Finding,
    pub reconciling: Finding,
    pub stalled: Finding,
    /// Told only where it is asked for.
    pub verified: Option<Finding>,
    /// The same.
    pub partner_accepted: Option<Finding>,
    /// Told only while it holds.
    pub contested: Option<Finding>,
}

impl Findings {
    /// As conditions; a condition whose status did not change keeps its transition time.
    pub fn into_conditions(
        self,
        generation: i64,
        before: &[Condition],
        now: Timestamp,
    ) -> Vec<Condition> {
        [
            (ConditionType::Ready, self.ready),
            (ConditionType::Issued, self.issued),
            (ConditionType::Published, self.published),
            (ConditionType::RolledOut, self.rolled_out),
            (ConditionType::Reconciling, self.reconciling),
            (ConditionType::Stalled, self.stalled),
        ]
        .into_iter()
        .chain(self.verified.map(|it| (ConditionType::Verified, it)))
        .chain(
            self.partner_accepted
                .map(|it| (ConditionType::PartnerAccepted, it)),
        )
        .chain(self.contested.map(|it| (ConditionType::Contested, it)))
        .map(|(kind, finding)| finding.into_condition(kind, generation, before, now))
        .collect()
    }
}

impl Finding {
    pub fn yes(reason: Reason, message: String) -> Self {
        Self {
            status: Truth::True,
            reason,
            message,
        }
    }

    pub fn no(reason: Reason, message: String) -> Self {
        Self {
            status: Truth::False,
            reason,
            message,
        }
    }

    pub fn unknown(reason: Reason, message: String) -> Self {
        Self {
            status: Truth::Unknown,
            reason,
            message,
        }
    }

    pub fn refused(refusal: &Refusal) -> Self {
        Self::no(refusal.reason, refusal.message.clone())
    }

    pub fn unread(refusal: &Refusal) -> Self {
        Self::unknown(refusal.reason, refusal.message.clone())
    }

    pub fn holds(&self) -> bool {
        self.status == Truth::True
    }

    fn into_condition(
        self,
        kind: ConditionType,
        generation: i64,
        before: &[Condition],
        now: Timestamp,
    ) -> Condition {
        let status = match self.status {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        };
        let unchanged = before
            .iter()
            .find(|condition| condition.type_ == kind.as_str() && condition.status == status);
        Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: self.reason.as_str().to_owned(),
            message: self.message,
            observed_generation: Some(generation),
            last_transition_time: unchanged.map_or_else(
                || Time(now),
                |condition| condition.last_transition_time.clone(),
            ),
        }
    }
}
