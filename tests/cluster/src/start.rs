//! Starts clusters: everything that must be there is provided, leftovers of a crash are cleared,
//! and the cluster is handed out when it is ready to be used.

use std::{
    env,
    ffi::OsString,
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    Cluster, Error, Progress,
    cluster::{clear, lock, supervisor_log},
    command::{output, spawn_error, tail},
    components::Binaries,
    control_plane::{ControlPlane, Endpoints},
    images::Images,
    layout::Layout,
    mounts::COVERED,
    network::Network,
    node::{NODE, Node},
    packages,
    process::ProcessId,
    program::Program,
    progress::step,
    state::{self, Phase, Record, Shape, Started, Supervision},
    wait,
};

const READY: Duration = Duration::from_secs(120);

/// Whether the cluster can run pods.
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
    /// By [`Cluster::down`] only, whoever calls it.
    Kept,
    /// With the [`Cluster`] value, and with the process that holds it.
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
    /// The command that calls [`crate::supervisor::run`] when the state folder is added to it.
    /// Only clusters with a node have a supervisor.
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

    /// A control plane that ends with the value that [`up`] returns.
    pub fn control_plane(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            node: NodeMode::None,
            lifetime: Lifetime::Owned,
            supervisor: Vec::new(),
        }
    }
}

/// Starts a cluster, or finds it running, and waits until it can be used: the API server is ready,
/// the node too if there is one, and the namespace `default` has its service account.
///
/// # Errors
/// One variant of [`Error`] per step. A cluster that cannot be started is ended again; its logs
/// stay.
pub fn up(options: &Options, progress: &dyn Progress) -> Result<Cluster, Error> {
    let layout = Layout::new(&options.state)?;
    let _alone = lock(&layout)?;
    if let Some(running) = Cluster::find(layout.clone())? {
        return Ok(running);
    }
    clear(&layout)?;
    match options.node {
        NodeMode::Real => real(&layout, options, progress),
        NodeMode::None => control_plane(&layout, options.lifetime, progress),
    }
    .inspect_err(|_| {
        // The error that is returned matters more than one of clearing up.
        let _ = clear(&layout);
    })
}

fn real(layout: &Layout, options: &Options, progress: &dyn Progress) -> Result<Cluster, Error> {
    check_user_and_folder(layout)?;
    packages::provide(progress)?;
    let binaries = Binaries::provide(NodeMode::Real, progress)?;
    let images = Images::provide(progress)?;
    let network = Network::choose(&layout.id())?;
    layout.renew()?;
    let endpoints = Endpoints::of_node(&network);
    let plane = ControlPlane::new(layout, &binaries, &endpoints);
    plane.prepare()?;
    Node::new(layout, &binaries, &network).prepare(plane.pki())?;
    let record = Record {
        binaries: binaries.clone(),
        shape: Shape::Node {
            network: network.clone(),
        },
    };
    state::write(&layout.record(), &record)?;
    step(progress, "starting the control plane and the node", || {
        spawn_supervisor(layout, &options.supervisor)?;
        let supervisor = until_supervised(layout, "the supervisor's start", |_| true)?.supervisor;
        network.connect(supervisor.pid())?;
        until_supervised(layout, "the start of all components", |it| {
            it.phase == Phase::Running
        })
    })?;
    let cluster = Cluster::new(layout.clone(), record, Vec::new());
    step(progress, "loading the images of pause and coturn", || {
        cluster.load_image(&images.pause)?;
        cluster.load_image(&images.coturn)
    })?;
    step(progress, "waiting for the node", || {
        until_usable(layout, &cluster)?;
        until_node_ready(layout, &cluster)
    })?;
    Ok(cluster)
}

fn check_user_and_folder(layout: &Layout) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    match COVERED
        .into_iter()
        .find(|folder| layout.state().starts_with(folder))
    {
        Some(hidden) => Err(Error::StateFolderHidden {
            path: layout.state().to_owned(),
            hidden,
        }),
        None => Ok(()),
    }
}

/// Starts the supervisor as a child of nobody here, in a session of its own: neither the end of
/// this process nor a key press in its terminal reaches it.
fn spawn_supervisor(layout: &Layout, supervisor: &[OsString]) -> Result<(), Error> {
    let path = layout.log("supervisor");
    let log = File::create(&path).map_err(Error::file("write", &path))?;
    let errors = log.try_clone().map_err(Error::file("write", &path))?;
    let mut setsid = Command::new("setsid");
    setsid
        .arg("--fork")
        .args(supervisor)
        .arg(layout.state())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .current_dir("/");
    let status = setsid
        .status()
        .map_err(|source| spawn_error(&setsid, source))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Supervisor {
        reason: "it cannot be started".to_owned(),
        log: path,
    })
}

fn until_supervised(
    layout: &Layout,
    what: &str,
    reached: impl Fn(&Supervision) -> bool,
) -> Result<Supervision, Error> {
    let log = layout.log("supervisor");
    wait::until(what, READY, &log, || {
        let gave_up = |reason| {
            Err(Error::Supervisor {
                reason,
                log: log.clone(),
            })
        };
        match state::read::<Supervision>(&layout.supervision())? {
            None => Ok(None),
            Some(Supervision {
                phase: Phase::Failed(reason),
                ..
            }) => gave_up(reason),
            Some(it) if !it.supervisor.is_alive() => gave_up(tail(&supervisor_log(layout), 5)),
            Some(it) => Ok(reached(&it).then_some(it)),
        }
    })
}

fn until_usable(layout: &Layout, cluster: &Cluster) -> Result<(), Error> {
    let mut account = cluster.kubectl();
    account.args([
        "get",
        "serviceaccount",
        "default",
        "--namespace=default",
        "--output=name",
    ]);
    let log = layout.log("kube-controller-manager");
    wait::until("the default service account", READY, &log, || {
        Ok(output(&mut account).is_ok().then_some(()))
    })
}

fn until_node_ready(layout: &Layout, cluster: &Cluster) -> Result<(), Error> {
    let mut node = cluster.kubectl();
    let ready = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}";
    node.args(["get", "node", NODE, ready]);
    wait::until(
        "the node's readiness",
        READY,
        &layout.log("kubelet"),
        || {
            Ok(output(&mut node)
                .is_ok_and(|status| status == "True")
                .then_some(()))
        },
    )
}

fn control_plane(
    layout: &Layout,
    lifetime: Lifetime,
    progress: &dyn Progress,
) -> Result<Cluster, Error> {
    let binaries = Binaries::provide(NodeMode::None, progress)?;
    layout.renew()?;
    let endpoints = Endpoints::on_loopback()?;
    let plane = ControlPlane::new(layout, &binaries, &endpoints);
    plane.prepare()?;
    step(progress, "starting the control plane", || {
        let mut starting = Starting::new(layout, &binaries, lifetime);
        starting.add(&plane.etcd())?;
        starting.add(&plane.api_server())?;
        starting.until_ready()?;
        starting.add(&plane.controller_manager())?;
        let cluster = starting.into_cluster();
        until_usable(layout, &cluster)?;
        Ok(cluster)
    })
}

/// A control plane that is being started: every process is recorded before the next one.
struct Starting<'a> {
    layout: &'a Layout,
    lifetime: Lifetime,
    binaries: &'a Binaries,
    processes: Vec<Started>,
    children: Vec<Child>,
}

impl<'a> Starting<'a> {
    fn new(layout: &'a Layout, binaries: &'a Binaries, lifetime: Lifetime) -> Self {
        Self {
            layout,
            lifetime,
            binaries,
            processes: Vec::new(),
            children: Vec::new(),
        }
    }

    fn add(&mut self, program: &Program) -> Result<(), Error> {
        let mut command = match self.lifetime {
            Lifetime::Kept => program.detached_command(self.layout)?,
            Lifetime::Owned => program.leashed_command(self.layout)?,
        };
        let child = command
            .spawn()
            .map_err(|source| spawn_error(&command, source))?;
        let process = ProcessId::of(child.id().cast_signed());
        self.children.push(child);
        let process = process.ok_or_else(|| self.ended(program.name))?;
        self.processes.push(Started {
            name: program.name.to_owned(),
            process,
        });
        state::write(&self.layout.record(), &self.record())
    }

    fn record(&self) -> Record {
        let shape = Shape::ControlPlane {
            processes: self.processes.clone(),
        };
        Record {
            binaries: self.binaries.clone(),
            shape,
        }
    }

    fn until_ready(&self) -> Result<(), Error> {
        let mut readyz = Command::new(self.binaries.path("kubectl"));
        readyz
            .arg("--kubeconfig")
            .arg(self.layout.kubeconfig())
            .args(["get", "--raw=/readyz"]);
        let log = self.layout.log("kube-apiserver");
        wait::until("kube-apiserver's readiness", READY, &log, || {
            match self
                .processes
                .iter()
                .find(|started| !started.process.is_alive())
            {
                Some(started) => Err(self.ended(&started.name)),
                None => Ok(output(&mut readyz).is_ok().then_some(())),
            }
        })
    }

    fn ended(&self, component: &str) -> Error {
        Error::component_ended(self.layout, component)
    }

    fn into_cluster(self) -> Cluster {
        let record = self.record();
        let leashed = match self.lifetime {
            Lifetime::Kept => Vec::new(),
            Lifetime::Owned => self.children,
        };
        Cluster::new(self.layout.clone(), record, leashed)
    }
}
