//! Rollouts that somebody undoes, as a tool does that puts the pod template back to what is in Git.

use std::collections::BTreeMap;

use api::{Fingerprint, WorkloadRef};

use super::{kinds::Kind, reference};
use crate::{context::Context, secret::last_writer};

/// Under what a workload's contest is known.
pub fn key(workload: &WorkloadRef) -> String {
    format!("{}/{}", workload.kind, workload.name)
}

/// A rollout was started. One for the same certificates as the last one puts right what somebody
/// undid.
pub fn note<K: Kind>(
    context: &Context,
    workload: &K,
    fingerprints: &BTreeMap<String, Fingerprint>,
) {
    let reference = reference(workload);
    if context.facts.rollouts.is_repeated(&reference, fingerprints) {
        let by = last_writer(workload.meta());
        let contests = &context.rollout_contests;
        contests.restored(&key(&reference), by.as_deref(), Context::now());
    }
}
