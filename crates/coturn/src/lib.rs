//! What a coturn is configured to do: upstream 4.5 to 4.17, and Wire's fork of it, which federates.
//!
//! Pure: texts come in as arguments, and nothing is judged here that coturn does not decide itself.
//! What is secret (passwords, shared secrets) is dropped where it is read.

mod build;
mod configuration;
mod files;
mod launch;
mod listener;
mod options;
mod setting;
mod shell;
mod whitelist;

pub use build::{Build, Version};
pub use configuration::{Configuration, Flag};
pub use files::Files;
pub use launch::{ConfigFile, Launch, Part};
pub use listener::{Bound, Listener, ListenerKind, Port, Service};
pub use options::{Known, Support, known};
pub use setting::{Problem, ProblemKind, Setting, Source, Value};
pub use whitelist::{Entry, PeerNames, Refusal, Verdict, Whitelist};
