//! What can go wrong while a cluster is started, used or ended: one variant per step.
//! Each message says what failed, where to look and what to do.

use std::{fs, io, path::PathBuf, time::Duration};

use crate::{command::tail, layout::Layout};

/// Why a cluster could not be started, used or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written or removed.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A record for the state folder could not be put into JSON.
    #[error("cannot write {path}: {source}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: serde_json::Error,
    },
    /// A program could not be started at all.
    #[error("cannot run {program}: {source}; is it installed?")]
    Spawn {
        /// The program.
        program: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A command ran and failed.
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        /// The command line.
        command: String,
        /// The exit status.
        status: String,
        /// The end of what it printed to standard error.
        output: String,
    },
    /// Debian packages are missing and this user cannot install them.
    #[error(
        "programs that are needed are not installed; as root, run: \
         apt-get update && apt-get install --no-install-recommends {packages}"
    )]
    PackagesMissing {
        /// Their names, separated by spaces.
        packages: String,
    },
    /// The components have to be compiled and there is no Go compiler.
    #[error(
        "no `go` on the PATH, which compiles Kubernetes for the tests: install Go 1.26 or later, \
         or set KUBEBUILDER_ASSETS to a folder that holds every one of {components}, \
         with kube-apiserver of the minor version that tests/cluster/components/go.mod pins"
    )]
    GoMissing {
        /// The components that are missing, separated by commas.
        components: String,
    },
    /// A real node was asked for by a user who cannot make namespaces.
    #[error(
        "a cluster with a node needs root, for namespaces and containerd; \
         run as root, or ask for a control plane without a node"
    )]
    NotRoot,
    /// The state folder lies where the cluster lays its own file systems.
    #[error("the state folder {path} lies below {hidden}, which the cluster covers with its own; choose another", path = path.display())]
    StateFolderHidden {
        /// The state folder.
        path: PathBuf,
        /// The folder that is covered.
        hidden: &'static str,
    },
    /// Another kind of cluster runs in the state folder.
    #[error("a cluster of the other kind, with or without a node, runs in {path}; end it, or choose another folder", path = path.display())]
    OtherKind {
        /// The state folder.
        path: PathBuf,
    },
    /// No port of the loopback interface could be listened on.
    #[error("cannot find free ports on the loopback interface: {source}")]
    Ports {
        /// Why it failed.
        source: io::Error,
    },
    /// All address ranges that could be used are routed already.
    #[error(
        "no free private address range for pods: every candidate overlaps a route of this machine; see `ip route`"
    )]
    NoFreeNetwork,
    /// The machine has no mounted cgroup hierarchy.
    #[error(
        "no cgroup file system is mounted below /sys/fs/cgroup; the kubelet cannot work without one"
    )]
    NoCgroups,
    /// A certificate could not be made.
    #[error("cannot make the cluster's certificate {name}: {source}")]
    Certificate {
        /// The file name without its ending.
        name: &'static str,
        /// Why it failed.
        source: rcgen::Error,
    },
    /// An image archive does not hold what it should.
    #[error("{path} is no docker-archive: {reason}", path = path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A mount inside the cluster's mount namespace failed.
    #[error("cannot mount {target}: {source}", target = target.display())]
    Mount {
        /// Where it should have been mounted.
        target: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s; see {log}", seconds = limit.as_secs(), log = log.display())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// Where to look.
        log: PathBuf,
    },
    /// A component ended by itself while it was still needed.
    #[error("{component} ended by itself; the end of {log}:\n{tail}", log = log.display())]
    ComponentEnded {
        /// The component.
        component: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The supervisor reported that it could not start the components.
    #[error("the cluster's supervisor gave up: {reason}; see {log}", log = log.display())]
    Supervisor {
        /// Its reason.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// A component is not running, or there is none of that name.
    #[error("{component} does not run in this cluster")]
    NoComponent {
        /// The name that was asked for.
        component: String,
    },
    /// The supervisor was told to end before all was started.
    #[error("told to end while starting")]
    ToldToEnd,
    /// The supervisor cannot see itself.
    #[error("cannot read this process's entry in /proc; is it mounted?")]
    NoProcess,
    /// A cluster without a node was asked for something that needs one.
    #[error("this cluster has no node, and {what} needs one")]
    NoNode {
        /// What was asked for.
        what: &'static str,
    },
}

impl Error {
    /// An [`Error::File`] for `map_err`.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// An [`Error::ComponentEnded`] with the end of the component's log.
    pub(crate) fn component_ended(layout: &Layout, component: &str) -> Self {
        let log = layout.log(component);
        let text = fs::read_to_string(&log).unwrap_or_default();
        Self::ComponentEnded {
            component: component.to_owned(),
            tail: tail(&text, 5),
            log,
        }
    }
}
