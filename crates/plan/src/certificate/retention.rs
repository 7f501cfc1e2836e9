//! How long the pair before is kept in the store: as long as it may have to be put back into service.

use jiff::{SignedDuration, Timestamp};

use super::{Action, Observed, Stored, verified};
use crate::rollout::Stage;

/// How long the pair before is kept after every pod was on its successor.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The write that takes the pair before out of the store. It stays where no pod is known to serve its
/// successor, and as long as one is in doubt.
pub fn due(observed: &Observed, stored: &Stored, now: Timestamp) -> Option<Action> {
    stored.previous.as_ref()?;
    let is_over = observed.server_time(now) >= observed.completed_at()? + KEPT;
    let is_done = observed.progress(now)?.stage == Stage::Done;
    let is_proven = verified::judge(observed, now).is_none_or(|finding| finding.holds());
    (is_over && is_done && is_proven).then(|| Action::DropPrevious {
        store: stored.version.clone(),
    })
}
