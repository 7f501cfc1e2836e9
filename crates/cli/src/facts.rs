//! What is known of one coturn before it is judged.

use std::net::{IpAddr, SocketAddr};

use coturn::{Build, Configuration, Listener, ListenerKind, Service, Version};
use deployed::Place;
use jiff::Timestamp;
use pki::Roots;
use probe::{Answer, Scan};

use crate::guideline::Policy;

/// All that the rules look at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When.
    pub now: Timestamp,
    /// What it is held against.
    pub policy: Policy,
    /// By what it is judged: what runs, or else what is told of it.
    pub build: Build,
    /// What the image's tag tells.
    pub tagged: Build,
    /// What the server says of itself, if it does.
    pub running: Option<Version>,
    /// Where its plain port, of STUN and TURN without TLS, was heard to answer.
    pub plain: Option<IpAddr>,
    /// What it is configured to do, if that is known.
    pub configuration: Option<Configuration>,
    /// How much of that was read.
    pub extent: Extent,
    /// Where the files lie that it reads.
    pub files: Vec<File>,
    /// Who it runs as.
    pub process: Process,
    /// What was heard of its listeners.
    pub heard: Vec<Heard>,
    /// Names that its certificate has to have.
    pub names: Vec<String>,
    /// Roots that its clients or partners trust.
    pub trusted: Option<Roots>,
}

/// How much of a configuration was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All: what was not read is not set.
    Whole,
    /// Not all: what was not read may be set.
    Partial,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// `runAsUser`; none: the image decides.
    pub user: Option<i64>,
    /// `runAsGroup`; none: the image decides, or it is root's.
    pub group: Option<i64>,
    /// `supplementalGroups`.
    pub more_groups: Vec<i64>,
    /// `fsGroup`, which the process is a member of.
    pub fs_group: Option<i64>,
}

impl Process {
    /// Whether it is a member of root's group; none if the image decides.
    #[must_use]
    pub fn is_of_roots_group(&self) -> Option<bool> {
        if self.more_groups.contains(&0) {
            return Some(true);
        }
        self.group.map(|group| group == 0)
    }
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
    /// Whether a closed port is evidence: coturn was told to listen right there, and the way is not a
    /// port-forward, where all failures look alike.
    pub is_evidence: bool,
}

impl Heard {
    /// Whether something answered as a server of TLS or DTLS does.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        let mut answers = self.scan.versions.iter().map(|spoken| &spoken.answer);
        answers.any(|answer| answer.is_accepted() || matches!(answer, Answer::Refused(_)))
    }

    /// Its address; none by a port-forward.
    fn address(&self) -> Option<IpAddr> {
        let at: Option<SocketAddr> = self.at.parse().ok();
        at.map(|at| at.ip())
    }
}

impl Facts {
    /// The configuration, if all of it was read: only then it tells also what is not set.
    #[must_use]
    pub fn whole(&self) -> Option<&Configuration> {
        let configuration = self.configuration.as_ref();
        configuration.filter(|_| self.extent == Extent::Whole)
    }

    /// Whether neither the configuration nor any listener was seen: then nothing can be said of it.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.whole().is_none() && !self.heard.iter().any(Heard::has_answered)
    }

    /// Whether coturn was heard to answer at another port of the same address.
    #[must_use]
    pub fn answers_beside(&self, heard: &Heard) -> bool {
        let Some(address) = heard.address() else {
            return false;
        };
        let is_there = |it: &Heard| it.address() == Some(address) && it.has_answered();
        self.plain == Some(address) || self.heard.iter().any(is_there)
    }

    /// Takes what the server says of itself: it counts before the tag, and before options of the fork.
    pub fn take_running(&mut self, running: Option<Version>) {
        self.running = running;
        self.build.version = running.or(self.build.version);
        let may_be_fork = running.is_none_or(|version| version.may_be(Build::FORKED));
        self.build.is_fork = self.tagged.is_fork || (self.build.is_fork && may_be_fork);
    }

    /// The listener of a kind, if it is configured to be there or may be, and that is known.
    #[must_use]
    pub fn listener(&self, kind: ListenerKind) -> Option<Listener<'_>> {
        let listener = self.whole()?.listener(kind, self.build);
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
            // It has options of its own since, and none of upstream's.
            return Build::FORKED.is_at_least(version);
        }
        self.build.is_at_least(version)
    }
}

/// A listener's name.
#[must_use]
pub const fn name(kind: ListenerKind) -> &'static str {
    match kind {
        ListenerKind::Tls => "TLS",
        ListenerKind::Dtls => "DTLS",
        ListenerKind::Federation => "federation (DTLS)",
    }
}

#[cfg(test)]
mod tests {
    use probe::{Trouble, Version as Protocol};
    use rstest::rstest;

    use super::*;
    use crate::rules::testing::World;

    #[rstest]
    #[case::the_tag_says_less("coturn:4.6-alpine", "4.6.3", "coturn 4.6.3")]
    #[case::the_tag_says_other("coturn:4.17.1", "4.6.3", "coturn 4.6.3")]
    #[case::options_of_the_fork("coturn:latest", "4.17.1", "coturn 4.17.1")]
    #[case::the_fork("coturn:latest", "4.6.2", "Wire's fork of coturn 4.6.2")]
    #[case::by_its_tag("coturn:4.6.2-federation", "4.8.0", "Wire's fork of coturn 4.8.0")]
    fn what_runs_counts_before_what_is_told_of_it(
        #[case] image: &str,
        #[case] running: &str,
        #[case] build: &str,
    ) {
        let mut facts = World::hardened().facts;
        facts.tagged = Build::of_image(image);
        facts.build = Build {
            is_fork: facts.tagged.is_fork || image.contains("latest"),
            ..facts.tagged
        };
        facts.take_running(Version::parse(running));
        assert_eq!(facts.build.to_string(), build);
        let before = facts.build;
        facts.take_running(None);
        assert_eq!(facts.build, before);
    }

    #[test]
    fn who_saw_neither_the_whole_configuration_nor_a_listener_is_blind() {
        let mut world = World::hardened();
        assert!(!world.facts.is_blind());
        world.facts.extent = Extent::Partial;
        assert!(world.facts.is_blind());
        world.facts.configuration = None;
        let world = world.hears_nothing(ListenerKind::Tls, Trouble::Closed);
        assert!(world.facts.is_blind());
        let world = world.hears(ListenerKind::Tls, Protocol::Tls12, &[]);
        assert!(!world.facts.is_blind());
    }
}
