//! Certificates of one workload that are renewed together make one rollout: the first to be published
//! waits a short while for the others.

use jiff::{SignedDuration, Timestamp};

use super::{Mounted, Observed};

/// How long a rollout waits for what others may publish at about the same time.
const SETTLE: SignedDuration = SignedDuration::from_secs(5);

/// How long it waits for a certificate that is known to be about to be issued or published.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// How far the operator's clock may be behind the API server's for a wait that makes sense.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// Until when the rollout that is due for some of the certificates waits for the others of
/// `restarting`, if it does.
pub fn waits_until(
    observed: &Observed,
    restarting: &[&Mounted],
    due: &[&Mounted],
    now: Timestamp,
) -> Option<Timestamp> {
    let is_due = |name: &str| due.iter().any(|mounted| mounted.certificate == name);
    let is_awaited = observed.pending.iter().any(|name| !is_due(name));
    let has_others = restarting.iter().any(|it| !is_due(&it.certificate));
    let wait = match (is_awaited, has_others) {
        (true, _) => PATIENCE,
        (false, true) => SETTLE,
        (false, false) => return None,
    };
    let published = due.iter().filter_map(|it| it.published_since()).max()?;
    (published - CLOCK_TOLERANCE..published + wait)
        .contains(&now)
        .then(|| published + wait)
}
