//! How long a rolling restart may take.

use jiff::SignedDuration;

use super::Live;

/// How long a pod that has ended may take until its successor is Ready, where all goes well.
const BECOMES_READY: SignedDuration = SignedDuration::from_mins(1);

/// How long a rolling restart may take in which nothing is stuck: one pod after the other, each with
/// all of its grace period.
#[must_use]
pub fn longest_rollout(live: &Live) -> SignedDuration {
    let each = live.grace_period.saturating_add(BECOMES_READY);
    each.saturating_mul(live.replicas.max(0))
}
