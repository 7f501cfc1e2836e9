//! What tests do to the components of a running cluster.

use std::time::Duration;

use rustix::process::Signal;

use crate::{
    Cluster, Error,
    cluster::{enter, supervision},
    command::output,
    control_plane::ControlPlane,
    kubeconfig, layout, loopback,
    program::Program,
    state::{self, Shape},
    wait,
};

impl Cluster {
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

    /// Kills a component. With a node, the supervisor starts it again after a second.
    ///
    /// # Errors
    /// [`Error::NoComponent`] if it does not run.
    pub fn kill(&self, component: &str) -> Result<(), Error> {
        self.signal(component, Signal::KILL)
    }

    /// Kills a component and keeps it from being started again until [`Self::start`].
    ///
    /// # Errors
    /// [`Error::NoComponent`] if it does not run, [`Error::NoNode`] if there is no node and another
    /// process owns the cluster.
    pub fn stop(&mut self, component: &str) -> Result<(), Error> {
        match self.shape() {
            Shape::Node { .. } => {
                layout::write(&self.layout().hold(component), "")?;
                self.signal(component, Signal::KILL)
            }
            Shape::ControlPlane { .. } => {
                let (index, _) = self.leashed_component(component)?;
                // The leash ends what it holds when its input ends, which this does.
                self.leashed[index].wait().map(drop).map_err(Error::file(
                    "wait for",
                    self.layout().leashed_pid(component),
                ))
            }
        }
    }

    /// Has a stopped component started again, as it ran before.
    ///
    /// # Errors
    /// [`Error::File`] if the mark that holds it cannot be removed; the errors of [`Self::stop`].
    pub fn start(&mut self, component: &str) -> Result<(), Error> {
        match self.shape() {
            Shape::Node { .. } => layout::remove(&self.layout().hold(component)),
            Shape::ControlPlane { .. } => self.leash_again(component),
        }
    }

    fn leash_again(&mut self, component: &str) -> Result<(), Error> {
        let (index, program) = self.leashed_component(component)?;
        let (leash, process) = loopback::leashed(self.layout(), &program)?;
        self.leashed[index] = leash;
        if let Shape::ControlPlane { processes, .. } = &mut self.record.shape {
            processes[index].process = process;
        }
        state::write(&self.layout().record(), &self.record)
    }

    /// The place of a component among those that end with this value, and how it is run.
    fn leashed_component(&self, component: &str) -> Result<(usize, Program), Error> {
        let missing = || Error::NoComponent {
            component: component.to_owned(),
        };
        let Shape::ControlPlane {
            processes,
            endpoints,
        } = self.shape()
        else {
            return Err(missing());
        };
        let mut named = processes.iter();
        let index = named.position(|one| one.name == component);
        let index = index.ok_or_else(missing)?;
        if index >= self.leashed.len() {
            return Err(Error::NoNode {
                what: "stopping and starting what another process started",
            });
        }
        let plane = ControlPlane::new(self.layout(), &self.record.binaries, endpoints);
        let programs = [plane.etcd(), plane.api_server(), plane.controller_manager()];
        let mut programs = programs.into_iter();
        let program = programs.find(|program| program.name == component);
        Ok((index, program.ok_or_else(missing)?))
    }

    /// Waits until the API server is ready, after [`Self::start`] or [`Self::resume`].
    ///
    /// # Errors
    /// [`Error::Timeout`] if it is not within `limit`.
    pub fn until_ready(&self, limit: Duration) -> Result<(), Error> {
        let mut readyz = kubeconfig::ready_check(self.program("kubectl"), self.kubeconfig());
        let log = self.log("kube-apiserver");
        wait::until("kube-apiserver's readiness", limit, &log, || {
            Ok(output(&mut readyz).is_ok().then_some(()))
        })
    }

    fn signal(&self, component: &str, signal: Signal) -> Result<(), Error> {
        let missing = || Error::NoComponent {
            component: component.to_owned(),
        };
        match self.shape() {
            Shape::Node { .. } => {
                let supervision = supervision(self.layout())?.ok_or_else(missing)?;
                let mut components = supervision.components.iter();
                let running = components
                    .find(|one| one.name == component)
                    .and_then(|one| one.pid);
                let pid = running.ok_or_else(missing)?;
                let supervisor = self.supervisor("signals")?;
                // The shell's own `kill`: a minimal system has no program of that name.
                let mut shell = enter(supervisor, "--pid", "sh");
                let kill = format!("kill -s {} -- {pid}", signal.as_raw());
                output(shell.args(["-c", &kill])).map(drop)
            }
            Shape::ControlPlane { processes, .. } => {
                let started = processes.iter().find(|one| one.name == component);
                started.ok_or_else(missing)?.process.signal(signal);
                Ok(())
            }
        }
    }
}
