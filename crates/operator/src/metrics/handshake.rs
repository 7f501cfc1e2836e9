//! What handshakes are counted as.

use api::Fingerprint;
use probe::{Demand, Outcome, Report, Trouble};

/// A handshake with a pod, of which this leaf is expected.
pub fn with_a_pod(report: Option<&Report>, leaf: Option<Fingerprint>) -> &'static str {
    let Some(report) = report else {
        return NOT_BEGUN;
    };
    match (report.fingerprint(), &report.outcome) {
        (Some(shown), _) if leaf == Some(shown) => "current",
        (Some(_), _) => "another",
        (None, Outcome::Completed | Outcome::Unanswered | Outcome::Refused(_)) => "no_certificate",
        (None, Outcome::Failed(trouble)) => of_trouble(trouble, "no_certificate"),
    }
}

/// A handshake with a partner.
pub fn with_a_partner(result: &Result<Report, String>) -> &'static str {
    let Ok(report) = result else {
        return NOT_BEGUN;
    };
    match (&report.outcome, report.demand) {
        (Outcome::Completed, Demand::Asked) => "accepted",
        (Outcome::Completed, Demand::NotAsked | Demand::Unknown) => "not_requested",
        (Outcome::Refused(_), Demand::Asked) => "refused",
        // It has judged no certificate.
        (Outcome::Refused(_), Demand::NotAsked | Demand::Unknown) => BROKEN,
        (Outcome::Unanswered, _) => "unanswered",
        (Outcome::Failed(trouble), _) => of_trouble(trouble, BROKEN),
    }
}

const NOT_BEGUN: &str = "not_begun";
const BROKEN: &str = "broken";

/// Why it came to no end; of a server that answers, this.
const fn of_trouble(trouble: &Trouble, answered: &'static str) -> &'static str {
    match trouble {
        Trouble::Closed => "closed",
        Trouble::Unreachable(_) => "no_route",
        Trouble::Silent(_) => "silent",
        Trouble::Slow(_) => "slow",
        Trouble::NotBegun(_) => NOT_BEGUN,
        Trouble::Endless(_) | Trouble::Cut | Trouble::Broken(_) => answered,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probe::{Alert, Certificate};
    use rstest::rstest;

    use super::*;

    const LEAF: Fingerprint = Fingerprint::from_digest([1; 32]);

    fn report(shown: Option<Fingerprint>, outcome: Outcome) -> Report {
        let certificate = |fingerprint| Certificate {
            fingerprint,
            der: Vec::new(),
        };
        Report {
            chain: shown.map(certificate).into_iter().collect(),
            session: None,
            demand: Demand::Unknown,
            outcome,
            elapsed: Duration::ZERO,
        }
    }

    #[rstest]
    #[case(Some(LEAF), Outcome::Completed, "current")]
    #[case(Some(LEAF), Outcome::Refused(Alert::from_code(48)), "current")]
    #[case(Some(Fingerprint::from_digest([2; 32])), Outcome::Completed, "another")]
    #[case(None, Outcome::Refused(Alert::from_code(40)), "no_certificate")]
    #[case(None, Outcome::Failed(Trouble::Cut), "no_certificate")]
    #[case(None, Outcome::Failed(Trouble::Closed), "closed")]
    #[case(None, Outcome::Failed(Trouble::Silent(Duration::ZERO)), "silent")]
    #[case(None, Outcome::Failed(Trouble::Slow(Duration::ZERO)), "slow")]
    #[case(None, Outcome::Failed(Trouble::Unreachable(String::new())), "no_route")]
    fn a_handshake_with_a_pod_is_counted_as_what_it_showed(
        #[case] shown: Option<Fingerprint>,
        #[case] outcome: Outcome,
        #[case] expected: &str,
    ) {
        let report = report(shown, outcome);
        assert_eq!(with_a_pod(Some(&report), Some(LEAF)), expected);
    }

    #[rstest]
    #[case(Outcome::Completed, Demand::Asked, "accepted")]
    #[case(Outcome::Completed, Demand::NotAsked, "not_requested")]
    #[case(Outcome::Refused(Alert::from_code(48)), Demand::Asked, "refused")]
    #[case(Outcome::Refused(Alert::from_code(40)), Demand::Unknown, "broken")]
    #[case(
        Outcome::Failed(Trouble::NotBegun(String::new())),
        Demand::Unknown,
        "not_begun"
    )]
    #[case(Outcome::Failed(Trouble::Cut), Demand::Asked, "broken")]
    fn a_handshake_with_a_partner_is_counted_as_what_came_of_it(
        #[case] outcome: Outcome,
        #[case] demand: Demand,
        #[case] expected: &str,
    ) {
        let report = Report {
            demand,
            ..report(None, outcome)
        };
        assert_eq!(with_a_partner(&Ok(report)), expected);
    }
}
