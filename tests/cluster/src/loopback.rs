//! Starts a control plane without a node, as processes of this machine. Nobody supervises them:
//! what ends stays ended.

use std::{
    fs,
    process::{Child, Command},
    time::Duration,
};

use crate::{
    Cluster, Error, Lifetime, NodeMode, Progress,
    command::{output, spawn_error},
    components::Binaries,
    control_plane::{ControlPlane, Endpoints},
    kubeconfig,
    layout::{self, Layout},
    process::ProcessId,
    program::Program,
    progress::step,
    start::until_usable,
    state::{self, Record, Shape, Started},
    wait,
};

const READY: Duration = Duration::from_mins(2);

/// Starts the control plane and waits until it can be used.
pub(crate) fn start(
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
        let mut starting = Starting::new(layout, &binaries, &endpoints, lifetime);
        starting.add(&plane.etcd())?;
        starting.add(&plane.api_server())?;
        starting.until_ready()?;
        starting.add(&plane.controller_manager())?;
        let cluster = starting.into_cluster()?;
        until_usable(layout, &cluster)?;
        Ok(cluster)
    })
}

fn spawn(mut command: Command) -> Result<Child, Error> {
    command
        .spawn()
        .map_err(|source| spawn_error(&command, source))
}

/// Starts a program on a leash: the leash, and the process at its end, whose id the leash writes
/// down.
pub(crate) fn leashed(layout: &Layout, program: &Program) -> Result<(Child, ProcessId), Error> {
    let path = layout.leashed_pid(program.name);
    // That of an earlier start is none of this one.
    layout::remove(&path)?;
    let leash = spawn(program.leashed_command(layout)?)?;
    let ended = || Error::component_ended(layout, program.name);
    let log = layout.log(program.name);
    let pid = wait::until("the start of a component", READY, &log, || {
        if ProcessId::of(leash.id().cast_signed()).is_none() {
            return Err(ended());
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        Ok(text.strip_suffix('\n').and_then(|pid| pid.parse().ok()))
    })?;
    let process = ProcessId::of(pid).ok_or_else(ended)?;
    Ok((leash, process))
}

/// A control plane that is being started: every process is recorded before the next one.
struct Starting<'a> {
    layout: &'a Layout,
    lifetime: Lifetime,
    binaries: &'a Binaries,
    endpoints: &'a Endpoints,
    processes: Vec<Started>,
    children: Vec<Child>,
}

impl<'a> Starting<'a> {
    fn new(
        layout: &'a Layout,
        binaries: &'a Binaries,
        endpoints: &'a Endpoints,
        lifetime: Lifetime,
    ) -> Self {
        Self {
            layout,
            lifetime,
            binaries,
            endpoints,
            processes: Vec::new(),
            children: Vec::new(),
        }
    }

    fn add(&mut self, program: &Program) -> Result<(), Error> {
        let (child, process) = match self.lifetime {
            Lifetime::Kept => {
                let child = spawn(program.detached_command(self.layout)?)?;
                let pid = child.id().cast_signed();
                let process = ProcessId::of(pid).ok_or_else(|| self.ended(program.name))?;
                (child, process)
            }
            Lifetime::Owned => leashed(self.layout, program)?,
        };
        self.children.push(child);
        self.processes.push(Started {
            name: program.name.to_owned(),
            process,
        });
        state::write(&self.layout.record(), &self.record(false))
    }

    fn record(&self, ready: bool) -> Record {
        let shape = Shape::ControlPlane {
            endpoints: self.endpoints.clone(),
            processes: self.processes.clone(),
        };
        Record {
            binaries: self.binaries.clone(),
            ready,
            shape,
        }
    }

    fn until_ready(&self) -> Result<(), Error> {
        let kubectl = self.binaries.path("kubectl");
        let mut readyz = kubeconfig::ready_check(kubectl, &self.layout.kubeconfig());
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

    fn into_cluster(self) -> Result<Cluster, Error> {
        let record = self.record(true);
        state::write(&self.layout.record(), &record)?;
        let leashed = match self.lifetime {
            Lifetime::Kept => Vec::new(),
            Lifetime::Owned => self.children,
        };
        Ok(Cluster::new(self.layout.clone(), record, leashed))
    }
}
