//! When a certificate is renewed.

use jiff::{SignedDuration, Timestamp};

/// What decides a renewal time beside the certificate's own dates.
#[derive(Clone, Copy, Debug)]
pub struct RenewalPolicy<'a> {
    /// How long before the end, as the resource asks.
    pub renew_before: SignedDuration,
    /// The resource's uid: it fixes the jitter.
    pub uid: &'a str,
}

/// `notAfter − min(renewBefore, a third of the actual lifetime)`, less a jitter of up to a tenth of
/// that margin. The jitter is fixed per resource and only moves a renewal earlier, so that a
/// thousand certificates of one morning are not renewed in one second.
#[must_use]
pub fn renewal_time(
    not_before: Timestamp,
    not_after: Timestamp,
    policy: RenewalPolicy<'_>,
) -> Timestamp {
    let lifetime = not_after.duration_since(not_before);
    let margin = policy.renew_before.min(lifetime / 3);
    not_after - whole_seconds(margin + jitter(policy.uid, margin))
}

fn jitter(uid: &str, margin: SignedDuration) -> SignedDuration {
    let share = i64::from(fnv1a(uid) % 1000);
    SignedDuration::from_secs(margin.as_secs() / 10 * share / 1000)
}

fn whole_seconds(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(duration.as_secs())
}

/// FNV-1a, 32 bits: stable across versions and machines, unlike the standard library's hasher.
pub(crate) fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    proptest! {
        #[test]
        fn a_renewal_lies_within_the_lifetime_and_never_after_the_asked_margin(
            start in 0_i64..4_000_000_000,
            lifetime in 3600_i64..400_000_000,
            renew_before in 1_i64..400_000_000,
            uid in "[a-f0-9-]{1,36}",
        ) {
            let (not_before, not_after) = (at(start), at(start + lifetime));
            let margin = SignedDuration::from_secs(renew_before);
            let renewal = renewal_time(not_before, not_after, RenewalPolicy { renew_before: margin, uid: &uid });
            prop_assert!(renewal > not_before);
            let latest = not_after - margin.min(SignedDuration::from_secs(lifetime / 3));
            prop_assert!(renewal <= latest);
            prop_assert!(latest.duration_since(renewal) <= margin / 10);
        }
    }

    #[test]
    fn certificates_of_one_second_are_renewed_at_different_times() {
        let renewal = |uid| {
            let policy = RenewalPolicy {
                renew_before: SignedDuration::from_hours(720),
                uid,
            };
            renewal_time(at(0), at(31_536_000), policy)
        };
        assert_ne!(renewal("one"), renewal("two"));
        assert_eq!(renewal("one"), renewal("one"));
    }
}
