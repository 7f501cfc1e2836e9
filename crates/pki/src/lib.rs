//! Certificates: judging an authority, signing leaves by it or by themselves, and telling what a pair
//! is.
//!
//! No Kubernetes, no async, no clock of its own: time is an argument, and what comes from outside
//! (the bytes of Secrets) is bounded, parsed once and answered with one typed reason. The bytes of
//! private keys leave this crate only in [`IssuedPair::key`]; they stand in no Debug, Display or
//! error.

mod authority;
mod builder;
mod certificate;
mod chain;
mod constraints;
mod content;
mod coverage;
mod error;
mod inspect;
mod issue;
mod key;
mod leaf;
pub mod lint;
mod name;
mod pem;
mod root;
mod served;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod validity;

pub use api::{AuthorityFacts, Leaf};
pub use authority::{Authority, CaSecret};
pub use error::{AuthorityError, IssueError, PairError};
pub use inspect::inspect;
pub use issue::{IssuedPair, LeafRequest, issue, issue_self_signed};
pub use root::{RootIdentity, root_of};
pub use served::{Concern, Roots, Served, is_in_order, leads_to};
pub use validity::{Validity, validity};
