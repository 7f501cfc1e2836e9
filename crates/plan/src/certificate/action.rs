//! The writes of a certificate's plan.

use api::{CoturnCertificateStatus, SerialNumber, Trigger};

use super::Step;
use crate::{
    Precondition, Version,
    publication::{Beginning, Publication},
    store::{Adoption, By, PublishedName},
};

/// The one write of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sign a new pair and write it into the store as the one in service.
    Issue {
        /// Why.
        trigger: Trigger,
        /// How the publication log begins, where this pair begins it.
        beginning: Beginning,
        /// The store's revision.
        store: Precondition,
    },
    /// Take the pair of the published Secret up into the store.
    Recover {
        /// The published Secret's revision.
        published: Version,
        /// The store's revision.
        store: Precondition,
    },
    /// Take a Secret over that somebody else made: its pair is the one in service from now on.
    Adopt {
        /// The Secret's revision.
        published: Version,
        /// The store's revision.
        store: Precondition,
        /// What it holds, and from when.
        publication: Publication,
        /// How the publication log begins.
        beginning: Beginning,
        /// What is kept of it.
        adoption: Box<Adoption>,
    },
    /// Note in the store that it was put back to an earlier state: its log tells nothing any more.
    NoteRollback {
        /// The store's revision.
        store: Version,
        /// The certificate that is not in it.
        lost: SerialNumber,
    },
    /// Record in the store what the published Secret holds.
    Record {
        /// The store's revision.
        store: Version,
        /// What it holds, and from when.
        publication: Publication,
        /// The published Secret.
        secret: PublishedName,
    },
    /// Put the pair before back into service in the store.
    RollBack {
        /// The store's revision.
        store: Version,
        /// Why.
        by: By,
    },
    /// Note in the store that a pod serves something else although it started with the pair in service.
    Distrust {
        /// The store's revision.
        store: Version,
        /// The pod's name.
        pod: String,
        /// The pod's uid.
        uid: String,
    },
    /// Take the pair before out of the store: it will not be put back into service any more.
    DropPrevious {
        /// The store's revision.
        store: Version,
    },
    /// Write the pair in service into the published Secret.
    Publish {
        /// The store's revision, which the pair is taken from.
        store: Version,
        /// The published Secret's revision.
        secret: Precondition,
        /// What is wrong with it.
        cause: PublishCause,
    },
    /// Write the status.
    WriteStatus(Box<CoturnCertificateStatus>),
}

/// Why the published Secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishCause {
    /// It does not exist.
    Missing,
    /// It was there with the pair in service, and somebody deleted it.
    Deleted,
    /// It holds an earlier pair of the operator's.
    Superseded,
    /// It holds something else, or an earlier pair after it held the one in service.
    Overwritten,
    /// It holds the pair in service as somebody else made it: nothing tells that it was taken over.
    TakenOver,
    /// It holds the pair in service, but other roots.
    Roots,
    /// Only its labels or annotations differ.
    Metadata,
}

impl PublishCause {
    /// Whether somebody undid what the operator wrote, as far as that can be told: a Secret that is taken
    /// over looks as one whose maker put all of it back. Only many of them are a contest.
    #[must_use]
    pub const fn is_restoration(self) -> bool {
        match self {
            Self::Deleted | Self::Overwritten | Self::TakenOver | Self::Roots | Self::Metadata => {
                true
            }
            Self::Missing | Self::Superseded => false,
        }
    }
}

impl Action {
    /// The step that this write belongs to; none for the status itself.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::Issue { .. }
            | Self::Recover { .. }
            | Self::Adopt { .. }
            | Self::NoteRollback { .. }
            | Self::RollBack { .. }
            | Self::Distrust { .. }
            | Self::DropPrevious { .. }
            | Self::Record { .. } => Some(Step::Issue),
            Self::Publish { .. } => Some(Step::Publish),
            Self::WriteStatus(_) => None,
        }
    }

    /// Whether it gives the published Secret that is there other data.
    pub(super) const fn changes_published_data(&self) -> bool {
        match self {
            Self::Publish { cause, .. } => match cause {
                PublishCause::Superseded
                | PublishCause::Overwritten
                | PublishCause::TakenOver
                | PublishCause::Roots => true,
                PublishCause::Missing | PublishCause::Deleted | PublishCause::Metadata => false,
            },
            Self::Issue { .. }
            | Self::Recover { .. }
            | Self::Adopt { .. }
            | Self::NoteRollback { .. }
            | Self::RollBack { .. }
            | Self::Distrust { .. }
            | Self::DropPrevious { .. }
            | Self::Record { .. }
            | Self::WriteStatus(_) => false,
        }
    }
}
