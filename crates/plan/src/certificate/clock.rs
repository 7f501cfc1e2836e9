//! The operator's clock against the API server's. Nothing is signed by a clock that is off: a leaf
//! that begins in the future works nowhere, and one that ends too early is renewed too late.

use api::{ConditionType, Leaf, Reason};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Observed;
use crate::Refusal;

/// How far the two clocks may differ. A leaf begins five minutes back: this leaves three of them for
/// the clocks of those who check it.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(2);
/// A difference that was told of has to shrink below this until it counts as mended: one that moves
/// about the tolerance would change the status each time.
const MENDED: SignedDuration = SignedDuration::from_mins(1);
/// While the clocks differ, no event tells that they do no more.
pub const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(15);

/// Why nothing may be signed at this moment, if the clocks differ.
pub fn refusal(observed: &Observed, now: Timestamp) -> Option<Refusal> {
    let told = told(observed);
    let limit = told.map_or(TOLERANCE, |_| MENDED);
    let ahead = observed
        .clock_ahead
        .filter(|ahead| ahead.unsigned_abs() > limit.unsigned_abs())?;
    let words = words(ahead);
    let known = told.filter(|condition| condition.message.starts_with(&words));
    let message = known.map_or_else(
        || {
            format!(
                "{words}: it was {now} by the one and {} by the other; no certificate is signed until they agree, and \
                 what works stays as it is. Correct the clock of the operator's node, or of the API server's (a time \
                 service such as chrony keeps them right); it goes on by itself",
                now - SignedDuration::from_secs(ahead.as_secs())
            )
        },
        |condition| condition.message.clone(),
    );
    Some(Refusal {
        reason: Reason::ClockSkewed,
        message,
    })
}

/// The difference grows and shrinks; a message that followed it would change the status each time.
fn words(ahead: SignedDuration) -> String {
    let side = if ahead.is_positive() {
        "ahead of"
    } else {
        "behind"
    };
    let minutes = TOLERANCE.as_mins();
    format!("the operator's clock is more than {minutes} min {side} the API server's")
}

/// What the status of this generation tells of the clocks.
fn told(observed: &Observed) -> Option<&Condition> {
    let resource = &observed.resource;
    resource.status.conditions.iter().find(|condition| {
        condition.type_ == ConditionType::Issued.as_str()
            && condition.reason == Reason::ClockSkewed.as_str()
            && condition.observed_generation == Some(resource.generation)
    })
}

/// Why it cannot be told whether the leaf is valid: the clocks differ, and by one of them it is not.
pub fn doubt(observed: &Observed, leaf: &Leaf, now: Timestamp) -> Option<Refusal> {
    let refusal = refusal(observed, now)?;
    let there = observed.clock_ahead.map_or(now, |ahead| now - ahead);
    (leaf.is_valid_at(now) != leaf.is_valid_at(there)).then_some(refusal)
}
