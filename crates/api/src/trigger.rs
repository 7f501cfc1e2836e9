//! Why a certificate is issued.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a certificate is issued; also the value of the `trigger` label of metrics.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum Trigger {
    /// There is none yet.
    DoesNotExist,
    /// The resource asks for another content than the certificate has, or for a signature by a CA where
    /// it is self-signed, or the other way round.
    SpecChanged,
    /// The workload has more pods than the certificate has names by ordinal.
    ReplicasGrew,
    /// Its renewal time has come.
    Renewing,
    /// It is past its notAfter.
    Expired,
    /// Neither the store nor the published Secret holds a usable pair.
    Corrupt,
    /// The annotation `coturncert.dev/renew` has a value that was not handled.
    Requested,
}

impl Trigger {
    /// The name, as it stands in status, events and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DoesNotExist => "DoesNotExist",
            Self::SpecChanged => "SpecChanged",
            Self::ReplicasGrew => "ReplicasGrew",
            Self::Renewing => "Renewing",
            Self::Expired => "Expired",
            Self::Corrupt => "Corrupt",
            Self::Requested => "Requested",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
