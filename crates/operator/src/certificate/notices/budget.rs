//! The warning that a rolling restart may end after the certificate: an Event when its status begins
//! to say so.

use api::{ConditionType, CoturnCertificateStatus};
use kube::runtime::events::EventType;
use plan::certificate::{Observed, too_late};

use crate::events::Notice;

/// The Event, if the status tells what it did not tell before.
pub fn notice(
    observed: &Observed,
    before: &CoturnCertificateStatus,
    after: &CoturnCertificateStatus,
) -> Option<Notice> {
    let warning = too_late(observed)?;
    let is_news = tells(after, &warning) && !tells(before, &warning);
    is_news.then(|| Notice {
        kind: EventType::Warning,
        reason: "RenewBeforeTooShort".to_owned(),
        action: "Judge",
        note: warning,
    })
}

fn tells(status: &CoturnCertificateStatus, warning: &str) -> bool {
    let rolled_out = ConditionType::RolledOut.as_str();
    let mut conditions = status.conditions.iter();
    conditions.any(|it| it.type_ == rolled_out && it.message.contains(warning))
}
