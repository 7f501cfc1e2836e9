//! What follows from what is known of a pod, and how it is told.

use super::{Doubt, Evidence, NotCurrent};

impl Evidence {
    /// Whether a handshake showed something else than the start tells.
    #[must_use]
    pub const fn serves_something_else(self) -> bool {
        matches!(
            self,
            Self::NotCurrent(NotCurrent::ServesAnother | NotCurrent::ServesNothing)
        )
    }

    /// Whether the pod is to be replaced, as far as its template does not carry the certificate yet.
    #[must_use]
    pub const fn calls_for_a_rollout(&self) -> bool {
        match self {
            Self::NotCurrent(NotCurrent::StartedBefore | NotCurrent::StartedWithForeign)
            | Self::Unknown(Doubt::Predecessor) => true,
            // To mount it was a change of the template: Kubernetes replaces such a pod by itself.
            Self::NotCurrent(
                NotCurrent::LacksItsName
                | NotCurrent::DoesNotMount
                | NotCurrent::ServesAnother
                | NotCurrent::ServesNothing,
            )
            | Self::Current
            | Self::NotStarted
            | Self::Unknown(
                Doubt::Overwritten
                | Doubt::BeforeTheLog
                | Doubt::MayLackItsName
                | Doubt::Unproven
                | Doubt::Unreached,
            ) => false,
        }
    }

    /// Whether the pod runs with what was published before the certificate in service, or with that.
    pub(super) const fn holds_an_earlier_leaf(self) -> bool {
        match self {
            Self::NotCurrent(NotCurrent::StartedBefore) | Self::Unknown(Doubt::Predecessor) => true,
            Self::Current
            | Self::NotCurrent(
                NotCurrent::StartedWithForeign
                | NotCurrent::LacksItsName
                | NotCurrent::DoesNotMount
                | NotCurrent::ServesAnother
                | NotCurrent::ServesNothing,
            )
            | Self::NotStarted
            | Self::Unknown(
                Doubt::Overwritten
                | Doubt::BeforeTheLog
                | Doubt::MayLackItsName
                | Doubt::Unproven
                | Doubt::Unreached,
            ) => false,
        }
    }

    /// What is known of the pod, in words.
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Current => "started with the certificate in service",
            Self::NotCurrent(NotCurrent::LacksItsName) => {
                "serves a certificate that lacks its own name"
            }
            Self::Unknown(Doubt::MayLackItsName) => {
                "may serve a certificate that lacks its own name"
            }
            Self::NotCurrent(NotCurrent::StartedBefore) => {
                "started before the certificate in service was published"
            }
            Self::NotCurrent(NotCurrent::StartedWithForeign) => {
                "started while the Secret held something foreign"
            }
            Self::NotCurrent(NotCurrent::DoesNotMount) => {
                "was made before its workload mounted the Secret"
            }
            Self::NotCurrent(NotCurrent::ServesAnother) => {
                "started with the certificate in service, and serves another"
            }
            Self::NotCurrent(NotCurrent::ServesNothing) => {
                "started with the certificate in service, and serves none"
            }
            Self::NotStarted => "has not started",
            Self::Unknown(Doubt::Unproven) => {
                "may serve an earlier certificate: a handshake is to tell"
            }
            Self::Unknown(Doubt::Unreached) => {
                "may serve an earlier certificate, and cannot be dialled"
            }
            Self::Unknown(Doubt::Predecessor | Doubt::Overwritten) => {
                "started too close to a change of the Secret to tell what it serves"
            }
            Self::Unknown(Doubt::BeforeTheLog) => {
                "started when the operator kept no record of what the Secret held"
            }
        }
    }

    /// Whether only another process of the pod's can have the certificate in service.
    pub(super) const fn is_outdated(self) -> bool {
        match self {
            Self::NotCurrent(
                NotCurrent::StartedBefore
                | NotCurrent::StartedWithForeign
                | NotCurrent::LacksItsName,
            )
            | Self::Unknown(Doubt::Predecessor | Doubt::MayLackItsName) => true,
            Self::Current
            | Self::NotStarted
            | Self::NotCurrent(
                NotCurrent::DoesNotMount | NotCurrent::ServesAnother | NotCurrent::ServesNothing,
            )
            | Self::Unknown(
                Doubt::Overwritten | Doubt::BeforeTheLog | Doubt::Unproven | Doubt::Unreached,
            ) => false,
        }
    }
}
