//! The first process in a cluster's namespaces: it starts the components, restarts what ends by
//! itself, reaps what is orphaned and ends everything in order. With its own end the kernel ends
//! all that is left, mounts and links included.

use std::{
    convert::Infallible,
    env, fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{
    Error, cgroup,
    command::output,
    containerd,
    control_plane::{ControlPlane, Endpoints},
    kubeconfig,
    layout::{self, Layout},
    mounts,
    network::{Network, UPLINK},
    node::Node,
    process::ProcessId,
    program::Program,
    state::{self, Phase, Record, Shape, Supervised, Supervision},
    wait as waiting,
};

/// Tells the second stage from the first.
const INSIDE: &str = "COTURN_CERT_CLUSTER_INSIDE";
/// How long a component may take to answer for the first time.
const START: Duration = Duration::from_secs(90);
/// How long a component that was asked to end may take.
const GRACE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(50);
const PAUSE_BEFORE_RESTART: Duration = Duration::from_secs(1);

/// Runs the supervisor of the cluster in `state` until it is told to end. The program that calls
/// this is started anew, with the same arguments, inside the cluster's namespaces.
///
/// # Errors
/// Any variant of [`Error`] that concerns namespaces, mounts or components; it is also recorded
/// in the state folder, for whoever waits for the cluster.
pub fn run(state: &Path) -> Result<(), Error> {
    let layout = Layout::new(state)?;
    if env::var_os(INSIDE).is_none() {
        return enter_namespaces(&layout).map(|never| match never {});
    }
    let record = state::read::<Record>(&layout.record())?;
    match record.map(|record| (record.shape, record.binaries)) {
        Some((Shape::Node { network }, binaries)) => {
            let endpoints = Endpoints::of_node(&network);
            let plane = ControlPlane::new(&layout, &binaries, &endpoints);
            let node = Node::new(&layout, &binaries, &network);
            Supervisor::new(&layout)?.run(&network, &plane, &node, &binaries.path("kubectl"))
        }
        Some((Shape::ControlPlane { .. }, _)) | None => Err(Error::NoNode {
            what: "the supervisor",
        }),
    }
}

fn enter_namespaces(layout: &Layout) -> Result<Infallible, Error> {
    cgroup::enter(&layout.id())?;
    let own = env::current_exe().map_err(Error::file("find", "/proc/self/exe"))?;
    let mut unshare = Command::new("unshare");
    unshare
        .args([
            "--cgroup", "--ipc", "--mount", "--net", "--pid", "--uts", "--fork",
        ])
        // Neither of the two processes outlives the other.
        .arg("--kill-child")
        .arg("--")
        .arg(own)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1");
    Err(Error::Spawn {
        program: "unshare".to_owned(),
        source: unshare.exec(),
    })
}

/// A component and the process that it has at the moment.
struct Component {
    program: Program,
    pid: Option<Pid>,
    restarts: u32,
    ended: Instant,
}

struct Supervisor<'a> {
    layout: &'a Layout,
    own: ProcessId,
    phase: Phase,
    components: Vec<Component>,
    told_to_end: Arc<AtomicBool>,
}

impl<'a> Supervisor<'a> {
    /// `/proc` must still be the machine's: the supervisor is known by its id there.
    fn new(layout: &'a Layout) -> Result<Self, Error> {
        let told_to_end = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&told_to_end))
                .map_err(Error::file("handle signals of", "/proc/self"))?;
        }
        let own = fs::read_link("/proc/self").map_err(Error::file("read", "/proc/self"))?;
        let own = own
            .to_str()
            .and_then(|pid| ProcessId::of(pid.parse().ok()?));
        let own = own.ok_or(Error::NoProcess)?;
        let (phase, components) = (Phase::Starting, Vec::new());
        Ok(Self {
            layout,
            own,
            phase,
            components,
            told_to_end,
        })
    }

    fn run(
        mut self,
        network: &Network,
        plane: &ControlPlane<'_>,
        node: &Node<'_>,
        kubectl: &Path,
    ) -> Result<(), Error> {
        self.record()?;
        let outcome = self
            .start(network, plane, node, kubectl)
            .and_then(|()| self.supervise());
        if let Err(error) = &outcome {
            self.enter(Phase::Failed(error.to_string()))?;
        } else {
            self.enter(Phase::Ending)?;
        }
        self.end();
        outcome
    }

    fn start(
        &mut self,
        network: &Network,
        plane: &ControlPlane<'_>,
        node: &Node<'_>,
        kubectl: &Path,
    ) -> Result<(), Error> {
        mounts::lay(self.layout)?;
        let uplink = Path::new("/sys/class/net").join(UPLINK);
        self.until("the link to the network namespace", || uplink.exists())?;
        network.configure_inside()?;
        self.add(plane.etcd())?;
        self.add(plane.api_server())?;
        self.start_containerd(node)?;
        let mut readyz = kubeconfig::ready_check(kubectl.to_owned(), &self.layout.kubeconfig());
        self.until("kube-apiserver to become ready", || {
            output(&mut readyz).is_ok()
        })?;
        self.add(plane.controller_manager())?;
        self.add(plane.scheduler())?;
        self.add(node.kubelet())?;
        self.add(node.proxy())
    }

    /// Images of earlier runs are worth keeping, but not at any price: a containerd that does not
    /// get along with what it finds starts again with nothing. Containers are never kept.
    fn start_containerd(&mut self, node: &Node<'_>) -> Result<(), Error> {
        layout::create(&self.layout.containerd())?;
        self.add(node.containerd())?;
        let ready = self.until("containerd to answer", containerd::answers);
        match ready.and_then(|()| containerd::remove_containers()) {
            Ok(0) => Ok(()),
            Ok(_) => self.restart_containerd(),
            Err(Error::ToldToEnd) => Err(Error::ToldToEnd),
            Err(error) => {
                eprintln!("containerd's folder is unusable and starts anew: {error}");
                self.end_component("containerd");
                layout::remove(&self.layout.containerd())?;
                layout::create(&self.layout.containerd())?;
                self.restart_containerd()
            }
        }
    }

    fn restart_containerd(&mut self) -> Result<(), Error> {
        self.end_component("containerd");
        self.revive("containerd")?;
        self.until("containerd to answer", containerd::answers)
    }

    /// Waits for a condition, unless a component ends meanwhile.
    fn until(&mut self, what: &str, mut condition: impl FnMut() -> bool) -> Result<(), Error> {
        let log = self.layout.logs();
        waiting::until(what, START, &log, || {
            if self.told_to_end.load(Ordering::Relaxed) {
                return Err(Error::ToldToEnd);
            }
            self.reap();
            if let Some(ended) = self
                .components
                .iter()
                .find(|component| component.pid.is_none())
            {
                return Err(Error::component_ended(self.layout, ended.program.name));
            }
            Ok(condition().then_some(()))
        })
    }

    fn supervise(&mut self) -> Result<(), Error> {
        self.enter(Phase::Running)?;
        while !self.told_to_end.load(Ordering::Relaxed) {
            if self.reap() || self.revive_ended()? {
                self.record()?;
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    fn add(&mut self, program: Program) -> Result<(), Error> {
        let pid = Pid::from_raw(program.spawn(self.layout)?);
        self.components.push(Component {
            program,
            pid,
            restarts: 0,
            ended: Instant::now(),
        });
        self.record()
    }

    /// Takes leave of every process that has ended, orphans of containers among them. Tells
    /// whether a component was one of them.
    fn reap(&mut self) -> bool {
        let mut any = false;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            for component in self
                .components
                .iter_mut()
                .filter(|one| one.pid == Some(pid))
            {
                eprintln!("{} ended: {status:?}", component.program.name);
                component.pid = None;
                component.ended = Instant::now();
                any = true;
            }
        }
        any
    }

    fn revive_ended(&mut self) -> Result<bool, Error> {
        let due: Vec<&'static str> = self
            .components
            .iter()
            .filter(|one| one.pid.is_none() && one.ended.elapsed() >= PAUSE_BEFORE_RESTART)
            .map(|one| one.program.name)
            .filter(|name| !self.layout.hold(name).exists())
            .collect();
        due.iter().try_for_each(|name| self.revive(name))?;
        Ok(!due.is_empty())
    }

    fn revive(&mut self, name: &str) -> Result<(), Error> {
        for component in self
            .components
            .iter_mut()
            .filter(|one| one.program.name == name)
        {
            component.pid = Pid::from_raw(component.program.spawn(self.layout)?);
            component.restarts += 1;
        }
        Ok(())
    }

    /// The kubelet goes first, for it would start containers again. etcd and the API server need
    /// no farewell: what they hold ends with the cluster.
    fn end(&mut self) {
        for name in [
            "kubelet",
            "kube-proxy",
            "kube-scheduler",
            "kube-controller-manager",
        ] {
            self.signal(name, Signal::TERM);
        }
        self.end_component("kubelet");
        if self.runs("containerd")
            && let Err(error) = containerd::remove_containers()
        {
            eprintln!("containers stay until the next start: {error}");
        }
        self.end_component("containerd");
    }

    fn end_component(&mut self, name: &str) {
        for signal in [Signal::TERM, Signal::KILL] {
            self.signal(name, signal);
            if waiting::holds_within(GRACE, || {
                self.reap();
                !self.runs(name)
            }) {
                return;
            }
        }
    }

    fn runs(&self, name: &str) -> bool {
        self.components
            .iter()
            .any(|one| one.program.name == name && one.pid.is_some())
    }

    fn signal(&self, name: &str, signal: Signal) {
        for component in self
            .components
            .iter()
            .filter(|one| one.program.name == name)
        {
            if let Some(pid) = component.pid {
                // It is not reaped yet, so the id is still its own.
                let _ = kill_process(pid, signal);
            }
        }
    }

    fn enter(&mut self, phase: Phase) -> Result<(), Error> {
        self.phase = phase;
        self.record()
    }

    fn record(&self) -> Result<(), Error> {
        let components = self.components.iter().map(|component| Supervised {
            name: component.program.name.to_owned(),
            pid: component.pid.map(Pid::as_raw_pid),
            restarts: component.restarts,
        });
        let supervision = Supervision {
            supervisor: self.own.clone(),
            phase: self.phase.clone(),
            components: components.collect(),
        };
        state::write(&self.layout.supervision(), &supervision)
    }
}
