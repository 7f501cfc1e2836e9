//! What tests do to the components of a running cluster.

use std::time::Duration;

use rustix::process::Signal;

use crate::{
    Cluster, Error,
    cluster::{enter, supervision},
    command::output,
    kubeconfig, layout,
    state::Shape,
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
    /// [`Error::NoNode`], or [`Error::NoComponent`] if it does not run.
    pub fn stop(&self, component: &str) -> Result<(), Error> {
        self.supervisor("keeping a component from its restart")?;
        layout::write(&self.layout().hold(component), "")?;
        self.signal(component, Signal::KILL)
    }

    /// Has a stopped component started again.
    ///
    /// # Errors
    /// [`Error::File`] if the mark that holds it cannot be removed.
    pub fn start(&self, component: &str) -> Result<(), Error> {
        layout::remove(&self.layout().hold(component))
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
            Shape::ControlPlane { processes } => {
                let started = processes.iter().find(|one| one.name == component);
                started.ok_or_else(missing)?.process.signal(signal);
                Ok(())
            }
        }
    }
}
