//! How a request to the API server fails.

use api::Reason;
use kube::core::Status;

use crate::redact::redact;

/// How a request to the API server failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiFailure {
    /// It does not exist.
    #[error("it does not exist")]
    NotFound,
    /// It exists already.
    #[error("it exists already")]
    AlreadyExists,
    /// It is at another revision.
    #[error("it is at another revision")]
    Conflict,
    /// The operator's Role does not allow it.
    #[error("the operator's Role does not allow it ({0})")]
    Forbidden(String),
    /// A quota, an admission policy, a webhook or the server's validation refused.
    #[error("the API server refuses it: {0}")]
    Refused(String),
    /// A PodDisruptionBudget lets the pod not go at this moment.
    #[error("{0}")]
    Budget(String),
    /// The API server is overloaded, restarting, or broken.
    #[error("the API server answers {code}: {message}")]
    Server {
        /// HTTP status code.
        code: u16,
        /// Its message.
        message: String,
    },
    /// The answer cannot be read.
    #[error("the API server's answer cannot be read")]
    Garbled,
    /// No answer arrived.
    #[error("the API server did not answer: {0}")]
    Unreachable(String),
}

impl From<kube::Error> for ApiFailure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from_status(&status),
            // Messages of these quote what they could not parse, which may be a Secret.
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::Garbled,
            other => Self::Unreachable(redact(&other.to_string())),
        }
    }
}

impl ApiFailure {
    fn from_status(status: &Status) -> Self {
        let message = || redact(&status.message);
        if status.is_not_found() {
            Self::NotFound
        } else if status.is_already_exists() {
            Self::AlreadyExists
        } else if status.is_conflict() {
            Self::Conflict
        } else if status.code == 403 && is_rbac(&status.message) {
            Self::Forbidden(message())
        } else if let Some(budget) = budget(status) {
            Self::Budget(redact(&budget))
        } else if (400..500).contains(&status.code) && status.code != 429
            || is_no_trouble_of_the_server(&status.message)
        {
            Self::Refused(message())
        } else {
            Self::Server {
                code: status.code,
                message: message(),
            }
        }
    }

    /// Whether the object is not as it was when the write was planned.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        match self {
            Self::NotFound | Self::AlreadyExists | Self::Conflict => true,
            Self::Forbidden(_)
            | Self::Refused(_)
            | Self::Budget(_)
            | Self::Server { .. }
            | Self::Garbled
            | Self::Unreachable(_) => false,
        }
    }

    /// Whether the API server answers, if not with what was asked for. One that is overloaded or
    /// starting does not.
    pub(super) const fn is_answer(&self) -> bool {
        match self {
            Self::Server { code, .. } => !matches!(*code, 429 | 503 | 504),
            Self::NotFound
            | Self::AlreadyExists
            | Self::Conflict
            | Self::Forbidden(_)
            | Self::Refused(_)
            | Self::Budget(_)
            | Self::Garbled => true,
            Self::Unreachable(_) => false,
        }
    }

    /// The part of the message that may differ from one try to the next: what the server says after
    /// having named what refuses (`admission webhook "…" denied the request: …`, or after the object,
    /// `… is forbidden: exceeded quota: …`).
    pub(super) fn varying(&self) -> &str {
        match self {
            Self::Forbidden(message) | Self::Refused(message) | Self::Server { message, .. } => {
                let object = ["is forbidden: ", "is invalid: "];
                let named = object
                    .iter()
                    .find_map(|end| message.find(end).map(|at| at + end.len()))
                    .unwrap_or_default();
                let rest = &message[named..];
                rest.find(": ").map_or("", |at| &rest[at..])
            }
            // It counts the pods.
            Self::Budget(message) | Self::Unreachable(message) => message,
            Self::NotFound | Self::AlreadyExists | Self::Conflict | Self::Garbled => "",
        }
    }

    /// The reason for a condition.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NotFound | Self::AlreadyExists | Self::Conflict => Reason::Conflict,
            Self::Forbidden(_) => Reason::Forbidden,
            Self::Refused(_) => Reason::Refused,
            Self::Budget(_) => Reason::DisruptionBudget,
            Self::Server { .. } | Self::Garbled | Self::Unreachable(_) => Reason::ApiUnavailable,
        }
    }
}

/// RBAC's refusals; quotas, terminating namespaces and admission policies answer 403 as well, but
/// none of them in the words of the authorizer (`… is forbidden: User "…" cannot … resource "…"`).
fn is_rbac(message: &str) -> bool {
    message.contains("is forbidden: User \"")
        && message.contains(" cannot ")
        && message.contains(" resource \"")
}

/// What the API server answers 500 for that it will answer again until somebody changes something.
fn is_no_trouble_of_the_server(message: &str) -> bool {
    let known = [
        "failed calling webhook",
        "more than one PodDisruptionBudget",
    ];
    known.iter().any(|words| message.contains(words))
}

/// What a PodDisruptionBudget says that does not let a pod go. The server answers 429 for other reasons too,
/// without this cause (`createTooManyRequestsError` in Kubernetes' `eviction.go`).
fn budget(status: &Status) -> Option<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut budgets = causes.filter(|cause| cause.reason == "DisruptionBudget");
    let cause = budgets.next().filter(|_| status.code == 429)?;
    Some(format!("{} {}", status.message, cause.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: u16, reason: &str, message: &str) -> ApiFailure {
        let status = Status {
            code,
            reason: reason.into(),
            message: message.into(),
            ..Status::default()
        };
        kube::Error::Api(status.boxed()).into()
    }

    #[test]
    fn rbac_and_quota_are_told_apart() {
        let rbac = "secrets \"a\" is forbidden: User \"system:serviceaccount:a:b\" cannot get resource \"secrets\" in API group \"\"";
        assert_eq!(failure(403, "Forbidden", rbac).reason(), Reason::Forbidden);
        let quota = "secrets \"a\" is forbidden: exceeded quota: q, requested: secrets=1";
        assert_eq!(failure(403, "Forbidden", quota).reason(), Reason::Refused);
    }

    #[test]
    fn an_overloaded_server_is_no_refusal() {
        assert_eq!(
            failure(429, "TooManyRequests", "busy").reason(),
            Reason::ApiUnavailable
        );
        assert_eq!(
            failure(500, "InternalError", "etcd").reason(),
            Reason::ApiUnavailable
        );
    }

    #[test]
    fn a_dead_webhook_is_a_refusal() {
        let message = "Internal error occurred: failed calling webhook \"a.b\"";
        assert_eq!(
            failure(500, "InternalError", message).reason(),
            Reason::Refused
        );
    }

    #[test]
    fn an_answer_that_cannot_be_parsed_is_not_quoted() {
        let error = serde_json::from_str::<u32>("\"LS0tLS1CRUdJTg==\"").unwrap_err();
        let failure = ApiFailure::from(kube::Error::SerdeError(error));
        assert_eq!(
            failure.to_string(),
            "the API server's answer cannot be read"
        );
    }
}
