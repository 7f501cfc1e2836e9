//! The operator: watch, observe, plan, act. It takes no decision of its own: those are in `plan`.

pub mod args;
mod backoff;
mod barrier;
mod certificate;
mod clock;
mod contests;
mod context;
mod controllers;
mod error;
mod events;
mod facts;
mod health;
mod identities;
mod lease;
pub mod logging;
mod metrics;
mod partners;
mod prober;
mod redact;
mod requests;
mod run;
mod secret;
mod secret_watch;
mod under_way;
mod wake;
mod watches;
mod workload;

pub use run::{StartError, run};
