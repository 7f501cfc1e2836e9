//! Who signs, parsed from the resource: exactly one, and what depends on which one it is.

use jiff::SignedDuration;

use crate::{IssuerSource, Signer, SpecError};

/// Who signs a resource's certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// An authority.
    Ca {
        /// Name of the CA Secret.
        secret: String,
    },
    /// Each certificate itself.
    SelfSigned,
}

impl Issuer {
    pub(crate) fn parse(source: &IssuerSource) -> Result<Self, SpecError> {
        match (&source.ca, &source.self_signed) {
            (Some(ca), None) => Ok(Self::Ca {
                secret: ca.secret_name.clone(),
            }),
            (None, Some(_)) => Ok(Self::SelfSigned),
            (None, None) => Err(SpecError::NoIssuer),
            (Some(_), Some(_)) => Err(SpecError::TwoIssuers),
        }
    }

    /// The CA Secret, if there is one.
    #[must_use]
    pub fn ca_secret(&self) -> Option<&str> {
        match self {
            Self::Ca { secret } => Some(secret),
            Self::SelfSigned => None,
        }
    }

    /// Whose key its certificates are signed by.
    #[must_use]
    pub const fn signer(&self) -> Signer {
        match self {
            Self::Ca { .. } => Signer::Another,
            Self::SelfSigned => Signer::Itself,
        }
    }

    /// The common name where nothing else gives one: the published Secret's name, which never
    /// changes, if the subject is the issuer's name too, and so must not be empty (RFC 5280, section
    /// 4.1.2.4).
    pub(crate) fn stand_in(&self, published: &str) -> Option<String> {
        match self {
            Self::Ca { .. } => None,
            Self::SelfSigned => Some(published.to_owned()),
        }
    }

    /// How long its certificates are valid where the resource does not say.
    pub(crate) const fn default_duration(&self) -> SignedDuration {
        match self {
            Self::Ca { .. } => SignedDuration::from_hours(365 * 24),
            Self::SelfSigned => SignedDuration::from_hours(30 * 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{CoturnCertificateSpec, Wanted};

    /// A self-signed certificate without any word more than `extra`.
    fn spec(extra: &Value) -> CoturnCertificateSpec {
        let mut spec = json!({"issuer": {"selfSigned": {}}});
        let extra = extra.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(extra);
        serde_json::from_value(spec).unwrap()
    }

    fn wanted(extra: &Value) -> Result<Wanted, SpecError> {
        Wanted::parse(&spec(extra))
    }

    fn common_name(extra: &Value) -> Option<String> {
        wanted(extra).unwrap().content.common_name
    }

    #[test]
    fn a_self_signed_certificate_needs_no_word_more_and_is_valid_for_30_days() {
        let wanted = wanted(&json!({})).unwrap();
        assert_eq!(wanted.issuer, Issuer::SelfSigned);
        assert_eq!(wanted.issuer.ca_secret(), None);
        assert_eq!(wanted.duration, SignedDuration::from_hours(720));
        assert_eq!(wanted.renew_before, SignedDuration::from_hours(240));
        assert!(wanted.content.dns_names.is_empty() && wanted.content.ip_addresses.is_empty());
    }

    #[test]
    fn a_duration_asked_for_is_that_of_either_issuer() {
        let ca = json!({"ca": {"secretName": "coturn-ca"}});
        for issuer in [ca, json!({"selfSigned": {}})] {
            let names = json!(["a.example.com"]);
            let asked = json!({"issuer": issuer, "dnsNames": names, "duration": "2160h"});
            let asked = wanted(&asked).unwrap();
            assert_eq!(asked.duration, SignedDuration::from_hours(2160));
        }
    }

    #[test]
    fn renew_before_is_measured_by_the_issuers_own_duration() {
        let error = wanted(&json!({"renewBefore": "720h"})).unwrap_err();
        assert!(error.to_string().contains("spec.renewBefore"), "{error}");
        wanted(&json!({"renewBefore": "719h"})).unwrap();
    }

    #[test]
    fn the_secrets_name_stands_in_for_a_common_name_that_no_other_name_gives() {
        let long = format!("{}.example.com", "a".repeat(60));
        for (extra, expected) in [
            (json!({}), "coturn-dtls-certificate"),
            (json!({"secretName": "tls"}), "tls"),
            (
                json!({"ipAddresses": ["10.0.0.1"]}),
                "coturn-dtls-certificate",
            ),
            (json!({"dnsNames": [long]}), "coturn-dtls-certificate"),
            (json!({"dnsNames": ["A.example.com"]}), "a.example.com"),
            (json!({"commonName": "coturn"}), "coturn"),
        ] {
            assert_eq!(common_name(&extra).as_deref(), Some(expected), "{extra}");
        }
    }

    #[test]
    fn a_common_name_that_stands_in_satisfies_what_asked_for_it() {
        let long = format!("{}.example.com", "a".repeat(60));
        for extra in [json!({}), json!({"dnsNames": [long]})] {
            let asked = wanted(&extra).unwrap();
            assert!(asked.is_satisfied_by(&asked.content), "{extra}");
        }
    }

    #[test]
    fn two_issuers_are_one_too_many() {
        let both = json!({"issuer": {"ca": {"secretName": "coturn-ca"}, "selfSigned": {}}});
        assert_eq!(wanted(&both), Err(SpecError::TwoIssuers));
    }
}
