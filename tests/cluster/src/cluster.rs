//! A running cluster, as whoever uses it sees it.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, TryLockError},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    Error, cgroup,
    command::output,
    components::Binaries,
    containerd, docker_archive,
    layout::{self, Layout},
    network,
    state::{self, Phase, Record, Shape, Started, Supervision},
};

/// How long a supervisor may take to end its components.
const ENDING: Duration = Duration::from_secs(30);

/// A running cluster. Dropping it leaves the cluster running, unless it was started with
/// [`Lifetime::Owned`](crate::Lifetime).
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    kubeconfig: PathBuf,
    record: Record,
    /// The processes that end with this value.
    leashed: Vec<Child>,
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
    /// [`Error::Record`] or [`Error::File`] if its records cannot be read.
    pub fn attach(state: &Path) -> Result<Option<Self>, Error> {
        Self::find(Layout::new(state)?)
    }

    pub(crate) fn find(layout: Layout) -> Result<Option<Self>, Error> {
        let Some(record) = state::read::<Record>(&layout.record())? else {
            return Ok(None);
        };
        let runs = match &record.shape {
            Shape::Node { .. } => supervision(&layout)?
                .is_some_and(|it| it.phase == Phase::Running && it.supervisor.is_alive()),
            Shape::ControlPlane { processes } => {
                !processes.is_empty() && processes.iter().all(|started| started.process.is_alive())
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
    /// [`Error::Timeout`] if something does not go away.
    pub fn down(mut self) -> Result<(), Error> {
        let _alone = lock(&self.layout)?;
        self.leashed.clear();
        clear(&self.layout)
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

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries().path(name));
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
        self.binaries().path(name)
    }

    fn binaries(&self) -> &Binaries {
        &self.record.binaries
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
    /// [`Error::Record`] if the cluster's records cannot be read.
    pub fn in_network(&self, program: impl AsRef<OsStr>) -> Result<Command, Error> {
        match self.record.shape {
            Shape::Node { .. } => Ok(enter(self.supervisor("its network")?, "--net", program)),
            Shape::ControlPlane { .. } => Ok(Command::new(program)),
        }
    }

    /// The components and whether they run.
    ///
    /// # Errors
    /// [`Error::Record`] if the cluster's records cannot be read.
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
            Shape::ControlPlane { processes } => processes
                .iter()
                .map(|Started { name, process }| ComponentStatus {
                    name: name.clone(),
                    running: process.is_alive(),
                    restarts: 0,
                })
                .collect(),
        })
    }

    /// Stops a component where it is, so that it answers nobody, until [`Self::resume`].
    ///
    /// # Errors
    /// [`Error::NoComponent`] if it does not run.
    pub fn pause(&self, component: &str) -> Result<(), Error> {
        self.signal(component, Signal::STOP)
    }

    /// Lets a paused component go on.
    ///
    /// # Errors
    /// [`Error::NoComponent`] if it does not run.
    pub fn resume(&self, component: &str) -> Result<(), Error> {
        self.signal(component, Signal::CONT)
    }

    /// Kills a component; the supervisor starts it again after a second. Needs a node.
    ///
    /// # Errors
    /// [`Error::NoNode`], or [`Error::NoComponent`] if it does not run.
    pub fn kill(&self, component: &str) -> Result<(), Error> {
        self.supervisor("restarting a component")?;
        self.signal(component, Signal::KILL)
    }

    fn signal(&self, component: &str, signal: Signal) -> Result<(), Error> {
        let missing = || Error::NoComponent {
            component: component.to_owned(),
        };
        match &self.record.shape {
            Shape::Node { .. } => {
                let supervision = supervision(&self.layout)?.ok_or_else(missing)?;
                let mut components = supervision.components.iter();
                let running = components
                    .find(|one| one.name == component)
                    .and_then(|one| one.pid);
                let pid = running.ok_or_else(missing)?;
                let supervisor = self.supervisor("signals")?;
                let mut kill = enter(supervisor, "--pid", "kill");
                let signal = signal.as_raw().to_string();
                output(kill.args(["-s", &signal, "--"]).arg(pid.to_string())).map(drop)
            }
            Shape::ControlPlane { processes } => {
                let started = processes.iter().find(|one| one.name == component);
                started.ok_or_else(missing)?.process.signal(signal);
                Ok(())
            }
        }
    }

    fn supervisor(&self, what: &'static str) -> Result<i32, Error> {
        match (&self.record.shape, supervision(&self.layout)?) {
            (Shape::Node { .. }, Some(it)) if it.supervisor.is_alive() => Ok(it.supervisor.pid()),
            (Shape::Node { .. } | Shape::ControlPlane { .. }, _) => Err(Error::NoNode { what }),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.leashed.is_empty() {
            return;
        }
        // There is nobody to tell; the next start in this folder clears what is left.
        let _ = clear(&self.layout);
        for child in &mut self.leashed {
            let _ = child.wait();
        }
    }
}

/// Image names and the identity of the archive that brought them.
type LoadedImages = std::collections::BTreeMap<String, String>;

fn supervision(layout: &Layout) -> Result<Option<Supervision>, Error> {
    state::read(&layout.supervision())
}

fn enter(pid: i32, namespaces: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &pid.to_string(), namespaces, "--"])
        .arg(program);
    command
}

/// Keeps others from starting or ending the cluster meanwhile.
pub(crate) fn lock(layout: &Layout) -> Result<File, Error> {
    layout::create(layout.state())?;
    let path = layout.lock();
    let file = File::create(&path).map_err(Error::file("make", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy {
            path: layout.state().to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(Error::file("lock", path)(source)),
    }
}

/// Ends what runs of a cluster, whatever state it is in, and removes what it left.
pub(crate) fn clear(layout: &Layout) -> Result<(), Error> {
    if let Some(supervision) = supervision(layout)? {
        supervision.supervisor.end(ENDING);
    }
    let record = state::read::<Record>(&layout.record())?;
    if let Some(Record {
        shape: Shape::ControlPlane { processes },
        ..
    }) = &record
    {
        for started in processes.iter().rev() {
            started.process.end(Duration::ZERO);
        }
    }
    if cgroup::exists(&layout.id())? {
        cgroup::remove(&layout.id(), &layout.logs())?;
    }
    network::disconnect(&layout.id())?;
    layout::remove(&layout.supervision())?;
    layout::remove(&layout.record())
}

/// The last lines of the supervisor's log.
pub(crate) fn supervisor_log(layout: &Layout) -> String {
    fs::read_to_string(layout.log("supervisor")).unwrap_or_default()
}
