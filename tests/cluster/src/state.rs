//! What is known about a cluster that is, or was, running: the records in its state folder.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, components::Binaries, control_plane::Endpoints, layout, network::Network,
    process::ProcessId,
};

/// Written before the first process is started, removed after the last has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) binaries: Binaries,
    /// Whether the start was seen through to its end.
    #[serde(default)]
    pub(crate) ready: bool,
    pub(crate) shape: Shape,
}

/// The two kinds of cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// With a node, below a supervisor in namespaces of its own.
    Node {
        /// Its addresses.
        network: Network,
    },
    /// A control plane alone, as processes of this machine.
    ControlPlane {
        /// Where it listens.
        endpoints: Endpoints,
        /// What has been started so far.
        processes: Vec<Started>,
    },
}

/// A component and its process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) name: String,
    pub(crate) process: ProcessId,
}

/// What the supervisor of a cluster with a node says about itself and its components.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Supervision {
    pub(crate) supervisor: ProcessId,
    pub(crate) phase: Phase,
    pub(crate) components: Vec<Supervised>,
}

/// How far the supervisor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Waits for its network link, then for its components.
    Starting,
    /// All components are started and the API server is ready.
    Running,
    /// Ends its components.
    Ending,
    /// Could not start them.
    Failed(String),
}

/// A component below the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Supervised {
    pub(crate) name: String,
    /// Its id in the cluster's process namespace, unless it does not run.
    pub(crate) pid: Option<i32>,
    pub(crate) restarts: u32,
}

/// Reads a record; `None` if there is none, or one that cannot be understood: a power cut leaves
/// such files, and what they described has ended with it.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// Writes a record.
pub(crate) fn write<T: Serialize>(path: &Path, record: &T) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(record).map_err(|source| Error::Record {
        path: path.to_owned(),
        source,
    })?;
    layout::replace(path, text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::empty("")]
    #[case::half_written(r#"{"binaries": {"etcd": "/"#)]
    #[case::of_zeros("\0\0\0\0")]
    #[case::of_something_else("[1]")]
    fn a_record_that_a_power_cut_spoilt_counts_as_none(#[case] text: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.json");
        fs::write(&path, text).unwrap();

        assert!(read::<Record>(&path).unwrap().is_none());
    }

    #[test]
    fn what_it_described_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["cluster.json", "supervisor.json"] {
            fs::write(folder.path().join(file), "").unwrap();
        }

        crate::down(folder.path()).unwrap();

        assert!(!folder.path().join("cluster.json").exists());
        assert!(crate::Cluster::attach(folder.path()).unwrap().is_none());
    }
}
