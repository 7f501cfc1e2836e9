//! Names and keys that other tools see: annotations, labels, Secret keys, field managers.

/// API group of all kinds.
pub const GROUP: &str = "coturncert.dev";

/// Field manager of every write, and the value of `app.kubernetes.io/managed-by`.
pub const FIELD_MANAGER: &str = "coturn-cert-operator";

/// Annotation of a Secret: the `CoturnCertificate` (by name, same namespace) that owns it.
pub const CERTIFICATE_NAME: &str = "coturncert.dev/certificate-name";

/// Annotation of a published Secret: the SHA-256 fingerprint (lower hex) of the leaf that the operator
/// wrote there. Who overwrites the pair leaves it as it was.
pub const WRITTEN_FINGERPRINT: &str = "coturncert.dev/fingerprint";

/// Annotation of a published Secret that somebody else made: the SHA-256 fingerprint (lower hex) of the
/// leaf that it held when the operator took it over. Its type and its maker's labels stay as they are.
pub const ADOPTED: &str = "coturncert.dev/adopted";

/// Annotation of a `CoturnCertificate`: any value that was not handled yet asks for a new
/// certificate. The value handled last is kept in the store Secret.
pub const RENEW: &str = "coturncert.dev/renew";

/// Annotation of a `CoturnCertificate`: SHA-256 fingerprint (hex) of the certificate before, which is
/// put back into service. The value handled last is kept in the store Secret.
pub const ROLLBACK_TO: &str = "coturncert.dev/rollback-to";

/// Name of the container with the agent.
pub const AGENT: &str = "coturn-cert-agent";

/// Name of the container with the reloader of Wire's chart.
pub const WIRE_RELOADER: &str = "coturn-cert-reloader";

/// Name of the port at which the agent relays to partners.
pub const RELAY_PORT: &str = "cert-relay";

/// Annotation of a pod: SHA-256 fingerprint (lower hex) of the leaf for which the kubelet was asked to
/// look at the pod's volumes at once. Any change of a pod has it do so.
pub const TOUCHED: &str = "coturncert.dev/touched";

/// Annotation of a published Secret: which labels and annotations `secretTemplate` set, as JSON, so
/// that those it names no more are removed.
pub const TEMPLATE_KEYS: &str = "coturncert.dev/template-keys";

/// Field manager of writes that leave the pair as it is: the time in `metadata.managedFields` of
/// [`FIELD_MANAGER`] stays the time at which the pair was published.
pub const METADATA_FIELD_MANAGER: &str = "coturn-cert-operator-metadata";

/// Label that marks every Secret the operator writes.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Type of the store Secret.
pub const STORE_SECRET_TYPE: &str = "coturncert.dev/store";

/// Type of a published Secret that the operator created.
pub const TLS_SECRET_TYPE: &str = "kubernetes.io/tls";

/// Key of a Secret: the certificate, PEM, leaf first, then intermediates, no root.
pub const TLS_CRT: &str = "tls.crt";
/// Key of a Secret: the private key, PEM, PKCS#8.
pub const TLS_KEY: &str = "tls.key";
/// Key of a Secret: the root certificate, PEM.
pub const CA_CRT: &str = "ca.crt";

/// What a store Secret's name ends in.
pub const STORE_SUFFIX: &str = "-coturn-cert-store";

/// The prefix of every annotation and label that belongs to the operator.
pub const PREFIX: &str = "coturncert.dev/";

/// Name of the store Secret of a `CoturnCertificate`.
#[must_use]
pub fn store_secret(certificate: &str) -> String {
    format!("{certificate}{STORE_SUFFIX}")
}

/// Pod template annotation that carries the SHA-256 fingerprint (lower hex) of the leaf that a
/// pod of that template mounts from `secret`. A new value is what makes Kubernetes roll the pods.
#[must_use]
pub fn fingerprint_annotation(secret: &str) -> String {
    format!("{FINGERPRINT_PREFIX}{secret}")
}

/// What the pod template annotation's key begins with; the Secret's name follows.
pub const FINGERPRINT_PREFIX: &str = "fingerprint.coturncert.dev/";
