//! `/healthz`, `/readyz` and `/metrics`.
//!
//! They mean different things. `/readyz`: this replica does its part (it acts and knows the state
//! of the cluster, or it stands by and can reach the API server). `/healthz`: a restart would not
//! help; an API server that is down is no reason for one, a pass that does not end is.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use axum::{Router, http::StatusCode, routing::get};

use crate::{barrier, metrics::Metrics, watches::Listed};

/// A pass that runs for longer than this did not end at its deadline: something is stuck for good.
const STUCK: Duration = Duration::from_secs(barrier::DEADLINE.as_secs() * 3);
/// A Lease that was not read for longer than this makes a replica unready.
const UNREACHED: Duration = Duration::from_mins(1);
/// How long the first lists may take while the API server answers.
const FIRST_LISTS: Duration = Duration::from_mins(10);

/// What has to be known before this replica is ready.
#[derive(Default)]
pub struct Ready(Mutex<Vec<(String, Listed)>>);

impl Ready {
    /// Adds a list that must be complete.
    pub fn expect(&self, what: &str, listed: Listed) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((what.to_owned(), listed));
    }

    fn missing(&self) -> Vec<String> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists
            .iter()
            .filter(|(_, listed)| !listed.load(Ordering::Relaxed))
            .map(|(what, _)| what.clone())
            .collect()
    }
}

/// The state that the endpoints report.
#[derive(Default)]
pub struct Health {
    /// Lists that must be complete; empty while standing by.
    pub ready: Ready,
    leads_since: Mutex<Option<Instant>>,
    reached: Mutex<Option<Instant>>,
    running: Mutex<HashMap<u64, Instant>>,
}

impl Health {
    /// Notes that the API server answered.
    pub fn reached(&self) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Notes that this replica acts from this moment on.
    pub fn leads(&self) {
        *self
            .leads_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
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
        let leads = *self
            .leads_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let reached = *self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let late = leads.is_some_and(|since| since.elapsed() > FIRST_LISTS);
        let reachable = reached.is_some_and(|at| at.elapsed() < UNREACHED);
        if late && reachable && !self.ready.missing().is_empty() {
            return Err("the first lists do not end although the API server answers".to_owned());
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

/// Serves the endpoints until the process ends.
pub async fn serve(
    address: SocketAddr,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
) -> std::io::Result<()> {
    let live = Arc::clone(&health);
    let router = Router::new()
        .route("/healthz", get(async move || answer(live.liveness())))
        .route("/readyz", get(async move || answer(health.readiness())))
        .route("/metrics", get(async move || exposition(&metrics)));
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router).await
}

fn answer(state: Result<(), String>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

type Exposition = (StatusCode, [(&'static str, &'static str); 1], String);

fn exposition(metrics: &Metrics) -> Exposition {
    let kind = [(
        "content-type",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    match metrics.text() {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, kind, String::new()),
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
    fn a_pass_is_forgotten_when_it_ends() {
        let health = Arc::new(Health::default());
        drop(health.pass());
        assert!(health.running.lock().unwrap().is_empty());
    }
}
