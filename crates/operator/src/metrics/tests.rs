//! What is shown, and what is not any more.

use api::{Endpoint, Protocol, RolloutStrategy};
use jiff::SignedDuration;
use k8s_openapi::{
    api::core::v1::{Pod, PodTemplateSpec},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use plan::{
    publication::{Held, Publication, PublicationLog},
    rollout::{Assurance, Proofs, Shown},
};
use serde_json::json;

use super::*;
use crate::{certificate::testing, workload::read};

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

fn minute(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
}

fn endpoint() -> Endpoint {
    Endpoint {
        protocol: Protocol::Dtls,
        port: 9191,
        address: None,
    }
}

/// A workload of these pods, none of which is ending.
fn live(pods: &[&str]) -> Live {
    let pod = |name: &&str| {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": name, "uid": name}})).unwrap();
        read::pod(&pod, "revision")
    };
    Live {
        pods: pods.iter().map(pod).collect(),
        ..read::common(&ObjectMeta::default(), &PodTemplateSpec::default(), None)
    }
}

/// A certificate that is dialled, published in the first minute, of which this is known.
fn mounted(leaf: Fingerprint, proofs: Proofs) -> Mounted {
    Mounted {
        certificate: "coturn".to_owned(),
        secret: "tls".to_owned(),
        current: leaf,
        log: PublicationLog::starting_with(Publication {
            held: Held::Leaf(leaf),
            from: minute(0),
        }),
        strategy: RolloutStrategy::Reload,
        predecessors: Vec::new(),
        assurance: Assurance {
            endpoints: vec![endpoint()],
            proofs,
            ..Assurance::default()
        },
    }
}

#[test]
fn a_pod_that_is_cut_off_is_unproven_from_then_on() {
    let (live, leaf) = (live(&["a", "b", "c"]), Fingerprint::from_digest([1; 32]));
    let mut proofs = Proofs::default();
    let pods: Vec<_> = live
        .pods
        .iter()
        .map(|pod| pod.incarnation.clone())
        .collect();
    proofs.note(&pods[0], &endpoint(), Shown::Leaf(leaf), minute(1));
    proofs.note(&pods[1], &endpoint(), Shown::Leaf(leaf), minute(1));
    let count = |proofs: &Proofs| unproven(&live, &mounted(leaf, proofs.clone()));
    assert_eq!(count(&proofs), 1);
    let silence = Shown::Silence("no answer".to_owned());
    proofs.note(&pods[0], &endpoint(), silence, minute(2));
    assert_eq!(count(&proofs), 2);
    assert_eq!(proofs.oldest_of(leaf), Some(minute(1)));
}
