//! Others who keep undoing what the operator publishes: it gives way, and tries again now and then.

use api::Reason;
use jiff::Timestamp;

use super::{Contest, Observed, Obstacle, Published, Step, finding::Finding};
use crate::Refusal;

/// What keeps the operator from putting the published Secret right once more.
pub fn obstacle(observed: &Observed, now: Timestamp) -> Option<Obstacle> {
    under_way(observed, now).then(|| Obstacle {
        step: Step::Publish,
        refusal: refusal(observed),
    })
}

/// The condition that tells of it.
pub fn condition(observed: &Observed, now: Timestamp) -> Option<Finding> {
    under_way(observed, now).then(|| Finding::yes(Reason::Contested, refusal(observed).message))
}

fn under_way(observed: &Observed, now: Timestamp) -> bool {
    let until = observed
        .contest
        .as_ref()
        .map(|contest: &Contest| contest.until);
    until.is_some_and(|until| now < until)
}

fn refusal(observed: &Observed) -> Refusal {
    let resource = &observed.resource;
    let writer = match &observed.published {
        Published::Present(published) => published.last_writer.as_deref(),
        Published::Absent | Published::Unreadable(_) => None,
    };
    let writer = writer.unwrap_or("somebody");
    Refusal {
        reason: Reason::Contested,
        message: format!(
            "{writer} (field manager) keeps undoing what the operator writes to Secret {}/{}: it is put right only once \
             in 10 minutes; have {writer} leave the Secret alone, as by ignoring its data, or delete this resource",
            resource.namespace, resource.wanted.secret_name,
        ),
    }
}
