//! What a resource asks for, parsed once: everything later works with [`Wanted`].

use std::{collections::BTreeSet, net::IpAddr};

use jiff::SignedDuration;

use crate::{
    CoturnCertificateSpec, InvalidKey, KeyKind, RolloutStrategy, SecretTemplate, Subject, Usage,
    WorkloadRef,
};

/// Everything in a leaf certificate that a resource decides. Two certificates of equal content
/// serve the same purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Names of the subjectAltName, lower case.
    pub dns_names: BTreeSet<String>,
    /// Addresses of the subjectAltName.
    pub ip_addresses: BTreeSet<IpAddr>,
    /// Common name of the subject.
    pub common_name: Option<String>,
    /// Further attributes of the subject.
    pub subject: Subject,
    /// Key usages and extended key usages.
    pub usages: BTreeSet<Usage>,
    /// Algorithm and size of the key.
    pub key: KeyKind,
}

/// A resource's specification with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Name of the CA Secret.
    pub authority_secret: String,
    /// What the certificate shall contain.
    pub content: Content,
    /// How long it shall be valid.
    pub duration: SignedDuration,
    /// How long before its end it shall be renewed.
    pub renew_before: SignedDuration,
    /// Name of the published Secret.
    pub secret_name: String,
    /// Labels and annotations of the published Secret.
    pub secret_template: SecretTemplate,
    /// The workload to bring onto the certificate.
    pub workload: Option<WorkloadRef>,
    /// How to do that.
    pub strategy: RolloutStrategy,
    /// Write nothing.
    pub suspend: bool,
}

/// A specification that the API server's validation should have refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpecError {
    /// No issuer is named.
    #[error("spec.issuer names no issuer; set spec.issuer.ca.secretName")]
    NoIssuer,
    /// The key's size does not exist.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// An address cannot be parsed.
    #[error("spec.ipAddresses holds `{0}`, which is no IP address")]
    IpAddress(String),
    /// Nothing names the server.
    #[error("spec names no server; set spec.dnsNames or spec.ipAddresses")]
    NoNames,
    /// A duration is out of range.
    #[error("spec.{field} is {value}; it must be {rule}")]
    Duration {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// The published Secret would be overwritten with another role.
    #[error("spec.secretName is `{0}`, the name of the CA Secret or of a store; choose another")]
    SecretName(String),
}

const DEFAULT_RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);
const MIN_DURATION: SignedDuration = SignedDuration::from_hours(1);

/// Longest common name (RFC 5280, ub-common-name), in characters.
const MAX_COMMON_NAME: usize = 64;

impl Wanted {
    /// Fills in the defaults and checks what the schema also checks, so that a resource that was
    /// stored under another schema does no harm.
    pub fn parse(spec: &CoturnCertificateSpec) -> Result<Self, SpecError> {
        let ca = spec.issuer.ca.as_ref().ok_or(SpecError::NoIssuer)?;
        let duration = duration("duration", spec.duration)?;
        Ok(Self {
            content: content(spec)?,
            renew_before: renew_before(spec.renew_before, duration)?,
            secret_name: secret_name(spec, &ca.secret_name)?,
            duration,
            authority_secret: ca.secret_name.clone(),
            secret_template: spec.secret_template.clone(),
            workload: spec.workload_ref.clone(),
            strategy: spec.rollout.strategy,
            suspend: spec.suspend,
        })
    }
}

fn content(spec: &CoturnCertificateSpec) -> Result<Content, SpecError> {
    if spec.dns_names.is_empty() && spec.ip_addresses.is_empty() {
        return Err(SpecError::NoNames);
    }
    let address = |text: &String| text.parse().map_err(|_| SpecError::IpAddress(text.clone()));
    Ok(Content {
        dns_names: spec
            .dns_names
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect(),
        ip_addresses: spec
            .ip_addresses
            .iter()
            .map(address)
            .collect::<Result<_, _>>()?,
        common_name: spec
            .common_name
            .clone()
            .or_else(|| default_common_name(&spec.dns_names)),
        subject: spec.subject.clone(),
        usages: spec.usages.iter().copied().collect(),
        key: spec.private_key.kind()?,
    })
}

fn default_common_name(dns_names: &[String]) -> Option<String> {
    dns_names
        .first()
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| name.chars().count() <= MAX_COMMON_NAME)
}

fn duration(field: &'static str, value: kube::core::Duration) -> Result<SignedDuration, SpecError> {
    let refuse = || SpecError::Duration {
        field,
        value: value.to_string(),
        rule: "at least 1h and at most 876000h (100 years)",
    };
    let duration =
        SignedDuration::try_from(std::time::Duration::from(value)).map_err(|_| refuse())?;
    let allowed = MIN_DURATION..=SignedDuration::from_hours(876_000);
    if value.is_negative() || !allowed.contains(&duration) {
        return Err(refuse());
    }
    Ok(duration)
}

fn renew_before(
    value: Option<kube::core::Duration>,
    duration: SignedDuration,
) -> Result<SignedDuration, SpecError> {
    let Some(value) = value else {
        return Ok(DEFAULT_RENEW_BEFORE.min(duration / 3));
    };
    let refuse = || SpecError::Duration {
        field: "renewBefore",
        value: value.to_string(),
        rule: "positive and shorter than spec.duration",
    };
    let renew_before =
        SignedDuration::try_from(std::time::Duration::from(value)).map_err(|_| refuse())?;
    if value.is_negative() || renew_before.is_zero() || renew_before >= duration {
        return Err(refuse());
    }
    Ok(renew_before)
}

fn secret_name(spec: &CoturnCertificateSpec, ca: &str) -> Result<String, SpecError> {
    let name = &spec.secret_name;
    if name == ca || name.ends_with(crate::names::STORE_SUFFIX) {
        return Err(SpecError::SecretName(name.clone()));
    }
    Ok(name.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(extra: &Value) -> CoturnCertificateSpec {
        let mut spec = json!({
            "issuer": {"ca": {"secretName": "coturn-ca"}},
            "dnsNames": ["coturn.example.com"],
        });
        let extra = extra.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(extra);
        serde_json::from_value(spec).unwrap()
    }

    fn wanted(extra: &Value) -> Result<Wanted, SpecError> {
        Wanted::parse(&spec(extra))
    }

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let wanted = wanted(&json!({})).unwrap();
        assert_eq!(wanted.secret_name, "coturn-dtls-certificate");
        assert_eq!(wanted.duration, SignedDuration::from_hours(8760));
        assert_eq!(wanted.renew_before, SignedDuration::from_hours(720));
        assert_eq!(
            wanted.content.common_name.as_deref(),
            Some("coturn.example.com")
        );
        assert_eq!(wanted.content.usages, Usage::DEFAULT.into());
        assert_eq!(wanted.content.key, KeyKind::EcdsaP256);
        assert_eq!(wanted.strategy, RolloutStrategy::RollingRestart);
    }

    #[test]
    fn a_short_certificate_is_renewed_at_a_third_left() {
        let wanted = wanted(&json!({"duration": "30h"})).unwrap();
        assert_eq!(wanted.renew_before, SignedDuration::from_hours(10));
    }

    #[test]
    fn a_first_name_too_long_for_a_common_name_leaves_it_out() {
        let name = format!("{}.example.com", "a".repeat(60));
        let wanted = wanted(&json!({"dnsNames": [name]})).unwrap();
        assert_eq!(wanted.content.common_name, None);
    }

    #[test]
    fn what_the_schema_should_have_refused_is_refused_by_name() {
        let cases = [
            (json!({"dnsNames": []}), "spec names no server"),
            (
                json!({"ipAddresses": ["10.0.0"]}),
                "`10.0.0`, which is no IP address",
            ),
            (json!({"duration": "5m"}), "spec.duration is 300s"),
            (json!({"renewBefore": "8760h"}), "spec.renewBefore"),
            (json!({"renewBefore": "0s"}), "spec.renewBefore"),
            (
                json!({"secretName": "coturn-ca"}),
                "the name of the CA Secret",
            ),
            (
                json!({"secretName": "x-coturn-cert-store"}),
                "or of a store",
            ),
            (
                json!({"privateKey": {"algorithm": "RSA", "size": 256}}),
                "spec.privateKey.size 256",
            ),
            (json!({"issuer": {}}), "spec.issuer names no issuer"),
        ];
        for (extra, expected) in cases {
            let error = wanted(&extra).unwrap_err().to_string();
            assert!(error.contains(expected), "{extra}: {error}");
        }
    }
}
