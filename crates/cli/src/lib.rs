//! `kubectl coturn-cert`: what a coturn is configured to do and what its listeners accept, held against
//! a policy.
//!
//! Reading (`read`, `reach`), judging (`rules`, pure) and telling (`report`) are apart.

pub mod args;
pub mod audit;
pub mod error;
pub mod facts;
pub mod finding;
pub mod guideline;
pub mod harden;
pub mod reach;
pub mod read;
pub mod report;
pub mod rules;
