//! Why an audit could not look.

use std::path::PathBuf;

/// One failed step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no usable kubeconfig.
    #[error("no cluster to ask: {0}; see whether `kubectl get pods` works")]
    Kubeconfig(String),
    /// A request failed.
    #[error("cannot {action} {object}: {}{}", in_words(source), remedy(source))]
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
    /// No container has the name that was given.
    #[error(
        "{workload} has no container {name}; name one of {} by --container",
        .containers.join(", ")
    )]
    NoSuchContainer {
        /// The workload.
        workload: String,
        /// The name.
        name: String,
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

/// What the API server said, or why it was not asked.
pub(crate) fn in_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Api(status) => format!("{} ({})", status.reason, status.code),
        error => with_causes(error),
    }
}

/// An error and what caused it. Each tells its cause or not, as it likes: nothing is told twice.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        cause = error.source();
    }
    told
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

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, Client, Config, core::Status};

    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_api_servers_words() {
        let status = Status::failure("configmaps \"a\" not found", "NotFound").with_code(404);
        let error = kube::Error::Api(Box::new(status));
        assert_eq!(
            Error::request("read", "ConfigMap wire/a", error).to_string(),
            "cannot read ConfigMap wire/a: configmaps \"a\" not found; see whether name and namespace are \
             right"
        );
        let error = kube::Error::Api(Box::new(Status::failure("", "Gone").with_code(410)));
        assert_eq!(in_words(&error), "Gone (410)");
    }

    #[tokio::test]
    async fn an_api_server_that_cannot_be_reached_is_told_with_the_cause() {
        // The port of TCPMUX, which nothing has.
        let mut config = Config::new("http://127.0.0.1:1".parse().unwrap());
        config.proxy_url = None;
        let client = Client::try_from(config).unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(client, "wire");
        let told = in_words(&maps.get("a").await.unwrap_err());
        assert!(told.contains("Connection refused"), "{told}");
        assert_eq!(told.matches("client error").count(), 1, "{told}");
    }
}
