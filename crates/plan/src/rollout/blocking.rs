//! Why a rollout does not begin, or does not go on.

use jiff::{SignedDuration, Timestamp};

use super::{Live, Mounted, progress::STEP_BUDGET, reverting};
use crate::Refusal;

/// How long a PodDisruptionBudget may let no pod go until it is not expected to any more.
const BUDGETS_PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// Somebody has undone the stamp of the template, time and again, although each may restart pods.
pub fn contest(live: &Live, mounted: &Mounted, now: Timestamp) -> Option<Refusal> {
    let is_held_back = !reverting::is_reverted(live, mounted)
        && mounted.strategy == api::RolloutStrategy::RollingRestart
        && !live.is_stamped_for(mounted);
    let contest = live.contested(mounted, now).filter(|_| is_held_back)?;
    Some(Refusal {
        reason: api::Reason::Contested,
        message: format!(
            "{} keeps undoing the annotation {}… of the pod template by which pods are replaced: as each time may \
             restart pods, it is set ever more rarely; have {} leave that annotation alone, and it goes on by itself",
            contest.who(),
            api::names::FINGERPRINT_PREFIX,
            contest.whom(),
        ),
    })
}

/// Why the write that starts a rollout, or goes on with it, does not come about. What passes by itself counts
/// only once the budget of a step is spent: the write is tried again meanwhile.
pub fn refusal(live: &Live, last_step: Timestamp, now: Timestamp) -> Option<Refusal> {
    let within_budget = now < last_step + STEP_BUDGET;
    let refused = live.refused.as_ref();
    let refusal = refused.filter(|it| !within_budget || !it.reason.heals_by_itself())?;
    let since = live.refused_since.map(|since| since.max(last_step));
    let lets_nobody_go = refusal.reason == api::Reason::DisruptionBudget
        && since.is_some_and(|since| now >= since + BUDGETS_PATIENCE);
    Some(if lets_nobody_go {
        Refusal {
            reason: api::Reason::RolloutStuck,
            message: format!(
                "no pod was let go in {} h, and a PodDisruptionBudget that never lets one go has to be changed: {}",
                BUDGETS_PATIENCE.as_hours(),
                refusal.message
            ),
        }
    } else {
        refusal.clone()
    })
}
