//! Others who keep undoing what the operator publishes: it gives way, and tries again now and then.

use api::Reason;
use jiff::Timestamp;

use super::{Observed, Obstacle, Step, finding::Finding};
use crate::{Contest, Refusal};

/// What keeps the operator from putting the published Secret right once more.
pub fn obstacle(observed: &Observed, now: Timestamp) -> Option<Obstacle> {
    under_way(observed, now).map(|contest| Obstacle {
        step: Step::Publish,
        refusal: refusal(observed, contest),
    })
}

/// The condition that tells of it.
pub fn condition(observed: &Observed, now: Timestamp) -> Option<Finding> {
    let contest = under_way(observed, now)?;
    let message = refusal(observed, contest).message;
    Some(Finding::yes(Reason::Contested, message))
}

fn under_way(observed: &Observed, now: Timestamp) -> Option<&Contest> {
    observed
        .contest
        .as_ref()
        .filter(|contest| contest.is_under_way(now))
}

fn refusal(observed: &Observed, contest: &Contest) -> Refusal {
    let resource = &observed.resource;
    let somebody = contest.somebody();
    Refusal {
        reason: Reason::Contested,
        message: format!(
            "{somebody} (field manager) keeps undoing what the operator writes to Secret {}/{}: it is put right only \
             once in 10 minutes; have {somebody} leave the Secret alone, as by ignoring its data, or delete this \
             resource",
            resource.namespace, resource.wanted.secret_name,
        ),
    }
}
