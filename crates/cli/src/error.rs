//! Why an audit could not look.

use std::path::PathBuf;

/// One failed step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no usable kubeconfig.
    #[error("no cluster to ask: {0}; see whether `kubectl get pods` works")]
    Kubeconfig(String),
    /// A request failed.
    #[error("cannot {action} {object}: {source}{}", remedy(source))]
    Request {
        /// What was tried.
        action: &'static str,
        /// On what.
        object: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// No workload of the namespace runs coturn.
    #[error(
        "no StatefulSet, Deployment or DaemonSet of namespace {namespace} runs coturn by its image or \
         command; name one: statefulset/NAME"
    )]
    NoWorkload {
        /// The namespace.
        namespace: String,
    },
    /// More than one does.
    #[error("several workloads run coturn: {}; name one", .0.join(", "))]
    ManyWorkloads(Vec<String>),
    /// No container runs coturn.
    #[error(
        "{workload}: none of its containers runs coturn by its image or command ({}); name it by \
         --container",
        .containers.join(", ")
    )]
    NoContainer {
        /// The workload.
        workload: String,
        /// The containers that it has.
        containers: Vec<String>,
    },
    /// A file of the command line cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the command line holds no roots.
    #[error("no roots can be read from {}: {reason}; give a PEM file of certificates", .path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An address of the command line leads nowhere.
    #[error("no address is behind {address}: {reason}; give HOST:PORT")]
    Address {
        /// As it was given.
        address: String,
        /// Why.
        reason: String,
    },
    /// The report cannot be written.
    #[error("cannot write the report: {0}")]
    Report(String),
}

impl Error {
    /// A request that failed.
    pub fn request(action: &'static str, object: impl Into<String>, source: kube::Error) -> Self {
        Self::Request {
            action,
            object: object.into(),
            source: Box::new(source),
        }
    }
}

/// What helps against a refusal.
fn remedy(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            "; ask for the right, or see what an audit needs in docs/audit.md"
        }
        kube::Error::Api(status) if status.code == 404 => {
            "; see whether name and namespace are right"
        }
        _ => "",
    }
}
