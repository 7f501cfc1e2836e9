//! What a resource asks for, parsed once: everything later works with [`Wanted`].

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::{
    Content, CoturnCertificateSpec, Coverage, InvalidKey, Issuer, OnFailure, OrdinalNames,
    PrivateKeyAlgorithm, RolloutStrategy, SecretAdoptionPolicy, SecretTemplate, Usage, Verifying,
    WorkloadRef, names,
};

/// A resource's specification with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Who signs.
    pub issuer: Issuer,
    /// What the next certificate shall contain, but for the names by ordinal.
    pub content: Content,
    /// The names by ordinal; which ordinals there are, the workload tells.
    pub ordinals: Option<OrdinalNames>,
    /// Where the common name in it comes from.
    pub common_name: CommonName,
    /// How long it shall be valid.
    pub duration: SignedDuration,
    /// How long before its end it shall be renewed.
    pub renew_before: SignedDuration,
    /// Name of the published Secret.
    pub secret_name: String,
    /// Labels and annotations of the published Secret.
    pub secret_template: SecretTemplate,
    /// What to do with a Secret of that name that somebody else made.
    pub adoption: SecretAdoptionPolicy,
    /// The workload to bring onto the certificate.
    pub workload: Option<WorkloadRef>,
    /// How to do that.
    pub strategy: RolloutStrategy,
    /// What to do when that breaks pods.
    pub on_failure: OnFailure,
    /// How to find out what pods serve, and who accepts it.
    pub verifying: Verifying,
    /// Write nothing.
    pub suspend: bool,
}

/// Where a common name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommonName {
    /// `spec.commonName` gives it: a certificate must bear that one.
    Specified,
    /// It is the first DNS name, or stands in where there is none, for want of another.
    /// `spec.dnsNames` is a set: a certificate that bears another name of it, or none, is as good.
    Default,
}

/// A specification that the API server's validation should have refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpecError {
    /// No issuer is named.
    #[error("spec.issuer names no issuer; set spec.issuer.ca.secretName or spec.issuer.selfSigned")]
    NoIssuer,
    /// More than one is named.
    #[error("spec.issuer names two issuers; remove spec.issuer.ca or spec.issuer.selfSigned")]
    TwoIssuers,
    /// The key's size does not exist.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// An address cannot be parsed.
    #[error("spec.ipAddresses holds `{0}`, which is no IP address")]
    IpAddress(String),
    /// Nothing names the server.
    #[error("spec names no server; set spec.dnsNames or spec.ipAddresses")]
    NoNames,
    /// Names by ordinal that cannot be.
    #[error("spec.ordinalDNSNames is impossible: {0}")]
    Ordinals(&'static str),
    /// Usages that make no certificate for TLS, or that the key cannot have.
    #[error("spec.usages is impossible: {0}")]
    Usages(&'static str),
    /// What is to be verified, and cannot be.
    #[error("spec.verification is impossible: {0}")]
    Verification(&'static str),
    /// A label or annotation of the template belongs to the operator.
    #[error("spec.secretTemplate holds `{0}`, which belongs to the operator; remove it")]
    TemplateKey(String),
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
    /// Fills in the defaults and checks again what the schema checks, so that a resource that was
    /// stored under another schema does no harm. The form of names and of the subject is left to
    /// who encodes them, the form of labels and annotations to the API server.
    pub fn parse(spec: &CoturnCertificateSpec) -> Result<Self, SpecError> {
        let issuer = Issuer::parse(&spec.issuer)?;
        let duration = match spec.duration {
            Some(value) => duration("duration", value)?,
            None => issuer.default_duration(),
        };
        Ok(Self {
            content: content(spec, &issuer)?,
            ordinals: OrdinalNames::of(spec)?,
            common_name: match spec.common_name {
                Some(_) => CommonName::Specified,
                None => CommonName::Default,
            },
            renew_before: renew_before(spec.renew_before, duration)?,
            secret_name: secret_name(spec, &issuer)?,
            duration,
            issuer,
            secret_template: secret_template(spec)?,
            adoption: spec.secret_adoption_policy,
            workload: spec.workload_ref.clone(),
            strategy: spec.rollout.strategy,
            on_failure: spec.rollout.on_failure,
            verifying: Verifying::of(spec)?,
            suspend: spec.suspend,
        })
    }

    /// Whether a certificate with this content is as specified, whoever signed it.
    #[must_use]
    pub fn is_satisfied_by(&self, found: &Content) -> bool {
        let Content {
            dns_names,
            ip_addresses,
            common_name,
            subject,
            usages,
            key,
        } = &self.content;
        let is_wanted_name = |name: &String| dns_names.contains(&name.to_ascii_lowercase());
        let common_name = match self.common_name {
            CommonName::Specified => found.common_name == *common_name,
            CommonName::Default => {
                found.common_name == *common_name
                    || found.common_name.as_ref().is_none_or(is_wanted_name)
            }
        };
        common_name
            && found.dns_names == *dns_names
            && found.ip_addresses == *ip_addresses
            && found.subject == *subject
            && found.usages == *usages
            && found.key == *key
    }

    /// Whether a certificate that somebody else made serves until its renewal: it may hold more than
    /// what is asked for, and its key may be of the other algorithm.
    #[must_use]
    pub fn is_covered_by(&self, found: &Coverage) -> bool {
        found.dns_names.is_superset(&self.content.dns_names)
            && found.ip_addresses.is_superset(&self.content.ip_addresses)
            && found.usages.is_superset(&self.content.usages)
            && found
                .key
                .is_some_and(|key| key.is_as_strong_as(self.content.key))
    }
}

fn content(spec: &CoturnCertificateSpec, issuer: &Issuer) -> Result<Content, SpecError> {
    let names_none = spec.dns_names.is_empty() && spec.ip_addresses.is_empty();
    let is_nameless = names_none && spec.ordinal_dns_names.is_none();
    if is_nameless && *issuer != Issuer::SelfSigned {
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
            .or_else(|| default_common_name(spec, issuer)),
        subject: spec.subject.clone(),
        usages: usages(spec)?,
        key: spec.private_key.kind()?,
    })
}

fn usages(spec: &CoturnCertificateSpec) -> Result<BTreeSet<Usage>, SpecError> {
    let usages: BTreeSet<_> = spec.usages.iter().copied().collect();
    let is_rsa = spec.private_key.algorithm == PrivateKeyAlgorithm::Rsa;
    let impossible = if !usages.contains(&Usage::DigitalSignature) {
        "it lacks digital signature, which every ECDHE handshake needs"
    } else if !usages.contains(&Usage::ServerAuth) && !usages.contains(&Usage::ClientAuth) {
        "it has neither server auth nor client auth"
    } else if usages.contains(&Usage::KeyEncipherment) && !is_rsa {
        "key encipherment needs privateKey.algorithm RSA"
    } else if usages.contains(&Usage::KeyAgreement) && is_rsa {
        "key agreement needs privateKey.algorithm ECDSA"
    } else {
        return Ok(usages);
    };
    Err(SpecError::Usages(impossible))
}

fn secret_template(spec: &CoturnCertificateSpec) -> Result<SecretTemplate, SpecError> {
    let template = &spec.secret_template;
    let is_ours = |key: &&String| key.contains(names::PREFIX);
    let is_our_label = |key: &&String| is_ours(key) || *key == names::MANAGED_BY_LABEL;
    let mut ours = template.labels.keys().filter(is_our_label);
    match ours.next().or(template.annotations.keys().find(is_ours)) {
        Some(key) => Err(SpecError::TemplateKey(key.clone())),
        None => Ok(template.clone()),
    }
}

fn default_common_name(spec: &CoturnCertificateSpec, issuer: &Issuer) -> Option<String> {
    let first = spec.dns_names.first().map(|name| name.to_ascii_lowercase());
    first
        .filter(|name| fits_a_common_name(name))
        .or_else(|| issuer.stand_in(&spec.secret_name))
}

pub(crate) fn fits_a_common_name(name: &str) -> bool {
    name.chars().count() <= MAX_COMMON_NAME
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

fn secret_name(spec: &CoturnCertificateSpec, issuer: &Issuer) -> Result<String, SpecError> {
    let name = &spec.secret_name;
    if issuer.ca_secret() == Some(name.as_str()) || name.ends_with(names::STORE_SUFFIX) {
        return Err(SpecError::SecretName(name.clone()));
    }
    Ok(name.clone())
}

#[cfg(test)]
mod tests;
