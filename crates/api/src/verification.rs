//! How it is found out what pods really serve, and whether the federation's partner accepts it.

use std::{fmt, net::IpAddr};

use jiff::SignedDuration;
use kube::{KubeSchema, core::Duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{CoturnCertificateSpec, RolloutStrategy, SpecError};

/// Handshakes that prove what is served, and who accepts it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[x_kube(validation = ("size(self.endpoints) + size(self.partners) > 0", "verification must name endpoints or partners: without any nothing is verified"))]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Where each pod of the workload is dialled, after a rollout and every interval.
    #[serde(default)]
    #[schemars(length(max = 4))]
    pub endpoints: Vec<Endpoint>,
    /// Federation partners who are asked whether they accept the certificate, at each renewal before it
    /// is published, and every interval.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub partners: Vec<Partner>,
    /// How often, from 1m to 168h; default 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "interval")]
    pub interval: Option<Duration>,
}

/// A listener of each pod.
#[derive(
    Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// DTLS (default) or TLS.
    #[serde(default)]
    pub protocol: Protocol,
    /// Its port: UDP for DTLS, TCP for TLS.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Its IP address; default: the pod's. For a workload with one pod only, as one on the network of
    /// its host that listens on another address. No loopback, link-local or multicast address: those
    /// lead to the operator's own pod or node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "address")]
    pub address: Option<IpAddr>,
}

/// What a listener speaks.
#[derive(
    Serialize,
    Deserialize,
    JsonSchema,
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
)]
pub enum Protocol {
    /// DTLS 1.2 over UDP (RFC 6347).
    #[default]
    #[serde(rename = "DTLS")]
    Dtls,
    /// TLS 1.2 or 1.3 over TCP.
    #[serde(rename = "TLS")]
    Tls,
}

/// The federation listener of a partner.
#[derive(
    Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct Partner {
    /// A DNS name, which the partner's certificate must bear, or an IP address.
    #[schemars(schema_with = "host")]
    pub host: String,
    /// Its UDP port; default 9191.
    #[serde(default = "federation_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// What is done when pods break with a certificate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum OnFailure {
    /// Publish the certificate before again and restart the pods that took the new one up; another is
    /// issued an hour later, then ever more rarely.
    #[default]
    Rollback,
    /// Leave everything as it is and say so.
    Hold,
}

/// Which handshakes prove what is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifying {
    /// Where each pod is dialled.
    pub endpoints: Vec<Endpoint>,
    /// Who else is asked.
    pub partners: Vec<Partner>,
    /// How often.
    pub interval: SignedDuration,
}

impl Default for Verifying {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            partners: Vec::new(),
            interval: SignedDuration::from_hours(24),
        }
    }
}

impl Verifying {
    /// What a specification asks for, checked again as far as another schema may have let it pass.
    pub(crate) fn of(spec: &CoturnCertificateSpec) -> Result<Self, SpecError> {
        let asked = spec.verification.clone().unwrap_or_default();
        if spec.rollout.strategy == RolloutStrategy::Reload && asked.endpoints.is_empty() {
            return Err(SpecError::Verification(
                "rollout.strategy Reload needs endpoints, as nothing but a handshake proves that coturn has reloaded",
            ));
        }
        if !asked.endpoints.is_empty() && spec.workload_ref.is_none() {
            return Err(SpecError::Verification(
                "endpoints need a workloadRef, whose pods are dialled",
            ));
        }
        let mut addresses = asked.endpoints.iter().filter_map(|it| it.address);
        if !addresses.all(is_global_unicast) {
            return Err(SpecError::Verification(
                "an endpoint's address is a loopback, link-local, multicast or unspecified one",
            ));
        }
        let interval = asked.interval.map(parsed).transpose()?;
        Ok(Self {
            endpoints: asked.endpoints,
            partners: asked.partners,
            interval: interval.unwrap_or(Self::default().interval),
        })
    }
}

/// As `isGlobalUnicast()` of the API server's CEL has it: private addresses are, though not globally
/// routed.
fn is_global_unicast(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let is_local = v4.is_loopback() || v4.is_link_local();
            let is_for_many = v4.is_multicast() || v4.is_broadcast();
            !(is_local || is_for_many || v4.is_unspecified())
        }
        IpAddr::V6(v6) => {
            let is_local = v6.is_loopback() || v6.is_unicast_link_local();
            !(is_local || v6.is_multicast() || v6.is_unspecified())
        }
    }
}

fn parsed(interval: Duration) -> Result<SignedDuration, SpecError> {
    let allowed = SignedDuration::from_mins(1)..=SignedDuration::from_hours(168);
    let parsed = SignedDuration::try_from(std::time::Duration::from(interval)).ok();
    parsed
        .filter(|parsed| !interval.is_negative() && allowed.contains(parsed))
        .ok_or_else(|| SpecError::Duration {
            field: "verification.interval",
            value: interval.to_string(),
            rule: "at least 1m and at most 168h",
        })
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.protocol {
            Protocol::Dtls => "DTLS, UDP port",
            Protocol::Tls => "TLS, TCP port",
        };
        write!(f, "{transport} {}", self.port)
    }
}

impl fmt::Display for Partner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse() {
            Ok(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Ok(IpAddr::V4(_)) | Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

const fn federation_port() -> u16 {
    9191
}

fn interval(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": 32, "pattern": "^([0-9]+(\\.[0-9]+)?(h|m|s))+$",
        "x-kubernetes-validations": [
            {"rule": "duration(self) >= duration('1m') && duration(self) <= duration('168h')", "message": "interval must be at least 1m and at most 168h"},
        ],
    })
}

fn address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": 45,
        "x-kubernetes-validations": [
            {"rule": "isIP(self)", "message": "address must be an IPv4 or IPv6 address"},
            {"rule": "!isIP(self) || ip(self).isGlobalUnicast()", "message": "address must not be a loopback, link-local, multicast or unspecified address"},
        ],
    })
}

fn host(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": 253,
        "x-kubernetes-validations": [
            {"rule": "isIP(self) || !format.dns1123Subdomain().validate(self.lowerAscii()).hasValue()", "message": "host must be a DNS name or an IP address"},
        ],
    })
}
