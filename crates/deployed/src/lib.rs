//! How a pod's specification has coturn run: in which container, how it is started, where its
//! configuration comes from, and in which volumes the paths lie that it names.
//!
//! Pure: nothing is read but the specification. What the objects behind its volumes hold, whoever has a
//! client reads.

mod configuration;
mod container;
mod place;
mod text;

pub use configuration::{Candidate, Origin, Part, candidates, expanded};
pub use container::{coturn, launch};
pub use place::{Entry, Place, Projected, place};
pub use text::{Piece, Text};
