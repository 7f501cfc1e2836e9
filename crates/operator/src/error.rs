//! What can fail at the rim, one variant per failed step.

use std::fmt;

use api::Reason;
use kube::core::Status;

use crate::redact::redact;

/// A failed step of a pass. No variant holds bytes of a body or of a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A read from the API server failed.
    #[error("cannot read {object}: {failure}")]
    Read {
        /// What was read.
        object: ObjectName,
        /// Why it failed.
        failure: ApiFailure,
    },
    /// A write to the API server failed.
    #[error("cannot write {object}: {failure}")]
    Write {
        /// What was written.
        object: ObjectName,
        /// Why it failed.
        failure: ApiFailure,
    },
    /// An object changed between being read and being written; the next pass sees the change.
    #[error("{object} changed while it was being worked on")]
    Changed {
        /// Which object.
        object: ObjectName,
    },
    /// Signing failed.
    #[error("cannot sign a certificate: {0}")]
    Sign(#[from] pki::IssueError),
    /// The key generation was interrupted.
    #[error("cannot sign a certificate: the signing task ended early")]
    SigningInterrupted,
    /// A store's record cannot be encoded.
    #[error("cannot encode the record of {object}: {message}")]
    Encode {
        /// Which object.
        object: ObjectName,
        /// Why.
        message: String,
    },
    /// A pass took more writes than any plan needs.
    #[error("{object} did not converge within {writes} writes; it is tried again")]
    Unsettled {
        /// Which object.
        object: ObjectName,
        /// How many writes were made.
        writes: usize,
    },
    /// A pass took longer than its deadline.
    #[error("the pass over {object} was ended after {seconds} s without an end; it is tried again")]
    Deadline {
        /// Which object.
        object: ObjectName,
        /// The deadline.
        seconds: u64,
    },
    /// A pass panicked.
    #[error("the pass over {object} failed unforeseen at {location}; please report this")]
    Panicked {
        /// Which object.
        object: ObjectName,
        /// File and line.
        location: String,
    },
}

/// Kind, namespace and name of an object, for messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    kind: &'static str,
    namespace: String,
    name: String,
}

impl ObjectName {
    /// Names an object.
    pub fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

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
        } else if (400..500).contains(&status.code) && status.code != 429
            || is_webhook(&status.message)
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
            | Self::Server { .. }
            | Self::Garbled
            | Self::Unreachable(_) => false,
        }
    }

    /// The reason for a condition.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NotFound | Self::AlreadyExists | Self::Conflict => Reason::Conflict,
            Self::Forbidden(_) => Reason::Forbidden,
            Self::Refused(_) => Reason::Refused,
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

fn is_webhook(message: &str) -> bool {
    message.contains("failed calling webhook")
}

impl Error {
    /// The reason for a condition and for the metric's label.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Read { failure, .. } | Self::Write { failure, .. } => failure.reason(),
            Self::Changed { .. } => Reason::Conflict,
            Self::Sign(error) => error.reason(),
            Self::SigningInterrupted => Reason::SigningFailed,
            Self::Encode { .. } | Self::Unsettled { .. } | Self::Panicked { .. } => {
                Reason::InternalError
            }
            Self::Deadline { .. } => Reason::ApiUnavailable,
        }
    }

    /// How it is met.
    #[must_use]
    pub const fn category(&self) -> Category {
        match self {
            Self::Changed { .. } => Category::Stale,
            Self::Read { failure, .. } | Self::Write { failure, .. } if failure.is_stale() => {
                Category::Stale
            }
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Sign(_)
            | Self::SigningInterrupted
            | Self::Encode { .. }
            | Self::Unsettled { .. }
            | Self::Deadline { .. }
            | Self::Panicked { .. } => Category::Failure,
        }
    }
}

/// How an error is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Look again at once: the world moved.
    Stale,
    /// Try again later, ever later.
    Failure,
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
