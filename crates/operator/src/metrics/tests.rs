//! What is shown, and what is not any more.

use super::*;
use crate::certificate::testing;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Whether a gauge is shown for the certificate.
fn shows(metrics: &Metrics, gauge: &str) -> bool {
    let series = format!("coturncert_{gauge}{{");
    metrics.text().unwrap().contains(&series)
}

fn certificate() -> CertificateStatus {
    CertificateStatus {
        serial_number: "1".to_owned(),
        fingerprint: String::new(),
        sdp_fingerprint: None,
        issuer: String::new(),
        not_before: Time(Timestamp::UNIX_EPOCH),
        not_after: Time(Timestamp::UNIX_EPOCH),
        renewal_time: Time(Timestamp::UNIX_EPOCH),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        key_algorithm: String::new(),
    }
}

#[test]
fn a_resource_made_anew_that_has_no_certificate_yet_shows_no_dates() {
    let metrics = Metrics::default();
    let mut observed = testing::observation().observed;
    observed.resource.status.certificate = Some(certificate());
    metrics.certificate(&observed, Timestamp::UNIX_EPOCH);
    assert!(shows(&metrics, "certificate_not_after_timestamp_seconds"));
    assert!(shows(&metrics, "certificate_renewal_timestamp_seconds"));

    observed.resource.status.certificate = None;
    metrics.certificate(&observed, Timestamp::UNIX_EPOCH);
    assert!(!shows(&metrics, "certificate_not_after_timestamp_seconds"));
    assert!(!shows(&metrics, "certificate_renewal_timestamp_seconds"));
    assert!(shows(&metrics, "certificate_ready"));
}

#[test]
fn pods_that_are_not_known_any_more_are_not_shown() {
    let metrics = Metrics::default();
    let progress = Progress {
        stage: Stage::Done,
        current: 2,
        total: 2,
        not_current: Vec::new(),
        ending: 0,
        hindrance: None,
        contested: None,
        next_check: None,
    };
    let label = Certificate {
        name: "coturn".to_owned(),
    };
    metrics.pods(&label, Some(&progress));
    assert!(shows(&metrics, "certificate_pods"));
    assert!(shows(&metrics, "certificate_pods_current"));

    let observed = testing::observation().observed;
    metrics.certificate(&observed, Timestamp::UNIX_EPOCH);
    assert!(!shows(&metrics, "certificate_pods"));
    assert!(!shows(&metrics, "certificate_pods_current"));
}
