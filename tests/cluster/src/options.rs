//! What kind of cluster to start, where, and for how long.

use std::{env, ffi::OsString, path::PathBuf};

/// Whether a cluster can run pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeMode {
    /// One node with containerd, in namespaces of its own. Needs root.
    Real,
    /// etcd, the API server and the controller manager alone, on the loopback interface.
    None,
}

/// When a cluster without a node ends. One with a node is always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// By [`down`](crate::down) only, whoever calls it.
    Kept,
    /// With the [`Cluster`](crate::Cluster) value, and with the process that holds it.
    Owned,
}

/// What cluster to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder for the cluster's files. Two clusters need two folders.
    pub state: PathBuf,
    /// Whether it can run pods.
    pub node: NodeMode,
    /// When it ends.
    pub lifetime: Lifetime,
    /// The command that calls [`supervisor::run`](crate::supervisor::run) when the state folder is
    /// added to it. Only clusters with a node have a supervisor.
    pub supervisor: Vec<OsString>,
}

impl Options {
    /// A cluster with a node, kept, whose supervisor is `THIS-PROGRAM cluster-supervisor`.
    pub fn real(state: impl Into<PathBuf>) -> Self {
        let own = env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        Self {
            state: state.into(),
            node: NodeMode::Real,
            lifetime: Lifetime::Kept,
            supervisor: vec![own.into(), "cluster-supervisor".into()],
        }
    }

    /// A control plane that ends with the value that [`up`](crate::up) returns.
    pub fn control_plane(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            node: NodeMode::None,
            lifetime: Lifetime::Owned,
            supervisor: Vec::new(),
        }
    }
}
