//! Metrics, in the text format of Prometheus, all with the prefix `coturncert_agent_`.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{
    pair::State,
    relay::Ending,
    status::{PairStatus, ProcessStatus, Status},
};

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    reloads: Counter,
    last_reload: Gauge<f64, AtomicU64>,
    failed_signals: Counter,
    pairs: Family<PairLabels, Gauge>,
    leaves: Family<LeafLabels, Gauge>,
    processes: Family<ProcessLabels, Gauge>,
    relayed: Family<RelayLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PairLabels {
    directory: String,
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeafLabels {
    directory: String,
    fingerprint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProcessLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RelayLabels {
    ending: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("coturncert_agent"),
            reloads: Counter::default(),
            last_reload: Gauge::default(),
            failed_signals: Counter::default(),
            pairs: Family::default(),
            leaves: Family::default(),
            processes: Family::default(),
            relayed: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("reloads", "Signals sent to coturn", self.reloads.clone());
        registry.register(
            "last_reload_timestamp_seconds",
            "When coturn was signalled last; 0 if it was not",
            self.last_reload.clone(),
        );
        registry.register(
            "failed_signals",
            "Signals that could not be sent",
            self.failed_signals.clone(),
        );
        registry.register(
            "pair_state",
            "1 for the state in which the pair of a directory is",
            self.pairs.clone(),
        );
        registry.register(
            "pair_leaf",
            "1 for the leaf of the whole pair of a directory",
            self.leaves.clone(),
        );
        registry.register(
            "process_state",
            "1 for what there is of coturn",
            self.processes.clone(),
        );
        registry.register(
            "relayed",
            "Connections to the relay, by their end",
            self.relayed.clone(),
        );
    }

    /// Counts a signal.
    pub fn reloaded(&self, now: Timestamp) {
        self.reloads.inc();
        self.last_reload.set(now.as_duration().as_secs_f64());
    }

    /// Counts a signal that failed.
    pub fn failed(&self) {
        self.failed_signals.inc();
    }

    /// Counts a connection to the relay.
    pub fn relayed(&self, ending: Ending) {
        let ending = ending.name();
        self.relayed.get_or_create(&RelayLabels { ending }).inc();
    }

    /// Shows what was seen.
    pub fn show(&self, status: &Status) {
        self.leaves.clear();
        for pair in &status.pairs {
            self.show_pair(pair);
        }
        for state in ProcessStatus::NAMES {
            let holds = i64::from(status.process.name() == state);
            self.processes
                .get_or_create(&ProcessLabels { state })
                .set(holds);
        }
    }

    fn show_pair(&self, pair: &PairStatus) {
        let directory = pair.directory.display().to_string();
        if let Some(leaf) = pair.leaf {
            let labels = LeafLabels {
                directory: directory.clone(),
                fingerprint: leaf.to_string(),
            };
            self.leaves.get_or_create(&labels).set(1);
        }
        for state in State::ALL {
            let labels = PairLabels {
                directory: directory.clone(),
                state: state.to_string(),
            };
            let holds = i64::from(pair.state == state);
            self.pairs.get_or_create(&labels).set(holds);
        }
    }

    /// The metrics as text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
