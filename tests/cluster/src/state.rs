//! What is known about a cluster that is, or was, running: the records in its state folder.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, components::Binaries, layout, network::Network, process::ProcessId};

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

/// Reads a record; `None` if there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    let parsed = serde_json::from_slice(&text);
    parsed.map(Some).map_err(|source| Error::Record {
        path: path.to_owned(),
        source,
    })
}

/// Writes a record.
pub(crate) fn write<T: Serialize>(path: &Path, record: &T) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(record).map_err(|source| Error::Record {
        path: path.to_owned(),
        source,
    })?;
    layout::replace(path, text)
}
