//! The vocabulary of conditions. Reasons are part of the API: scripts match on them.

use std::fmt;

/// Type of a condition of a `CoturnCertificate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The certificate is valid and as specified, and every pod is on it.
    Ready,
    /// The store holds a certificate as specified, and the next one can be signed.
    Issued,
    /// The published Secret holds it.
    Published,
    /// Every pod of the workload started with it.
    RolledOut,
    /// Every pod was seen to serve it. Present only where endpoints are named.
    Verified,
    /// Every partner was seen to accept it. Present only where partners are named.
    PartnerAccepted,
    /// The observed generation is not yet realised (kstatus).
    Reconciling,
    /// It will not be realised without somebody's help (kstatus).
    Stalled,
    /// Somebody keeps undoing the operator's writes. Present only while it is so.
    Contested,
}

impl ConditionType {
    /// The name, as it stands in status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Issued => "Issued",
            Self::Published => "Published",
            Self::RolledOut => "RolledOut",
            Self::Verified => "Verified",
            Self::PartnerAccepted => "PartnerAccepted",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Contested => "Contested",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Reason of a condition, of an event and of an error metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])+ $name,)+
        }

        impl Reason {
            /// The name, as it stands in status, events and metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// All is well.
    Ready,
    /// The store holds a certificate as specified.
    Issued,
    /// The published Secret holds the certificate.
    Published,
    /// Every pod is on the certificate.
    RolledOut,
    /// The resource names no workload: nothing is restarted.
    NoWorkload,
    /// What the resource asks for is realised.
    Realised,
    /// Work is under way.
    InProgress,
    /// `spec.suspend` is set: nothing is written.
    Suspended,
    /// The resource could not be read; nothing was done.
    Undecodable,
    /// The resource asks for something impossible.
    InvalidSpec,

    /// The CA Secret does not exist.
    AuthorityMissing,
    /// The CA Secret lacks `tls.crt` or `tls.key`.
    AuthorityIncomplete,
    /// A certificate or the key of the CA Secret cannot be parsed.
    AuthorityMalformed,
    /// The CA's key is encrypted.
    AuthorityKeyEncrypted,
    /// The CA's key does not belong to its certificate.
    AuthorityKeyMismatch,
    /// The CA certificate is no CA certificate, or must not sign certificates.
    AuthorityNotACa,
    /// The CA certificates do not form a chain to a root.
    AuthorityChainBroken,
    /// A CA certificate has expired.
    AuthorityExpired,
    /// A CA certificate is not valid yet.
    AuthorityNotYetValid,
    /// The CA's path length or name constraints forbid the certificate asked for.
    AuthorityForbids,
    /// The CA uses a key or signature algorithm that is not supported.
    AuthorityUnsupported,
    /// The CA expires so early that a renewal would gain nothing.
    AuthorityExpiresFirst,
    /// A renewal at this moment would gain nothing, by `duration` and `renewBefore`.
    RenewalTooEarly,
    /// The CA Secret has another root than the certificate in service, or the next one would have
    /// none.
    AwaitingPartnerConfirmation,

    /// Something is waited for: the certificate is not there yet.
    AwaitingIssuance,
    /// Something is waited for: the certificate is not published yet.
    AwaitingPublication,
    /// The next certificate waits until the rollout under way has ended.
    RolloutInProgress,
    /// The certificate has expired and could not be replaced.
    Expired,
    /// The certificate in service is not valid yet.
    NotYetValid,
    /// The published Secret belongs to somebody else.
    SecretNotOwned,
    /// The published Secret belongs to another `CoturnCertificate`.
    SecretClaimed,
    /// The store Secret's name is taken by a Secret that is no store.
    StoreNotOwned,
    /// The published Secret is to be adopted, and whoever makes it has not made it yet.
    AwaitingSecret,
    /// Somebody keeps undoing the operator's writes: it tries again only now and then.
    Contested,
    /// The published Secret is immutable: no other certificate can be put there.
    SecretImmutable,

    /// The workload does not exist.
    WorkloadNotFound,
    /// The workload does not mount the published Secret.
    SecretNotMounted,
    /// A pod is not on the certificate, and no rollout brings it there.
    RestartNeeded,
    /// Pods are being replaced.
    RollingOut,
    /// The rollout makes no progress.
    RolloutStuck,
    /// A pod's start is too close to a publication to tell what it serves.
    PodUnknown,
    /// A rolling update is impossible: `updateStrategy` is OnDelete.
    UpdateStrategyOnDelete,
    /// A rolling update is held back: the Deployment is paused.
    RolloutPaused,

    /// Every pod was seen to serve the certificate.
    Verified,
    /// A handshake is awaited.
    AwaitingProof,
    /// Pods broke with the certificate.
    RolloutFailed,
    /// A pod was seen to serve another certificate.
    ServesAnother,
    /// A pod answers, and serves no certificate.
    ServesNothing,
    /// A pod, or a partner, cannot be reached: what it serves is not known.
    Unreachable,
    /// Pods broke with the next certificate: the one before is in service again.
    RolledBack,
    /// What was asked to be put back into service cannot be.
    RollbackRefused,
    /// A PodDisruptionBudget does not let a pod go at this moment.
    DisruptionBudget,
    /// Every partner accepts the certificate.
    Accepted,
    /// A partner refuses the certificate.
    PartnerRefuses,
    /// A partner's own certificate would be refused here.
    PartnerNotTrusted,
    /// A partner completes the handshake and asks for no certificate: it judges none.
    CertificateNotRequested,

    /// The operator's clock and the API server's differ: nothing is signed.
    ClockSkewed,
    /// The API server refused for lack of permission.
    Forbidden,
    /// An admission policy, a quota or a validation refused.
    Refused,
    /// A write met a newer version of its object.
    Conflict,
    /// The API server could not be reached, or did not answer in time.
    ApiUnavailable,
    /// Signing failed in an unforeseen way.
    SigningFailed,
    /// What was signed failed its rehearsal, and was thrown away.
    RehearsalFailed,
    /// The operator failed in an unforeseen way.
    InternalError,
}

impl Reason {
    /// Whether it passes with time alone, or whoever caused it knows of it: then nobody has to act.
    #[must_use]
    pub const fn heals_by_itself(self) -> bool {
        match self {
            Self::Ready
            | Self::Issued
            | Self::Published
            | Self::RolledOut
            | Self::NoWorkload
            | Self::Realised
            | Self::InProgress
            | Self::Suspended
            | Self::AuthorityNotYetValid
            | Self::RenewalTooEarly
            | Self::AwaitingIssuance
            | Self::AwaitingPublication
            | Self::AwaitingSecret
            | Self::RolloutInProgress
            | Self::NotYetValid
            | Self::RollingOut
            | Self::Verified
            | Self::AwaitingProof
            | Self::RolledBack
            | Self::DisruptionBudget
            | Self::Accepted
            | Self::Conflict
            | Self::ApiUnavailable => true,
            Self::Undecodable
            | Self::InvalidSpec
            | Self::AuthorityMissing
            | Self::AuthorityIncomplete
            | Self::AuthorityMalformed
            | Self::AuthorityKeyEncrypted
            | Self::AuthorityKeyMismatch
            | Self::AuthorityNotACa
            | Self::AuthorityChainBroken
            | Self::AuthorityExpired
            | Self::AuthorityForbids
            | Self::AuthorityUnsupported
            | Self::AuthorityExpiresFirst
            | Self::AwaitingPartnerConfirmation
            | Self::Expired
            | Self::SecretNotOwned
            | Self::SecretClaimed
            | Self::StoreNotOwned
            | Self::Contested
            | Self::SecretImmutable
            | Self::ClockSkewed
            | Self::WorkloadNotFound
            | Self::SecretNotMounted
            | Self::RestartNeeded
            | Self::RolloutStuck
            | Self::PodUnknown
            | Self::UpdateStrategyOnDelete
            | Self::RolloutPaused
            | Self::RolloutFailed
            | Self::ServesAnother
            | Self::ServesNothing
            | Self::Unreachable
            | Self::RollbackRefused
            | Self::PartnerRefuses
            | Self::PartnerNotTrusted
            | Self::CertificateNotRequested
            | Self::Forbidden
            | Self::Refused
            | Self::SigningFailed
            | Self::RehearsalFailed
            | Self::InternalError => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
