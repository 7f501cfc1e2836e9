//! What can fail at the rim, one variant per failed step.

mod failure;
mod remedy;

use std::fmt;

use api::Reason;
use plan::Refusal;

pub use failure::ApiFailure;
pub use remedy::{remedy, remedy_of_reading, unnamed_secret};

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
    /// A deletion failed.
    #[error("cannot delete {object}: {failure}")]
    Delete {
        /// What was to be deleted.
        object: ObjectName,
        /// Why it failed.
        failure: ApiFailure,
    },
    /// An eviction failed.
    #[error("cannot evict {object}: {failure}")]
    Evict {
        /// What was to be evicted.
        object: ObjectName,
        /// Why it failed.
        failure: ApiFailure,
    },
    /// What was read for an observation, and could not be; the observation says of what.
    #[error("{}", .0.message)]
    Unread(Refusal),
    /// An object changed between being read and being written; the next pass sees the change.
    #[error("{object} changed while it was being worked on")]
    Changed {
        /// Which object.
        object: ObjectName,
    },
    /// An object was written, and what the API server stored is not what was written.
    #[error(
        "what was written to {object} was changed by somebody else at once: an admission webhook, most likely"
    )]
    Undone {
        /// Which object.
        object: ObjectName,
    },
    /// Signing failed.
    #[error("cannot sign a certificate: {0}")]
    Sign(#[from] pki::IssueError),
    /// What was signed failed its rehearsal.
    #[error(
        "the signed certificate was thrown away, as two OpenSSL ends do not shake hands with it: {0}"
    )]
    Rehearsal(#[from] probe::RehearsalError),
    /// A partner refuses what was signed.
    #[error("{}", .0.message)]
    Objection(Refusal),
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

impl Error {
    /// The reason for a condition and for the metric's label.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Read { failure, .. }
            | Self::Write { failure, .. }
            | Self::Delete { failure, .. }
            | Self::Evict { failure, .. } => failure.reason(),
            Self::Unread(refusal) | Self::Objection(refusal) => refusal.reason,
            Self::Changed { .. } => Reason::Conflict,
            Self::Undone { .. } => Reason::Refused,
            Self::Sign(error) => error.reason(),
            Self::Rehearsal(_) => Reason::RehearsalFailed,
            Self::SigningInterrupted => Reason::SigningFailed,
            Self::Encode { .. } | Self::Unsettled { .. } | Self::Panicked { .. } => {
                Reason::InternalError
            }
            Self::Deadline { .. } => Reason::ApiUnavailable,
        }
    }

    /// The operator's own words: the message up to where the API server's may differ from one try to
    /// the next. Errors of the same own words are the same to whoever reads them.
    #[must_use]
    pub fn own_words(&self) -> String {
        let message = self.to_string();
        let varying = match self {
            Self::Read { failure, .. }
            | Self::Write { failure, .. }
            | Self::Delete { failure, .. }
            | Self::Evict { failure, .. } => failure.varying(),
            Self::Unread(_)
            | Self::Changed { .. }
            | Self::Undone { .. }
            | Self::Sign(_)
            | Self::Rehearsal(_)
            | Self::Objection(_)
            | Self::SigningInterrupted
            | Self::Encode { .. }
            | Self::Unsettled { .. }
            | Self::Deadline { .. }
            | Self::Panicked { .. } => "",
        };
        let end = message.rfind(varying).unwrap_or(message.len());
        message[..end].to_owned()
    }

    /// What to tell of a read that failed, if the API server answers: then a status can be written.
    #[must_use]
    pub fn unread(&self) -> Option<Refusal> {
        match self {
            Self::Read { failure, .. } if failure.is_answer() => Some(Refusal {
                reason: self.reason(),
                message: match failure {
                    // What a broken server says may differ each time, and a status that changes
                    // each time would be read again each time.
                    ApiFailure::Server { .. } => {
                        self.own_words().trim_end_matches([':', ' ']).to_owned()
                    }
                    _ => self.to_string(),
                },
            }),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Delete { .. }
            | Self::Evict { .. }
            | Self::Unread(_)
            | Self::Changed { .. }
            | Self::Undone { .. }
            | Self::Sign(_)
            | Self::Rehearsal(_)
            | Self::Objection(_)
            | Self::SigningInterrupted
            | Self::Encode { .. }
            | Self::Unsettled { .. }
            | Self::Deadline { .. }
            | Self::Panicked { .. } => None,
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
            | Self::Delete { .. }
            | Self::Evict { .. }
            | Self::Unread(_)
            | Self::Undone { .. }
            | Self::Sign(_)
            | Self::Rehearsal(_)
            | Self::Objection(_)
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

    fn write(failure: ApiFailure) -> Error {
        Error::Write {
            object: ObjectName::new("Secret", "wire", "tls"),
            failure,
        }
    }

    fn quota(used: u32) -> Error {
        let message =
            format!("secrets \"tls\" is forbidden: exceeded quota: q, used: secrets={used}");
        write(ApiFailure::Refused(message))
    }

    #[test]
    fn the_operators_own_words_end_where_the_servers_vary() {
        assert_eq!(quota(7).own_words(), quota(8).own_words());
        let policy =
            "secrets \"tls\" is forbidden: ValidatingAdmissionPolicy 'x' denied request: no";
        let policy = write(ApiFailure::Refused(policy.to_owned()));
        assert_ne!(quota(7).own_words(), policy.own_words());
        let webhook = "admission webhook \"a.b\" denied the request: at 12:30";
        let webhook = write(ApiFailure::Refused(webhook.to_owned()));
        assert_eq!(
            webhook.own_words(),
            "cannot write Secret wire/tls: the API server refuses it: admission webhook \"a.b\" denied the request"
        );
        let read = Error::Read {
            object: ObjectName::new("Secret", "wire", "tls"),
            failure: ApiFailure::Garbled,
        };
        assert_eq!(read.own_words(), read.to_string());
    }

    #[test]
    fn only_what_the_api_server_answers_is_told_of_a_read() {
        let read = |failure| Error::Read {
            object: ObjectName::new("Secret", "wire", "tls"),
            failure,
        };
        let server = |code| ApiFailure::Server {
            code,
            message: "etcd".to_owned(),
        };
        assert!(read(server(500)).unread().is_some());
        assert!(read(ApiFailure::Garbled).unread().is_some());
        assert!(read(server(503)).unread().is_none());
        let unreachable = ApiFailure::Unreachable("timeout".to_owned());
        assert!(read(unreachable).unread().is_none());
        assert!(write(server(500)).unread().is_none());
    }
}
