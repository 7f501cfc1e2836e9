//! What is known of one coturn before it is judged.

use coturn::{Build, Configuration, Listener, ListenerKind, Service, Version};
use deployed::Place;
use jiff::Timestamp;
use probe::Scan;

use crate::guideline::Policy;

/// All that the rules look at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When.
    pub now: Timestamp,
    /// What it is held against.
    pub policy: Policy,
    /// What the image's tag and the configuration tell.
    pub build: Build,
    /// What the server says of itself, if it does.
    pub running: Option<Version>,
    /// What it is configured to do, if that is known.
    pub configuration: Option<Configuration>,
    /// Where the files lie that it reads.
    pub files: Vec<File>,
    /// Who it runs as.
    pub process: Process,
    /// What was heard of its listeners.
    pub heard: Vec<Heard>,
    /// Names that its certificate has to have.
    pub names: Vec<String>,
    /// Roots (PEM) that its clients or partners trust.
    pub trusted: Option<Vec<u8>>,
}

/// A file that an option names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The option.
    pub option: &'static str,
    /// Where the option was given.
    pub source: String,
    /// The path.
    pub path: String,
    /// Where it lies.
    pub place: Place,
    /// Whether the volume's object has it.
    pub presence: Presence,
}

impl File {
    /// Whether it is a private key.
    #[must_use]
    pub fn is_key(&self) -> bool {
        ["pkey", "federation-pkey"].contains(&self.option)
    }
}

/// Whether an object has a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does.
    There,
    /// It does not: what is missing.
    Missing(String),
    /// It could not be told, or need not be.
    Unknown,
}

/// Who a container's process runs as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// `runAsUser`; none: the image decides.
    pub user: Option<i64>,
    /// `fsGroup`, which the process is a member of.
    pub fs_group: Option<i64>,
}

/// A listener that was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub kind: ListenerKind,
    /// Where: an address and a port, as they are told.
    pub at: String,
    /// What it accepts.
    pub scan: Scan,
    /// Whether silence there is evidence: not behind a port-forward, where all failures look alike.
    pub is_direct: bool,
}

impl Facts {
    /// The listener of a kind, if it is configured to be there or may be.
    #[must_use]
    pub fn listener(&self, kind: ListenerKind) -> Option<Listener<'_>> {
        let listener = self.configuration.as_ref()?.listener(kind, self.build);
        match listener.service {
            Service::On | Service::Unresolved => Some(listener),
            Service::Off => None,
        }
    }

    /// Whether TURN is spoken over TLS or DTLS, as far as is known.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        let kinds = [ListenerKind::Tls, ListenerKind::Dtls];
        kinds.into_iter().any(|kind| self.listener(kind).is_some())
    }

    /// Whether this coturn is of a version from this one on; none if its version is not known.
    #[must_use]
    pub fn is_from(&self, version: Version) -> Option<bool> {
        if self.build.is_fork {
            // The fork left upstream at 4.6.2, and has options of its own since.
            return Some(version <= FORK);
        }
        self.build.is_at_least(version)
    }
}

/// The version of upstream that Wire's fork left.
const FORK: Version = Version::new(4, 6, 2);

/// A listener's name.
#[must_use]
pub const fn name(kind: ListenerKind) -> &'static str {
    match kind {
        ListenerKind::Tls => "TLS",
        ListenerKind::Dtls => "DTLS",
        ListenerKind::Federation => "federation (DTLS)",
    }
}
