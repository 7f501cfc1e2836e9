//! The warning that a rolling restart may end after the certificate: an Event when its status begins
//! to say so.

use api::{ConditionType, CoturnCertificateStatus};
use kube::runtime::events::EventType;

use crate::events::Notice;

/// The Event about a warning, if the status tells of it and did not before.
pub fn notice(
    warning: String,
    before: &CoturnCertificateStatus,
    after: &CoturnCertificateStatus,
) -> Option<Notice> {
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;

    fn status(message: &str) -> CoturnCertificateStatus {
        let rolled_out = Condition {
            type_: ConditionType::RolledOut.as_str().to_owned(),
            status: "True".to_owned(),
            reason: "RolledOut".to_owned(),
            message: message.to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        };
        CoturnCertificateStatus {
            conditions: vec![rolled_out],
            ..CoturnCertificateStatus::default()
        }
    }

    #[test]
    fn a_rollout_that_may_outlast_the_certificate_is_warned_of_once() {
        let warn = |before: &str, after: &str| {
            notice("too late".to_owned(), &status(before), &status(after))
        };
        let warning = warn("2 of 2", "2 of 2; too late").unwrap();
        assert_eq!(warning.kind, EventType::Warning);
        assert_eq!(warning.reason, "RenewBeforeTooShort");
        assert!(warn("2 of 2; too late", "1 of 2; too late").is_none());
        assert!(warn("2 of 2; too late", "2 of 2").is_none());
    }
}
