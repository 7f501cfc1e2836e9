//! A cluster that ends with what it was started for: with its value, also after an error or a
//! panic, and with a signal that ends this process.

use std::ops::Deref;

use cluster::{Cluster, Lines, Options};

use crate::ending;

/// A cluster that ends with this value, unless it is kept.
pub struct OwnCluster {
    // Taken only when the value is consumed or dropped.
    cluster: Option<Cluster>,
    // Dropped after it: until it has ended, a signal must end it.
    _on_signal: ending::ClusterEnds,
}

impl OwnCluster {
    /// Starts one; what a crashed run left in its folder ends first.
    pub fn fresh(options: &Options) -> anyhow::Result<Self> {
        cluster::down(&options.state)?;
        Self::up(options)
    }

    /// Starts one, or takes over the one that runs there.
    pub fn up(options: &Options) -> anyhow::Result<Self> {
        let on_signal = ending::cluster_with_this_process(&options.state)?;
        let cluster = Some(cluster::up(options, &Lines)?);
        Ok(Self {
            cluster,
            _on_signal: on_signal,
        })
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
