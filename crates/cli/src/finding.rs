//! What an audit may find, by stable ids.

mod catalogue;

use std::fmt;

use serde::Serialize;

pub use catalogue::Id;

/// How much a finding matters.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth a change when the file is touched next.
    Low,
    /// Weakens what else protects.
    Medium,
    /// Somebody can be attacked, or turned away, by it.
    High,
    /// It is open, or it does not work.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub id: Id,
    /// What was seen, and where.
    pub seen: String,
    /// What to set instead.
    pub set: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(id: Id, seen: impl Into<String>, set: impl Into<String>) -> Self {
        Self {
            id,
            seen: seen.into(),
            set: set.into(),
        }
    }
}
