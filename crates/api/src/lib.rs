//! The resources of coturn-cert-operator: types, defaults, validation rules and vocabulary.
//!
//! Nothing here acts: no client, no clock, no cryptography. What users and other tools rely on
//! (field names, annotation keys, condition types and reasons) is spelled once, in this crate.

mod certificate;
mod conditions;
mod content;
mod fingerprint;
mod issuer;
mod key;
mod leaf;
pub mod lenient;
pub mod names;
mod ordinals;
mod status;
mod trigger;
mod usage;
mod verification;
mod wanted;

pub use certificate::{
    CaIssuer, CoturnCertificate, CoturnCertificateSpec, IssuerSource, Rollout, RolloutStrategy,
    SecretAdoptionPolicy, SecretTemplate, SelfSignedIssuer, Subject, WorkloadKind, WorkloadRef,
};
pub use conditions::{ConditionType, Reason};
pub use content::{Content, Coverage};
pub use fingerprint::{Fingerprint, InvalidHex, SerialNumber};
pub use issuer::Issuer;
pub use key::{InvalidKey, KeyKind, PrivateKey, PrivateKeyAlgorithm};
pub use leaf::{AuthorityFacts, Leaf, Signer};
pub use ordinals::{MOST_NAMES, OrdinalDnsNames, OrdinalNames, Ordinals};
pub use status::{
    AuthorityStatus, CertificateStatus, CoturnCertificateStatus, HistoryEntry, HistoryEvent,
    PartnerStatus, PodNotCurrent, RolloutStatus,
};
pub use trigger::Trigger;
pub use usage::Usage;
pub use verification::{Endpoint, OnFailure, Partner, Protocol, Verification, Verifying};
pub use wanted::{CommonName, SpecError, Wanted};
