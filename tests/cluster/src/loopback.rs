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
    layout::Layout,
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
        let mut starting = Starting::new(layout, &binaries, lifetime);
        starting.add(&plane.etcd())?;
        starting.add(&plane.api_server())?;
        starting.until_ready()?;
        starting.add(&plane.controller_manager())?;
        let cluster = starting.into_cluster()?;
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
        let process = match self.lifetime {
            Lifetime::Kept => self.spawn(program.detached_command(self.layout)?)?,
            Lifetime::Owned => {
                let leash = self.spawn(program.leashed_command(self.layout)?)?;
                self.leashed_process(program, leash)?
            }
        };
        let process = ProcessId::of(process).ok_or_else(|| self.ended(program.name))?;
        self.processes.push(Started {
            name: program.name.to_owned(),
            process,
        });
        state::write(&self.layout.record(), &self.record(false))
    }

    fn spawn(&mut self, mut command: Command) -> Result<i32, Error> {
        let child = command
            .spawn()
            .map_err(|source| spawn_error(&command, source))?;
        let pid = child.id().cast_signed();
        self.children.push(child);
        Ok(pid)
    }

    /// The process at the end of the leash, whose id the leash writes down.
    fn leashed_process(&self, program: &Program, leash: i32) -> Result<i32, Error> {
        let path = self.layout.leashed_pid(program.name);
        wait::until(
            "the start of a component",
            READY,
            &self.layout.log(program.name),
            || {
                if ProcessId::of(leash).is_none() {
                    return Err(self.ended(program.name));
                }
                let text = fs::read_to_string(&path).unwrap_or_default();
                Ok(text.strip_suffix('\n').and_then(|pid| pid.parse().ok()))
            },
        )
    }

    fn record(&self, ready: bool) -> Record {
        let shape = Shape::ControlPlane {
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
