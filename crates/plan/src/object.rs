//! Identity of the objects that writes are conditioned on.

use api::Reason;

/// One revision of one object. A write that names it meets exactly that revision, or fails.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// `metadata.uid`: an object created anew under the same name has another.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
}

/// What must hold for a write to take place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Precondition {
    /// The object does not exist.
    Absent,
    /// The object is at this revision.
    At(Version),
}

/// A write or a read that failed in this pass; it is tried again in a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for conditions and metrics.
    pub reason: Reason,
    /// What failed, on which object, and what to do.
    pub message: String,
}
