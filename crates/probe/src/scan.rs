//! All that a listener accepts: one handshake for each offer, of one version and one group of cipher
//! suites, and again without what it chose until it finds nothing to choose.
//!
//! The offers are made without any security level of OpenSSL: what a server accepts is to be seen, not
//! to be liked. What this OpenSSL was built without cannot be offered, and is told.

mod offer;
mod report;

use std::{net::SocketAddr, time::Instant};

use crate::{
    Alert, Demand, Group, Limits, Outcome, Protocol, Suite, Target, Trouble,
    socket::Socket,
    wire::{Wire, trouble_of},
};
use offer::{Offering, Reply, unavailable};
pub use report::{Accepted, Answer, Ephemeral, Offer, Scan, Spoken, Version};

/// A listener to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanTarget {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it is reached by.
    pub transport: Transport,
    /// What the client says that it looks for (RFC 6066, section 3); no IP address may stand there.
    pub server_name: Option<String>,
}

/// What a listener is reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP: TLS.
    Stream,
    /// UDP: DTLS.
    Datagrams,
}

impl Transport {
    /// The versions to offer, from the oldest.
    #[must_use]
    pub const fn versions(self) -> &'static [Version] {
        match self {
            Self::Stream => &[
                Version::Ssl30,
                Version::Tls10,
                Version::Tls11,
                Version::Tls12,
                Version::Tls13,
            ],
            Self::Datagrams => &[Version::Dtls10, Version::Dtls12],
        }
    }
}

/// Scans a listener. Each handshake is bounded by the limits. One that comes to no end is repeated once,
/// until one of its version fails both times: from then on none of that version is. Blocks; not counting
/// those, at most as many handshakes are made as there are suites and groups.
#[must_use]
pub fn scan(target: &ScanTarget, limits: Limits) -> Scan {
    let versions = target.transport.versions().iter();
    Scan {
        versions: versions
            .map(|version| Scanner::of(target, *version, limits).scan())
            .collect(),
    }
}

struct Scanner<'a> {
    target: &'a ScanTarget,
    version: Version,
    limits: Limits,
    spoken: Spoken,
    /// Whether a handshake that comes to no end is made again.
    is_patient: bool,
}

impl<'a> Scanner<'a> {
    const fn of(target: &'a ScanTarget, version: Version, limits: Limits) -> Self {
        Self {
            target,
            version,
            limits,
            spoken: Spoken::unheard(version),
            is_patient: true,
        }
    }

    /// A server that turns all suites down at once may still take some alone: one whose first choice
    /// cannot be completed.
    fn scan(mut self) -> Spoken {
        if let Some(reason) = unavailable(self.version) {
            self.spoken.answer = Answer::NotTested(reason);
            return self.spoken;
        }
        let all: Vec<_> = Group::ALL.into_iter().flat_map(Group::suites).collect();
        let (offered, _) = self.version.divided(&all);
        let first = self.handshake(&offered);
        let is_of_suites = matches!(
            &first,
            Ok(_) | Err(Answer::Refused(Alert::HANDSHAKE_FAILURE))
        );
        if let Err(answer) = &first {
            self.spoken.answer = answer.clone();
        }
        if is_of_suites {
            for group in self.version.groups() {
                let offer = self.offer(group);
                self.spoken.offers.push(offer);
            }
            self.conclude();
        }
        self.spoken
    }

    fn conclude(&mut self) {
        let offers = self.spoken.offers.iter();
        let accepted = offers.flat_map(|offer| offer.answer.accepted());
        let all: Vec<_> = accepted.cloned().collect();
        if !all.is_empty() {
            self.spoken.answer = Answer::Accepted(all);
        }
    }

    fn offer(&mut self, group: Group) -> Offer {
        let suites: Vec<_> = group.suites().collect();
        let (offered, missing) = self.version.divided(&suites);
        let (answer, rest) = if offered.is_empty() {
            (Answer::NotTested(MISSING.to_owned()), None)
        } else {
            self.exhausted(offered)
        };
        Offer {
            group,
            answer,
            rest,
            missing: missing.into_iter().map(|suite| suite.name).collect(),
        }
    }

    /// Takes out of the offer what the server chose, until it chooses nothing, or what is left comes to
    /// no end.
    fn exhausted(&mut self, mut suites: Vec<Suite>) -> (Answer, Option<Trouble>) {
        let mut accepted: Vec<Accepted> = Vec::new();
        while !suites.is_empty() {
            match self.handshake(&suites) {
                Ok(chosen) => {
                    let before = suites.len();
                    suites.retain(|suite| suite.name != chosen.suite);
                    // A server that chooses what was not offered ends it.
                    let is_of_the_offer = suites.len() < before;
                    accepted.push(chosen);
                    if !is_of_the_offer {
                        break;
                    }
                }
                Err(answer) if accepted.is_empty() => return (answer, None),
                Err(Answer::Failed(trouble)) => {
                    return (Answer::Accepted(accepted), Some(trouble));
                }
                Err(Answer::Accepted(_) | Answer::Refused(_) | Answer::NotTested(_)) => break,
            }
        }
        (Answer::Accepted(accepted), None)
    }

    /// What the server chooses of these suites, or why it chooses nothing.
    fn handshake(&mut self, suites: &[Suite]) -> Result<Accepted, Answer> {
        match self.attempt(suites) {
            Err(Answer::Failed(trouble)) if self.is_patient && may_pass(&trouble) => {
                let again = self.attempt(suites);
                self.is_patient = !matches!(&again, Err(Answer::Failed(_)));
                again
            }
            result => result,
        }
    }

    fn attempt(&mut self, suites: &[Suite]) -> Result<Accepted, Answer> {
        let reply = self.reply(suites, self.spoken.has_secure_renegotiation)?;
        let reply = match reply {
            Reply::WithoutSecureRenegotiation => {
                self.spoken.has_secure_renegotiation = false;
                self.reply(suites, false)?
            }
            reply => reply,
        };
        match reply {
            Reply::Chosen(chosen) => {
                self.note(&chosen);
                Ok(chosen.accepted)
            }
            Reply::Ended(Outcome::Refused(alert)) => Err(Answer::Refused(alert)),
            Reply::Ended(Outcome::Failed(trouble)) => Err(Answer::Failed(trouble)),
            Reply::Ended(Outcome::Completed | Outcome::Unanswered)
            | Reply::WithoutSecureRenegotiation => {
                Err(Answer::Failed(Trouble::Broken(NO_SUITE.to_owned())))
            }
        }
    }

    fn note(&mut self, chosen: &offer::Chosen) {
        self.spoken.has_staple |= chosen.has_staple;
        if self.spoken.chain.is_empty() {
            self.spoken.chain.clone_from(&chosen.chain);
        }
        if self.spoken.demand == Demand::Unknown {
            self.spoken.demand = chosen.demand;
        }
    }

    fn reply(&self, suites: &[Suite], is_strict: bool) -> Result<Reply, Answer> {
        let deadline = Instant::now() + self.limits.time;
        let socket = Socket::connect(&self.connection(), deadline);
        let wire = match socket {
            Ok(socket) => Wire::new(socket, self.protocol(), self.limits, deadline),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                return Err(Answer::Failed(Trouble::Silent(self.limits.time)));
            }
            Err(error) => return Err(Answer::Failed(trouble_of(&error))),
        };
        let offering = Offering {
            version: self.version,
            suites,
            server_name: self.target.server_name.as_deref(),
            is_strict,
        };
        offering
            .make(wire)
            .map_err(|stack| Answer::NotTested(crate::dial::reason(&stack)))
    }

    fn connection(&self) -> Target {
        Target {
            address: self.target.address,
            protocol: self.protocol(),
            server_name: None,
        }
    }

    /// What the socket and the framing of records go by.
    const fn protocol(&self) -> Protocol {
        match self.target.transport {
            Transport::Stream => match self.version {
                Version::Tls13 => Protocol::Tls13,
                Version::Ssl30
                | Version::Tls10
                | Version::Tls11
                | Version::Tls12
                | Version::Dtls10
                | Version::Dtls12 => Protocol::Tls12,
            },
            Transport::Datagrams => Protocol::Dtls12,
        }
    }
}

/// Whether another attempt may end otherwise.
const fn may_pass(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Silent(_)
        | Trouble::Slow(_)
        | Trouble::Endless(_)
        | Trouble::Cut
        | Trouble::Broken(_) => true,
        Trouble::Closed | Trouble::Unreachable(_) | Trouble::NotBegun(_) => false,
    }
}

const MISSING: &str = "OpenSSL was built without these suites";
const NO_SUITE: &str = "the handshake was completed without a cipher suite";
