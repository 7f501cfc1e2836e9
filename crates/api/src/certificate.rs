//! The resource `CoturnCertificate`.

use std::{collections::BTreeMap, fmt};

use kube::{CustomResource, KubeSchema, core::Duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{CoturnCertificateStatus, OnFailure, OrdinalDnsNames, PrivateKey, Usage, Verification};

/// A certificate for the coturn servers of one workload: signed by an authority, published in a
/// Secret, rolled out to every pod, renewed ahead of its expiry.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "coturncert.dev",
    version = "v1alpha1",
    kind = "CoturnCertificate",
    namespaced,
    status = "CoturnCertificateStatus",
    derive = "PartialEq",
    shortname = "cocert",
    category = "coturn",
    doc = "A certificate for coturn servers: signed by an authority, published in a Secret, rolled out to every pod, renewed ahead of its expiry.",
    validation = ("size(self.metadata.name) <= 63", "metadata.name must be at most 63 characters: the store Secret is named after it"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".spec.secretName"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.certificate.notAfter"),
    printcolumn(name = "Renewal", type_ = "string", json_path = ".status.certificate.renewalTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Serial", type_ = "string", json_path = ".status.certificate.serialNumber", priority = "1"),
    printcolumn(name = "Issuer", type_ = "string", json_path = ".status.certificate.issuer", priority = "1"),
    printcolumn(name = "Rolled-Out", type_ = "string", json_path = ".status.conditions[?(@.type=='RolledOut')].status", priority = "1"),
    printcolumn(name = "Verified", type_ = "string", json_path = ".status.conditions[?(@.type=='Verified')].status", priority = "1")
)]
#[x_kube(
    validation = ("has(self.issuer.selfSigned) || has(self.ordinalDNSNames) || size(self.dnsNames) + size(self.ipAddresses) > 0", "set dnsNames or ipAddresses: a certificate without a name is accepted by nobody, unless it is known by its fingerprint (issuer.selfSigned)"),
    validation = ("!has(self.ordinalDNSNames) || (has(self.workloadRef) && self.workloadRef.kind == 'StatefulSet')", "ordinalDNSNames needs a workloadRef to a StatefulSet: no other workload numbers its pods"),
    validation = ("!has(self.ordinalDNSNames) || size(self.dnsNames) + (has(self.ordinalDNSNames.count) ? self.ordinalDNSNames.count : 1) <= 100", "dnsNames and ordinalDNSNames.count must be at most 100 names together"),
    validation = ("!has(self.issuer.ca) || self.secretName != self.issuer.ca.secretName", "secretName must not be the CA Secret: it would be overwritten"),
    validation = ("!self.secretName.endsWith('-coturn-cert-store')", "secretName must not end in -coturn-cert-store: such names belong to stores"),
    validation = ("!has(self.renewBefore) || duration(self.renewBefore) < duration(has(self.duration) ? self.duration : has(self.issuer.selfSigned) ? '720h' : '8760h')", "renewBefore must be shorter than duration, which is 8760h by default and 720h with issuer.selfSigned"),
    validation = ("!('key encipherment' in self.usages) || self.privateKey.algorithm == 'RSA'", "key encipherment needs privateKey.algorithm RSA"),
    validation = ("!('key agreement' in self.usages) || self.privateKey.algorithm == 'ECDSA'", "key agreement needs privateKey.algorithm ECDSA: RSA keys agree on nothing (RFC 3279, 2.3.1)"),
    validation = ("!has(self.verification) || size(self.verification.endpoints) == 0 || has(self.workloadRef)", "verification.endpoints needs a workloadRef: its pods are dialled"),
    validation = ("self.rollout.strategy != 'Reload' || (has(self.verification) && size(self.verification.endpoints) > 0)", "rollout.strategy Reload needs verification.endpoints: nothing but a handshake proves that coturn has reloaded"),
)]
#[serde(rename_all = "camelCase")]
pub struct CoturnCertificateSpec {
    /// Who signs: a CA, or nobody but the certificate itself.
    pub issuer: IssuerSource,
    /// DNS names of the subjectAltName; `*.` may stand for the first label. The federation
    /// partner's whitelist is matched against these.
    #[serde(default)]
    #[schemars(schema_with = "dns_names")]
    pub dns_names: Vec<String>,
    /// A DNS name of its own for each pod of the StatefulSet, beside dnsNames.
    #[serde(
        default,
        rename = "ordinalDNSNames",
        skip_serializing_if = "Option::is_none"
    )]
    pub ordinal_dns_names: Option<OrdinalDnsNames>,
    /// IP addresses of the subjectAltName. Wire's coturn ignores them when it checks a partner.
    #[serde(default)]
    #[schemars(schema_with = "ip_addresses")]
    pub ip_addresses: Vec<String>,
    /// Common name of the subject; default: the first DNS name, if at most 64 characters. With
    /// `issuer.selfSigned` the value of `secretName` stands in where there is no such name: the
    /// subject is the issuer as well, and that must not be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = NO_CONTROL))]
    pub common_name: Option<String>,
    /// Further attributes of the subject.
    #[serde(default)]
    pub subject: Subject,
    /// Key usages and extended key usages under cert-manager's names; default: digital signature,
    /// server auth, client auth, which is what DTLS federation needs.
    #[serde(default = "default_usages")]
    #[schemars(schema_with = "usages")]
    pub usages: Vec<Usage>,
    /// How long a certificate is valid, from 1h; default 8760h (365 days), with `issuer.selfSigned`
    /// 720h (30 days). The defaults do not change within this version of the API. A change takes
    /// effect at the next issuance. Never longer than the authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration")]
    pub duration: Option<Duration>,
    /// How long before its end a certificate is renewed; default 720h (30 days), or a third of a
    /// shorter duration. At most a third of the certificate's actual lifetime takes effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "renew_before")]
    pub renew_before: Option<Duration>,
    /// The private key; every certificate gets a fresh one.
    #[serde(default)]
    pub private_key: PrivateKey,
    /// Name of the Secret that coturn mounts: keys `tls.crt`, `tls.key`, `ca.crt`.
    #[serde(default = "default_secret_name")]
    #[schemars(schema_with = "published_secret_name")]
    #[x_kube(validation = ("self == oldSelf", "secretName cannot be changed: pods mount it; make another CoturnCertificate"))]
    pub secret_name: String,
    /// Labels and annotations of that Secret.
    #[serde(default)]
    pub secret_template: SecretTemplate,
    /// What to do with a Secret of that name that somebody else made, as Wire's chart does.
    #[serde(default)]
    pub secret_adoption_policy: SecretAdoptionPolicy,
    /// The workload whose pods mount the Secret. Absent: nothing is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_ref: Option<WorkloadRef>,
    /// How its pods are brought onto a certificate.
    #[serde(default)]
    pub rollout: Rollout,
    /// Handshakes with the pods and with federation partners. Absent: what a pod serves follows from
    /// when it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// Write nothing, only report.
    #[serde(default)]
    pub suspend: bool,
}

/// Who signs: exactly one.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = ("[has(self.ca), has(self.selfSigned)].exists_one(named, named)", "issuer must name exactly one issuer: set issuer.ca or issuer.selfSigned"))]
#[serde(rename_all = "camelCase")]
pub struct IssuerSource {
    /// A CA Secret of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaIssuer>,
    /// No CA: every certificate is signed by its own key, and known by its fingerprint alone, which
    /// another has at each renewal. Names may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "self_signed")]
    pub self_signed: Option<SelfSignedIssuer>,
}

/// An authority in a Secret: `tls.crt` (the signing certificate, then its chain), `tls.key`, and
/// optionally `ca.crt` (the root, if the chain lacks it).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CaIssuer {
    /// Name of the Secret, in the namespace of the resource.
    #[schemars(schema_with = "secret_name")]
    pub secret_name: String,
}

/// Nothing is to be provided.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
pub struct SelfSignedIssuer {}

/// Attributes of a certificate's subject beside the common name, in the order given.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// organizationName (O).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "attributes")]
    pub organizations: Vec<String>,
    /// organizationalUnitName (OU).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "attributes")]
    pub organizational_units: Vec<String>,
    /// countryName (C): two letters, ISO 3166.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "countries")]
    pub countries: Vec<String>,
    /// localityName (L).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "attributes")]
    pub localities: Vec<String>,
    /// stateOrProvinceName (ST).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "attributes")]
    pub provinces: Vec<String>,
}

/// Labels and annotations of the published Secret. What others put there is kept.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(
    validation = ("!has(self.labels) || self.labels.all(key, !key.contains('coturncert.dev/') && key != 'app.kubernetes.io/managed-by')", "secretTemplate.labels must not hold coturncert.dev/ keys or app.kubernetes.io/managed-by: they belong to the operator"),
    validation = ("!has(self.annotations) || self.annotations.all(key, !key.contains('coturncert.dev/'))", "secretTemplate.annotations must not hold coturncert.dev/ keys: they belong to the operator"),
    validation = ("!has(self.labels) || self.labels.all(key, !format.qualifiedName().validate(key).hasValue())", "secretTemplate.labels must have label keys, as example.com/team"),
    validation = ("!has(self.annotations) || self.annotations.all(key, !format.qualifiedName().validate(key.lowerAscii()).hasValue())", "secretTemplate.annotations must have annotation keys, as example.com/note"),
)]
#[serde(rename_all = "camelCase")]
pub struct SecretTemplate {
    /// Labels to set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: BTreeMap<String, String>,
    /// Annotations to set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
}

/// What to do with a Secret under the published name that the operator did not make.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SecretAdoptionPolicy {
    /// Leave it alone. Where there is none, the operator makes it.
    #[default]
    Never,
    /// Take it over if it holds a certificate with its key, and put it right whenever its maker, as
    /// Helm at each upgrade, writes it again. Its maker makes it first: the operator waits for it.
    Adopt,
}

/// A workload of the resource's namespace.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// Kind of the workload.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Name of the workload.
    #[schemars(schema_with = "secret_name")]
    pub name: String,
}

/// Kinds of workloads whose pods can be brought onto a certificate.
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
pub enum WorkloadKind {
    /// `apps/v1` StatefulSet.
    #[default]
    StatefulSet,
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` DaemonSet.
    DaemonSet,
}

impl WorkloadKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::StatefulSet, Self::Deployment, Self::DaemonSet];

    /// The name, as it stands in manifests and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StatefulSet => "StatefulSet",
            Self::Deployment => "Deployment",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How pods are brought onto a certificate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// RollingRestart (default), PodByPod, Reload or None.
    #[serde(default)]
    pub strategy: RolloutStrategy,
    /// What is done when pods break with a certificate.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// How pods are brought onto a certificate.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RolloutStrategy {
    /// Change an annotation of the pod template; Kubernetes replaces the pods, each within its
    /// termination grace period.
    #[default]
    RollingRestart,
    /// Evict one pod after the other, each once the one before is Ready and verified. Nothing in the
    /// workload is written, and PodDisruptionBudgets hold.
    PodByPod,
    /// Restart nothing as long as coturn takes the files up by itself, as the operator's sidecar
    /// `agent` or another reloader has it do. Pods that a handshake shows not to have done so in time
    /// are evicted one by one.
    Reload,
    /// Restart nothing, only report which pods are not current.
    None,
}

fn default_usages() -> Vec<Usage> {
    Usage::DEFAULT.to_vec()
}

fn default_secret_name() -> String {
    "coturn-dtls-certificate".to_owned()
}

const DNS_LABEL: &str = "[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?";
const OBJECT_NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Control characters in a subject would be shown as they are in logs and terminals.
const NO_CONTROL: &str = "^\\P{Cc}*$";

/// Not nullable: `selfSigned:` without its braces is dropped, and then no issuer is named.
fn self_signed(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}

fn dns_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 100, "x-kubernetes-list-type": "set",
        "items": {
            "type": "string", "maxLength": 253,
            "pattern": format!("^(\\*\\.)?{DNS_LABEL}(\\.{DNS_LABEL})*$"),
            "x-kubernetes-validations": [
                {"rule": "!isIP(self)", "message": "an IP address belongs into ipAddresses"},
                {"rule": "!self.matches('(^|[.])[0-9]+$')", "message": "the last label of a DNS name must not be a number: TLS libraries take the name for an IP address"},
                {"rule": "!self.startsWith('*.') || self.split('.').size() > 2", "message": "a wildcard needs two labels after it: no TLS library accepts a shorter one"},
            ],
        },
    })
}

fn ip_addresses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 100, "x-kubernetes-list-type": "set",
        "items": {"type": "string", "maxLength": 45, "x-kubernetes-validations": [
            {"rule": "isIP(self)", "message": "ipAddresses must hold IPv4 or IPv6 addresses"}
        ]},
    })
}

fn usages(generator: &mut SchemaGenerator) -> Schema {
    let usage = generator.subschema_for::<Usage>();
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": 5, "x-kubernetes-list-type": "set", "items": usage,
        "x-kubernetes-validations": [
            {"rule": "'digital signature' in self", "message": "usages must hold digital signature: every ECDHE handshake needs it"},
            {"rule": "'server auth' in self || 'client auth' in self", "message": "usages must hold server auth or client auth"},
        ],
    })
}

fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": 32, "pattern": "^([0-9]+(\\.[0-9]+)?(h|m|s))+$",
        "x-kubernetes-validations": [
            {"rule": "duration(self) >= duration('1h') && duration(self) <= duration('876000h')", "message": "duration must be at least 1h and at most 876000h"},
        ],
    })
}

fn renew_before(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": 32, "pattern": "^([0-9]+(\\.[0-9]+)?(h|m|s))+$",
        "x-kubernetes-validations": [
            {"rule": "duration(self) > duration('0s')", "message": "renewBefore must be positive"},
        ],
    })
}

fn secret_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": OBJECT_NAME})
}

/// The Secret's name is also the name part of an annotation key: at most 63 characters.
fn published_secret_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 63, "pattern": OBJECT_NAME})
}

fn attributes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 8,
        "items": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": NO_CONTROL},
    })
}

fn countries(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 8,
        "items": {"type": "string", "pattern": "^[A-Z]{2}$", "maxLength": 2},
    })
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"},
    })
}

fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object", "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 4096},
    })
}
