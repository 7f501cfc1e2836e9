//! Worlds for the tests of rules.

use coturn::{Build, Configuration, ListenerKind, Version};
use deployed::{Entry, Place};
use probe::{Accepted, Answer, Demand, Scan, Spoken, Trouble, Version as Protocol};

use crate::{
    facts::{Extent, Facts, File, Heard, Presence, Process},
    finding::{Finding, Id},
    guideline::Policy,
};

/// What is set where nothing is to be found, of 4.6.1.
pub(crate) const HARDENED: &str = "\
no-tlsv1
no-tlsv1_1
no-tcp-relay
cipher-list=ECDHE-ECDSA-AES128-GCM-SHA256
cert=/tls/tls.crt
pkey=/tls/tls.key
lt-cred-mech
realm=example.com
";

/// Facts to change.
pub(crate) struct World {
    pub(crate) facts: Facts,
}

impl World {
    /// In which nothing is to be found.
    pub(crate) fn hardened() -> Self {
        Self::of((4, 6, 1), HARDENED)
    }

    /// Of a version, with a file's text.
    pub(crate) fn of((major, minor, patch): (u16, u16, u16), text: &str) -> Self {
        let build = Build {
            version: Some(Version::new(major, minor, patch)),
            is_fork: false,
        };
        Self {
            facts: Facts {
                now: pki::testing::NOW,
                policy: Policy::Intermediate,
                build,
                tagged: build,
                running: None,
                plain: None,
                configuration: Some(Configuration::read(&[("turnserver.conf", text)], &[])),
                extent: Extent::Whole,
                files: Vec::new(),
                process: Process::default(),
                heard: Vec::new(),
                names: Vec::new(),
                trusted: None,
            },
        }
    }

    /// Of Wire's fork, which federates, with more lines.
    pub(crate) fn federating(text: &str) -> Self {
        let federation = "federation-listening-ip=192.0.2.1\nfederation-listening-port=9191\n\
                          no-tls\nno-dtls\n";
        let mut world = Self::of((4, 6, 2), &format!("{federation}{text}"));
        world.facts.build.is_fork = true;
        world
    }

    /// Lets a listener accept these suites in a version.
    pub(crate) fn hears(mut self, kind: ListenerKind, version: Protocol, suites: &[&str]) -> Self {
        let suites = if suites.is_empty() {
            &["TLS_AES_128_GCM_SHA256"]
        } else {
            suites
        };
        let accepted = suites.iter().map(|suite| Accepted {
            suite: (*suite).to_owned(),
            ephemeral: None,
        });
        let answer = Answer::Accepted(accepted.collect());
        self.facts.heard.push(heard(kind, version, answer));
        self
    }

    /// Lets a listener not answer.
    pub(crate) fn hears_nothing(mut self, kind: ListenerKind, trouble: Trouble) -> Self {
        let answer = Answer::Failed(trouble);
        self.facts.heard.push(heard(kind, Protocol::Tls12, answer));
        self
    }

    /// Puts a file of an option into a Secret, with this mode.
    pub(crate) fn with_file(mut self, option: &'static str, mode: i32) -> Self {
        let place = Place::Secret(Entry {
            object: "coturn-tls".to_owned(),
            key: "tls.key".to_owned(),
            mode,
            is_frozen: false,
            is_optional: false,
        });
        self.facts.files.push(File {
            option,
            source: "turnserver.conf:1".to_owned(),
            path: "/tls/tls.key".to_owned(),
            place,
            presence: Presence::There,
        });
        self
    }
}

fn heard(kind: ListenerKind, version: Protocol, answer: Answer) -> Heard {
    let spoken = Spoken {
        version,
        answer,
        offers: Vec::new(),
        chain: Vec::new(),
        demand: Demand::NotAsked,
        has_staple: false,
        has_secure_renegotiation: true,
    };
    Heard {
        kind,
        at: "192.0.2.1:5349".to_owned(),
        scan: Scan {
            versions: vec![spoken],
        },
        is_evidence: true,
    }
}

/// The ids of findings.
pub(crate) fn ids(findings: &[Finding]) -> Vec<Id> {
    findings.iter().map(|finding| finding.id).collect()
}
