//! A real Kubernetes in seconds, without Docker: for the tests and the demo.
//!
//! [`up`] starts a cluster in a state folder, or finds it running; [`Cluster::attach`] finds one
//! that another process started. With a node ([`NodeMode::Real`]) everything runs in process,
//! mount, network and control group namespaces of its own below one supervisor, so that its end is
//! one kill and nothing of this machine is touched. This machine has routes to the API server, to
//! pods and to Services. Without a node it is a control plane on the loopback interface, for tests
//! that need an API server and no pods.
//!
//! The components are compiled from the Go module in `components/`, once. Image archives are made
//! by [`docker_archive()`] and given to the node by [`Cluster::load_image`].

mod certs;
mod cgroup;
mod cluster;
mod command;
mod components;
mod containerd;
mod control_plane;
mod digest;
mod docker_archive;
mod ending;
mod error;
mod faults;
mod images;
mod kubeconfig;
mod layer;
mod layout;
mod loopback;
mod mounts;
mod network;
mod node;
mod options;
mod packages;
mod ports;
mod process;
mod program;
mod progress;
mod start;
mod state;
pub mod supervisor;
mod wait;

pub use cluster::{Cluster, ComponentStatus, Loaded};
pub use docker_archive::{Image, docker_archive};
pub use ending::down;
pub use error::Error;
pub use images::COTURN_IMAGE;
pub use layer::Layer;
pub use layout::{default_state, target};
pub use node::NODE;
pub use options::{Lifetime, NodeMode, Options};
pub use packages::provide_packages;
pub use progress::{Lines, Progress, Silent};
pub use start::up;

/// The environment variable that names the state folder of the cluster to use.
pub const STATE_VARIABLE: &str = "COTURN_CERT_CLUSTER";

/// The environment variable that names the folder for what clusters share, such as compiled
/// components; without it, that is one in the target folder.
pub const CACHE_VARIABLE: &str = "COTURN_CERT_CACHE";

/// The environment variables that name a proxy. It leads out of this machine, and so not to the
/// cluster: whatever talks to the cluster must be without them.
pub const PROXY_VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];
