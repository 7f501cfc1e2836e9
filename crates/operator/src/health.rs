//! What `/healthz` and `/readyz` tell.
//!
//! They mean different things. `/readyz`: this replica does its part (it acts and knows the state
//! of the cluster, or it stands by and can reach the API server). `/healthz`: a restart would not
//! help. An API server that is down, or that refuses a list, is no reason for one; a pass that does
//! not end is, or a watch that is silent for good.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use agent::endpoints::Source;

use crate::{barrier, metrics::Metrics, watches::Listed};

/// A pass that runs for longer than this did not end at its deadline: something is stuck for good.
const STUCK: Duration = Duration::from_secs(barrier::DEADLINE.as_secs() * 3);
/// A Lease that was not read for longer than this makes a replica unready.
const UNREACHED: Duration = Duration::from_mins(1);
/// How long a watch may be silent before its first list is complete, while the API server answers.
const SILENT: Duration = Duration::from_mins(10);

/// What has to be known before this replica is ready.
#[derive(Default)]
pub struct Ready(Mutex<Vec<Expected>>);

/// A list that is waited for.
struct Expected {
    what: String,
    listed: Listed,
    /// Whether this replica does its part without it as well.
    dispensable: bool,
}

impl Ready {
    /// Adds a list that must be complete.
    pub fn expect(&self, what: &str, listed: Listed) {
        self.add(what, listed, false);
    }

    /// Adds a list that must be complete, or be refused for lack of permission: whoever needs what
    /// it lacks is told so, and for the others this replica does its part.
    pub fn expect_if_allowed(&self, what: &str, listed: Listed) {
        self.add(what, listed, true);
    }

    fn add(&self, what: &str, listed: Listed, dispensable: bool) {
        let what = what.to_owned();
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.push(Expected {
            what,
            listed,
            dispensable,
        });
    }

    fn missing(&self) -> Vec<String> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists
            .iter()
            .filter(|list| !list.listed.is_complete())
            .filter(|list| !(list.dispensable && list.listed.is_refused()))
            .map(|list| list.what.clone())
            .collect()
    }

    /// A watch that reports errors is alive: a restart gives no permission.
    fn any_hangs(&self, longest: Duration) -> bool {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.iter().any(|list| list.listed.hangs(longest))
    }
}

/// The state that the endpoints report.
#[derive(Default)]
pub struct Health {
    /// Lists that must be complete; empty while standing by.
    pub ready: Ready,
    reached: Mutex<Option<Instant>>,
    running: Mutex<HashMap<u64, Instant>>,
}

impl Health {
    /// Notes that the API server answered.
    pub fn reached(&self) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Notes that a pass started; it ends when the mark is dropped.
    pub fn pass(self: &Arc<Self>) -> Running {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let id = running.keys().max().map_or(0, |last| last + 1);
        running.insert(id, Instant::now());
        Running {
            health: Arc::clone(self),
            id,
        }
    }

    fn readiness(&self) -> Result<(), String> {
        let reached = *self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.is_none_or(|at| at.elapsed() > UNREACHED) {
            return Err("the API server does not answer".to_owned());
        }
        match self.ready.missing() {
            missing if missing.is_empty() => Ok(()),
            missing => Err(format!("not listed yet: {}", missing.join(", "))),
        }
    }

    fn liveness(&self) -> Result<(), String> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.values().any(|since| since.elapsed() > STUCK) {
            return Err("a pass does not end".to_owned());
        }
        let reached = *self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let reachable = reached.is_some_and(|at| at.elapsed() < UNREACHED);
        if reachable && self.ready.any_hangs(SILENT) {
            return Err("a first list does not end although the API server answers".to_owned());
        }
        Ok(())
    }
}

/// A pass that runs.
pub struct Running {
    health: Arc<Health>,
    id: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.health
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

/// What the endpoints tell.
#[derive(Clone)]
pub struct Told {
    /// Of this replica.
    pub health: Arc<Health>,
    /// Of what it does.
    pub metrics: Arc<Metrics>,
}

impl Source for Told {
    fn liveness(&self) -> Result<(), String> {
        self.health.liveness()
    }

    fn readiness(&self) -> Result<(), String> {
        self.health.readiness()
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        self.metrics.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_never_reached_the_api_server_is_unready_but_alive() {
        let health = Health::default();
        assert!(health.readiness().is_err());
        assert_eq!(health.liveness(), Ok(()));
    }

    #[test]
    fn a_standby_that_reaches_the_api_server_is_ready() {
        let health = Health::default();
        health.reached();
        assert_eq!(health.readiness(), Ok(()));
    }

    #[test]
    fn a_replica_whose_lists_are_refused_is_unready_but_alive() {
        let health = Health::default();
        health.reached();
        let listed = Listed::default();
        health.ready.expect("Secrets", listed.clone());
        listed.hear(false);
        assert_eq!(
            health.readiness(),
            Err("not listed yet: Secrets".to_owned())
        );
        assert_eq!(health.liveness(), Ok(()));
    }

    #[test]
    fn a_replica_is_ready_without_a_kind_of_workloads_that_its_role_does_not_allow() {
        let health = Health::default();
        health.reached();
        let (allowed, refused) = (Listed::default(), Listed::default());
        let ready = &health.ready;
        ready.expect_if_allowed("Deployments", allowed.clone());
        ready.expect_if_allowed("DaemonSets", refused.clone());
        refused.refuse();
        let missing = Err("not listed yet: Deployments".to_owned());
        assert_eq!(health.readiness(), missing);
        allowed.hear(true);
        assert_eq!(health.readiness(), Ok(()));
    }

    #[test]
    fn a_pass_is_forgotten_when_it_ends() {
        let health = Arc::new(Health::default());
        drop(health.pass());
        assert!(health.running.lock().unwrap().is_empty());
    }
}
