//! What a `CoturnCertificate` reports. It changes only when a fact changes: no heartbeat times.
//!
//! All of it is derived, so what cannot be read of it is left out: another version may have written
//! it, and a resource whose status is not understood must be served all the same.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Partner, Trigger};

/// Status of a `CoturnCertificate`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CoturnCertificateStatus {
    /// The generation that this status speaks of.
    #[serde(
        default,
        deserialize_with = "crate::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub observed_generation: Option<i64>,
    /// Ready, Issued, Published, RolledOut, Verified, PartnerAccepted, Reconciling, Stalled.
    #[serde(
        default,
        deserialize_with = "crate::lenient::elements",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The certificate in service.
    #[serde(
        default,
        deserialize_with = "crate::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub certificate: Option<CertificateStatus>,
    /// The authority that the CA Secret holds; absent where there is none.
    #[serde(
        default,
        deserialize_with = "crate::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub authority: Option<AuthorityStatus>,
    /// How far the workload's pods are on the certificate in service.
    #[serde(
        default,
        deserialize_with = "crate::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub rollout: Option<RolloutStatus>,
    /// What the federation partners make of the certificate in service.
    #[serde(
        default,
        deserialize_with = "crate::lenient::elements",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 8))]
    pub partners: Vec<PartnerStatus>,
    /// The last ten issuances, newest first.
    #[serde(
        default,
        deserialize_with = "crate::lenient::elements",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 10))]
    pub history: Vec<HistoryEntry>,
    /// How many certificates in a row were taken back, as pods broke with them; absent where none was, and once
    /// every pod is on a later one.
    #[serde(
        default,
        deserialize_with = "crate::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub failed_attempts: Option<u32>,
    /// When another certificate is issued in place of the last of these; absent once it is.
    #[serde(
        default,
        deserialize_with = "crate::lenient::or_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub next_attempt_time: Option<Time>,
}

/// A certificate in service.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// Serial number, lower-case hex.
    pub serial_number: String,
    /// SHA-256 of the leaf's DER encoding, lower-case hex.
    pub fingerprint: String,
    /// The same as SDP's attribute `fingerprint` has it (RFC 8122): `sha-256 AB:CD:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_fingerprint: Option<String>,
    /// The issuer's name (RFC 4514).
    pub issuer: String,
    /// Valid from.
    pub not_before: Time,
    /// Valid until.
    pub not_after: Time,
    /// When it will be renewed.
    pub renewal_time: Time,
    /// DNS names of its subjectAltName.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// IP addresses of its subjectAltName.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// Algorithm and size of its key, as `ECDSA-256`.
    pub key_algorithm: String,
}

/// An authority that can sign.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityStatus {
    /// The subject of the certificate that signs (RFC 4514).
    pub subject: String,
    /// SHA-256 of the root's DER encoding, lower-case hex: what the partner trusts.
    pub root_fingerprint: String,
    /// When the first certificate of the authority's chain expires.
    pub not_after: Time,
}

/// How far a workload is on a certificate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// SHA-256 of the leaf that the pods should serve, lower-case hex.
    pub fingerprint: String,
    /// When it was published, by the API server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When every pod was on it for the first time, by the API server's clock: from then on a pod that
    /// breaks is no reason to take the certificate back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Pods that are current.
    pub current: i32,
    /// Pods there should be.
    pub total: i32,
    /// Up to sixteen pods that are not current, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_current: Vec<PodNotCurrent>,
}

/// A pod that does not serve the certificate in service, as far as is known.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodNotCurrent {
    /// Name of the pod.
    pub pod: String,
    /// What is known of it.
    pub reason: String,
}

/// What a federation partner makes of the certificate in service.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PartnerStatus {
    /// As specified.
    #[schemars(length(max = 253))]
    pub host: String,
    /// As specified.
    pub port: u16,
    /// A reason of the condition PartnerAccepted, for this partner alone.
    #[schemars(length(max = 63))]
    pub result: String,
}

impl PartnerStatus {
    /// Whether it speaks of this partner.
    #[must_use]
    pub fn is_of(&self, partner: &Partner) -> bool {
        self.host == partner.host && self.port == partner.port
    }
}

/// One line of a certificate's history.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// When, by the operator's clock.
    pub time: Time,
    /// What happened: `Issued`, `Adopted`, `Recovered`, `Lost` or `RolledBack`.
    // No enum in the schema: an operator that tells of more must be able to write it under the
    // CustomResourceDefinition of an earlier version.
    #[schemars(with = "String", length(max = 63))]
    pub what: HistoryEvent,
    /// Why it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Trigger>,
    /// Serial number of the certificate, lower-case hex.
    pub serial_number: String,
}

/// What a line of a certificate's history tells.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryEvent {
    /// A certificate was signed.
    Issued,
    /// The certificate of a Secret that somebody else made was taken over.
    Adopted,
    /// The store was lost, or older than the published Secret, and took up what that holds.
    Recovered,
    /// The certificate was in service, and the store does not have it any more.
    Lost,
    /// The certificate was put back into service, as pods broke with its successor or somebody asked
    /// for it.
    RolledBack,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::CoturnCertificate;

    /// The status of a resource, as it is read from the API server.
    fn read(status: &Value) -> CoturnCertificateStatus {
        let object = json!({
            "apiVersion": "coturncert.dev/v1alpha1",
            "kind": "CoturnCertificate",
            "metadata": {"name": "coturn"},
            "spec": {"issuer": {"ca": {"secretName": "ca"}}, "dnsNames": ["a.example.com"]},
            "status": status,
        });
        let object: CoturnCertificate = serde_json::from_value(object).unwrap();
        object.status.unwrap()
    }

    fn entry(what: &str, reason: &str, serial: &str) -> Value {
        json!({"time": "2026-01-01T00:00:00Z", "what": what, "reason": reason, "serialNumber": serial})
    }

    #[test]
    fn entries_of_a_later_version_are_left_out_of_the_history() {
        let status = read(&json!({
            "observedGeneration": 3,
            "history": [
                entry("Revoked", "Renewing", "1"),
                entry("Issued", "Foreseen", "2"),
                entry("Issued", "Renewing", "3"),
            ],
        }));
        let serials: Vec<_> = status
            .history
            .iter()
            .map(|entry| &entry.serial_number)
            .collect();
        assert_eq!(serials, ["3"]);
        assert_eq!(status.observed_generation, Some(3));
    }

    #[test]
    fn what_cannot_be_read_harms_nothing_beside_it() {
        let never = "9999-12-31T23:59:59Z";
        let condition = |kind: &str, time: &str| {
            json!({
                "type": kind, "status": "True", "reason": "Ready", "message": "",
                "lastTransitionTime": time,
            })
        };
        let status = read(&json!({
            "observedGeneration": "three",
            "conditions": [condition("Ready", "2026-01-01T00:00:00Z"), condition("Issued", never)],
            "certificate": {"notAfter": never},
            "authority": {"subject": "CN=ca", "rootFingerprint": "ab", "notAfter": "2027-01-01T00:00:00Z"},
            "rollout": {"current": "one"},
            "history": "none",
        }));
        let kinds: Vec<_> = status
            .conditions
            .iter()
            .map(|it| it.type_.as_str())
            .collect();
        assert_eq!(kinds, ["Ready"]);
        assert!(status.authority.is_some());
        assert!(status.certificate.is_none() && status.rollout.is_none());
        assert!(status.history.is_empty() && status.observed_generation.is_none());
    }
}
