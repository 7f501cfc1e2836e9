//! A running cluster, as whoever uses it sees it.

use std::{
    ffi::{OsStr, OsString},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use crate::{
    Error, NodeMode, containerd, docker_archive,
    ending::{clear, down, lock},
    kubeconfig,
    layout::Layout,
    state::{self, Phase, Record, Shape, Started, Supervision},
};

/// A running cluster. Dropping it leaves the cluster running, unless it was started with
/// [`Lifetime::Owned`](crate::Lifetime).
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    kubeconfig: PathBuf,
    pub(crate) record: Record,
    /// The leashes of the processes that end with this value, in the order of its record.
    pub(crate) leashed: Vec<Child>,
}

/// Whether an image had to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// The node has it now.
    Now,
    /// The node had this very image already.
    Before,
}

/// A component of a running cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentStatus {
    /// The program's name.
    pub name: String,
    /// Whether its process runs.
    pub running: bool,
    /// How often it ended by itself, or by a test, and was started again.
    pub restarts: u32,
}

impl Cluster {
    /// The cluster that runs in the folder `state`, if one does.
    ///
    /// # Errors
    /// [`Error::File`] if its records cannot be read.
    pub fn attach(state: &Path) -> Result<Option<Self>, Error> {
        Self::find(Layout::new(state)?)
    }

    pub(crate) fn find(layout: Layout) -> Result<Option<Self>, Error> {
        let Some(record) = state::read::<Record>(&layout.record())? else {
            return Ok(None);
        };
        let runs = record.ready
            && match &record.shape {
                Shape::Node { .. } => supervision(&layout)?
                    .is_some_and(|it| it.phase == Phase::Running && it.supervisor.is_alive()),
                Shape::ControlPlane { processes, .. } => {
                    !processes.is_empty()
                        && processes.iter().all(|started| started.process.is_alive())
                }
            };
        Ok(runs.then(|| Self::new(layout, record, Vec::new())))
    }

    pub(crate) fn new(layout: Layout, record: Record, leashed: Vec<Child>) -> Self {
        Self {
            kubeconfig: layout.kubeconfig(),
            layout,
            record,
            leashed,
        }
    }

    /// Ends the cluster and removes all it had on this machine but its logs and its images.
    ///
    /// # Errors
    /// As for the function [`down`](crate::down).
    pub fn down(mut self) -> Result<(), Error> {
        let ended = down(self.state());
        self.take_leave();
        ended
    }

    /// Reaps processes that have ended with the cluster.
    fn take_leave(&mut self) {
        for mut child in self.leashed.drain(..) {
            let _ = child.wait();
        }
    }

    /// The folder that holds the cluster's files.
    pub fn state(&self) -> &Path {
        self.layout.state()
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// `kubectl` as the administrator.
    pub fn kubectl(&self) -> Command {
        self.client("kubectl")
    }

    /// `helm` as the administrator, with its caches in the state folder.
    pub fn helm(&self) -> Command {
        self.client("helm")
    }

    /// Helm 4, which installs by server-side apply.
    pub fn helm4(&self) -> Command {
        self.client("helm4")
    }

    fn client(&self, name: &str) -> Command {
        let mut command = kubeconfig::client(self.program(name), &self.kubeconfig);
        command.envs(self.env());
        command
    }

    /// The environment variables with which other programs use the cluster.
    pub fn env(&self) -> Vec<(&'static str, OsString)> {
        let helm = |folder: &str| self.layout.run("helm").join(folder).into_os_string();
        vec![
            ("KUBECONFIG", self.kubeconfig.clone().into_os_string()),
            (
                crate::STATE_VARIABLE,
                self.state().to_owned().into_os_string(),
            ),
            ("HELM_CACHE_HOME", helm("cache")),
            ("HELM_CONFIG_HOME", helm("config")),
            ("HELM_DATA_HOME", helm("data")),
        ]
    }

    /// The path of a component's or client's program, such as `kubectl`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.record.binaries.path(name)
    }

    /// The API server's audit log: one line of JSON a request, at level Metadata, without the
    /// stage `RequestReceived`.
    pub fn audit_log(&self) -> PathBuf {
        self.layout.audit_log()
    }

    /// The log of a component, such as `kubelet`.
    pub fn log(&self, component: &str) -> PathBuf {
        self.layout.log(component)
    }

    /// This machine's address on the link to the cluster: pods reach programs that listen here.
    /// `None` without a node.
    pub fn host_address(&self) -> Option<Ipv4Addr> {
        match &self.record.shape {
            Shape::Node { network } => Some(network.host()),
            Shape::ControlPlane { .. } => None,
        }
    }

    /// The node's address. `None` without a node.
    pub fn node_address(&self) -> Option<Ipv4Addr> {
        match &self.record.shape {
            Shape::Node { network } => Some(network.node()),
            Shape::ControlPlane { .. } => None,
        }
    }

    /// Gives the node the images of a docker-archive, unless it has them.
    ///
    /// # Errors
    /// [`Error::NoNode`], or [`Error::Archive`] if it is not one.
    pub fn load_image(&self, archive: &Path) -> Result<Loaded, Error> {
        let _alone = lock(&self.layout)?;
        self.load_image_alone(archive)
    }

    /// For whoever has the lock already.
    pub(crate) fn load_image_alone(&self, archive: &Path) -> Result<Loaded, Error> {
        let supervisor = self.supervisor("loading an image")?;
        let enter = |program: &str| enter(supervisor, "--all", program);
        let contents = docker_archive::contents(archive)?;
        let path = self.layout.loaded_images();
        let mut loaded: LoadedImages = state::read(&path)?.unwrap_or_default();
        let present = containerd::images(enter)?;
        let known = |tag| loaded.get(tag) == Some(&contents.identity) && present.contains(tag);
        if contents.tags.iter().all(known) {
            return Ok(Loaded::Before);
        }
        containerd::import(enter, archive)?;
        for tag in contents.tags {
            loaded.insert(tag, contents.identity.clone());
        }
        state::write(&path, &loaded)?;
        Ok(Loaded::Now)
    }

    /// A command that runs in the cluster's network namespace, or here if it has none. Pods can be
    /// reached from this machine as well; inside, `127.0.0.1` is the node's.
    ///
    /// # Errors
    /// [`Error::File`] if the cluster's records cannot be read.
    pub fn in_network(&self, program: impl AsRef<OsStr>) -> Result<Command, Error> {
        match self.record.shape {
            Shape::Node { .. } => Ok(enter(self.supervisor("its network")?, "--net", program)),
            Shape::ControlPlane { .. } => Ok(Command::new(program)),
        }
    }

    /// The components and whether they run.
    ///
    /// # Errors
    /// [`Error::File`] if the cluster's records cannot be read.
    pub fn status(&self) -> Result<Vec<ComponentStatus>, Error> {
        Ok(match &self.record.shape {
            Shape::Node { .. } => supervision(&self.layout)?.map_or_else(Vec::new, |supervision| {
                let alive = supervision.supervisor.is_alive();
                let components = supervision.components.into_iter();
                components
                    .map(|component| ComponentStatus {
                        running: alive && component.pid.is_some(),
                        name: component.name,
                        restarts: component.restarts,
                    })
                    .collect()
            }),
            Shape::ControlPlane { processes, .. } => processes
                .iter()
                .map(|Started { name, process }| ComponentStatus {
                    name: name.clone(),
                    running: process.is_alive(),
                    restarts: 0,
                })
                .collect(),
        })
    }

    pub(crate) fn node_mode(&self) -> NodeMode {
        match self.record.shape {
            Shape::Node { .. } => NodeMode::Real,
            Shape::ControlPlane { .. } => NodeMode::None,
        }
    }

    /// The supervisor's process id; without a node there is none, and `what` is impossible.
    pub(crate) fn supervisor(&self, what: &'static str) -> Result<i32, Error> {
        if self.node_mode() == NodeMode::None {
            return Err(Error::NoNode { what });
        }
        let running = supervision(&self.layout)?.filter(|it| it.supervisor.is_alive());
        let running = running.ok_or_else(|| Error::Supervisor {
            reason: "it does not run".to_owned(),
            log: self.log("supervisor"),
        })?;
        Ok(running.supervisor.pid())
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.record.shape
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.leashed.is_empty() {
            return;
        }
        // There is nobody to tell; the next start in this folder clears what is left.
        let _ = clear(&self.layout);
        self.take_leave();
    }
}

/// Image names and the identity of the archive that brought them.
type LoadedImages = std::collections::BTreeMap<String, String>;

pub(crate) fn supervision(layout: &Layout) -> Result<Option<Supervision>, Error> {
    state::read(&layout.supervision())
}

/// A command that runs in the namespaces of a process.
pub(crate) fn enter(pid: i32, namespaces: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &pid.to_string(), namespaces, "--"])
        .arg(program);
    command
}
