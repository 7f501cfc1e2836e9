//! A cluster that ends with what it was started for: with its value, also after an error or a
//! panic, and with a signal that ends this process.

use std::{ops::Deref, path::PathBuf, process, thread};

use cluster::{Cluster, Lines, Options};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

/// A cluster that ends with this value, unless it is kept.
pub struct OwnCluster {
    // Taken only when the value is consumed or dropped.
    cluster: Option<Cluster>,
}

impl OwnCluster {
    /// Starts one; what a crashed run left in its folder ends first.
    pub fn fresh(options: &Options) -> anyhow::Result<Self> {
        cluster::down(&options.state)?;
        Self::up(options)
    }

    /// Starts one, or takes over the one that runs there.
    pub fn up(options: &Options) -> anyhow::Result<Self> {
        end_with_signals(options.state.clone())?;
        let cluster = Some(cluster::up(options, &Lines)?);
        Ok(Self { cluster })
    }

    /// Ends it, and fails if that fails or the outcome is a failure; the outcome's own comes first.
    pub fn end(mut self, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
        let ended = self.cluster.take().map_or(Ok(()), Cluster::down);
        match (outcome, ended) {
            (Ok(()), ended) => Ok(ended?),
            (Err(failure), Ok(())) => Err(failure),
            (Err(failure), Err(error)) => {
                eprintln!("the cluster did not end: {error}");
                Err(failure)
            }
        }
    }

    /// Leaves it running.
    pub fn keep(mut self) {
        drop(self.cluster.take());
    }
}

impl Deref for OwnCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        match &self.cluster {
            Some(cluster) => cluster,
            None => unreachable!("only functions that consume the value take the cluster"),
        }
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.cluster.take().map(Cluster::down) {
            eprintln!("the cluster did not end: {error}");
        }
    }
}

/// The first signal ends the cluster and then this process, the second this process at once.
fn end_with_signals(state: PathBuf) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        let mut received = signals.forever();
        let Some(signal) = received.next() else {
            return;
        };
        eprintln!("\nending the cluster");
        thread::spawn(move || {
            if let Err(error) = cluster::down(&state) {
                eprintln!("the cluster did not end: {error}");
            }
            process::exit(128 + signal);
        });
        if received.next().is_some() {
            process::exit(128 + signal);
        }
    });
    Ok(())
}
