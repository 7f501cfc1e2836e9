//! From when until when: arithmetic on whole seconds, clamped, without a clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use x509_cert::{der::DateTime, time::Time};

use crate::AuthorityFacts;

/// How far notBefore lies back, so that a partner whose clock is slow accepts the certificate.
const BACKDATE_SECONDS: i64 = 5 * 60;

/// A certificate's validity, both ends inclusive (RFC 5280 §4.1.2.5), in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
}

/// The validity of a leaf issued at `now`: as asked for, but never outside that of the authority's
/// whole chain.
pub fn validity(facts: &AuthorityFacts, duration: SignedDuration, now: Timestamp) -> Validity {
    let asked = validity_of_its_own(duration, now);
    Validity {
        not_before: asked.not_before.max(facts.not_before),
        not_after: asked.not_after.min(facts.not_after),
    }
}

/// From five minutes before `now` until `duration` after it.
pub(crate) fn validity_of_its_own(duration: SignedDuration, now: Timestamp) -> Validity {
    let now = now.as_second();
    Validity {
        not_before: at(now.saturating_sub(BACKDATE_SECONDS)),
        not_after: at(now.saturating_add(duration.as_secs())),
    }
}

/// The instant, or the nearest that can be represented.
fn at(second: i64) -> Timestamp {
    let nearest = if second < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(second).unwrap_or(nearest)
}

/// The instant of an X.509 time. 9999-12-31T23:59:59Z, RFC 5280's "no well-defined expiration",
/// lies 26 hours after the last instant that jiff represents: it becomes that last second.
pub(crate) fn timestamp(time: Time) -> Timestamp {
    let second = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    at(second.min(Timestamp::MAX.as_second()))
}

/// The X.509 time of an instant, which must not lie before 1970.
pub(crate) fn x509_time(at: Timestamp) -> Result<Time, der::Error> {
    let second = u64::try_from(at.as_second()).map_err(|_| der::ErrorKind::DateTime)?;
    Ok(Time::from(DateTime::from_unix_duration(
        Duration::from_secs(second),
    )?))
}
