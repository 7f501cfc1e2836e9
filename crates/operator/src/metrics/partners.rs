//! What partners make of the certificate in service.

use api::{Partner, Reason};
use plan::partner::{Answer, Own, RESULTS, result};
use probe::Report;
use prometheus_client::encoding::EncodeLabelSet;

use super::{Handshake, Metrics, handshake};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfPartner {
    name: String,
    partner: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PartnerResult {
    name: String,
    partner: String,
    result: &'static str,
}

impl Metrics {
    /// Counts a handshake with a partner.
    pub fn partner_asked(&self, result: &Result<Report, String>) {
        let result = handshake::with_a_partner(result);
        let label = Handshake { result };
        self.partner_handshakes.get_or_create(&label).inc();
    }

    /// Notes what a partner answered, and what coturn would make of it.
    pub fn answered(&self, certificate: &str, partner: &Partner, answer: &Answer, own: &Own) {
        let label = of_partner(certificate, partner);
        match is_let_in(answer, own) {
            Some(is_let_in) => {
                let gauge = self.partners.get_or_create(&label);
                gauge.set(i64::from(is_let_in));
            }
            None => drop(self.partners.remove(&label)),
        }
        self.note_result(certificate, partner, Some(result(answer, own)));
    }

    /// Forgets a partner.
    pub fn forget_partner(&self, certificate: &str, partner: &Partner) {
        self.partners.remove(&of_partner(certificate, partner));
        self.note_result(certificate, partner, None);
    }

    /// One of the results stands, if any, and the others do not.
    fn note_result(&self, certificate: &str, partner: &Partner, stands: Option<Reason>) {
        for result in RESULTS {
            let label = PartnerResult {
                name: certificate.to_owned(),
                partner: partner.to_string(),
                result: result.as_str(),
            };
            if stands == Some(result) {
                self.partner_results.get_or_create(&label).set(1);
            } else {
                self.partner_results.remove(&label);
            }
        }
    }
}

/// Whether each end lets the other in, as far as is known; none if the partner has judged nothing.
const fn is_let_in(answer: &Answer, own: &Own) -> Option<bool> {
    match (answer, own) {
        (Answer::Accepted, Own::Trusted | Own::NotJudged(_)) => Some(true),
        (Answer::Accepted, Own::NotTrusted(_)) | (Answer::Refused(_), _) => Some(false),
        (Answer::NotAsked | Answer::Unreached(_), _) => None,
    }
}

fn of_partner(certificate: &str, partner: &Partner) -> OfPartner {
    OfPartner {
        name: certificate.to_owned(),
        partner: partner.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn partner() -> Partner {
        Partner {
            host: "192.0.2.7".to_owned(),
            port: 9191,
        }
    }

    fn not_trusted() -> Own {
        Own::NotTrusted("its CA is missing".to_owned())
    }

    fn refused() -> Answer {
        Answer::Refused("unknown CA".to_owned())
    }

    fn unreached() -> Answer {
        Answer::Unreached("silent".to_owned())
    }

    /// The series of partners, as they are shown.
    fn shown(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text().unwrap();
        let series = text.lines().filter(|it| it.contains("192.0.2.7:9191"));
        series.map(str::to_owned).collect()
    }

    fn accepted(value: u8) -> String {
        format!("coturncert_partner_accepted{{name=\"coturn\",partner=\"192.0.2.7:9191\"}} {value}")
    }

    fn stands(result: &str) -> String {
        format!(
            "coturncert_partner_result{{name=\"coturn\",partner=\"192.0.2.7:9191\",result=\"{result}\"}} 1"
        )
    }

    #[rstest]
    #[case::accepts(Answer::Accepted, Own::Trusted, Some(1), "Accepted")]
    #[case::not_judged(Answer::Accepted, Own::NotJudged(String::new()), Some(1), "Accepted")]
    #[case::is_turned_away(Answer::Accepted, not_trusted(), Some(0), "PartnerNotTrusted")]
    #[case::refuses(refused(), Own::NotJudged(String::new()), Some(0), "PartnerRefuses")]
    #[case::judges_nobody(Answer::NotAsked, Own::Trusted, None, "CertificateNotRequested")]
    #[case::is_silent(unreached(), Own::Trusted, None, "Unreachable")]
    fn of_each_partner_the_result_that_stands_is_shown_and_no_other(
        #[case] answer: Answer,
        #[case] own: Own,
        #[case] value: Option<u8>,
        #[case] result: &str,
    ) {
        let metrics = Metrics::default();
        for before in [Answer::Accepted, refused(), Answer::NotAsked, unreached()] {
            metrics.answered("coturn", &partner(), &before, &Own::Trusted);
        }
        metrics.answered("coturn", &partner(), &Answer::Accepted, &not_trusted());

        metrics.answered("coturn", &partner(), &answer, &own);
        let expected = value.map(accepted).into_iter().chain([stands(result)]);
        assert_eq!(shown(&metrics), expected.collect::<Vec<_>>());
    }

    #[test]
    fn of_a_partner_that_is_forgotten_nothing_is_shown() {
        let metrics = Metrics::default();
        metrics.answered("coturn", &partner(), &refused(), &Own::Trusted);
        metrics.forget_partner("coturn", &partner());
        assert_eq!(shown(&metrics), [""; 0]);
    }
}
