//! Others who keep undoing what the operator writes: it gives way, says so, and tries again now and then.

use api::Reason;
use jiff::Timestamp;

use super::{Observed, Obstacle, Published, Step, finding::Finding};
use crate::{
    Contest, Refusal,
    contest::{self, LastWritten},
    rollout::Progress,
};

/// What keeps the operator from putting the published Secret right once more.
pub fn obstacle(observed: &Observed, now: Timestamp) -> Option<Obstacle> {
    under_way(observed, now).map(|contest| Obstacle {
        step: Step::Publish,
        refusal: refusal(observed, contest),
    })
}

/// The condition that tells of whoever undoes what is published, and of whoever undoes rollouts.
pub fn condition(
    observed: &Observed,
    progress: Option<&Progress>,
    now: Timestamp,
) -> Option<Finding> {
    let published = under_way(observed, now).map(|contest| refusal(observed, contest));
    let rolled_out = progress.and_then(|progress| progress.contested.clone());
    let told: Vec<_> = [published, rolled_out]
        .into_iter()
        .flatten()
        .map(|refusal| refusal.message)
        .collect();
    (!told.is_empty()).then(|| Finding::yes(Reason::Contested, told.join("; ")))
}

fn under_way(observed: &Observed, now: Timestamp) -> Option<&Contest> {
    observed
        .contest
        .as_ref()
        .filter(|contest| contest.is_under_way(now))
}

fn refusal(observed: &Observed, contest: &Contest) -> Refusal {
    let resource = &observed.resource;
    Refusal {
        reason: Reason::Contested,
        message: format!(
            "{} keeps overwriting or deleting Secret {}/{}: it is put right only once in 10 minutes; have {} leave the \
             Secret alone, as by ignoring its data, or delete this resource",
            contest.who(),
            resource.namespace,
            resource.wanted.secret_name,
            contest.whom(),
        ),
    }
}

impl Observed {
    /// The field manager that undid what the operator published, if that can be told. `last` is what the
    /// reply to the operator's last write told: whoever removes its fields removes the trace of that. A
    /// Secret that is gone tells nothing.
    #[must_use]
    pub fn undone_by(&self, last: &LastWritten) -> Option<String> {
        match &self.published {
            Published::Present(secret) => {
                let written = secret.operator_wrote.max(last.at);
                let others = secret.last_writer.as_ref();
                let later = others.filter(|write| Some(*write) != last.beside.as_ref());
                contest::undone_by(later, written)
            }
            Published::Absent | Published::Unreadable(_) => None,
        }
    }
}
