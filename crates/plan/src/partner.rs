//! Whether federation partners accept a certificate, as handshakes with them showed.

use std::{collections::BTreeMap, net::SocketAddr};

use api::{Fingerprint, Partner};
use jiff::{SignedDuration, Timestamp};

/// What is known of the partners.
pub type Answers = BTreeMap<Partner, Answered>;

/// What a partner answered last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The leaf that was presented.
    pub leaf: Fingerprint,
    /// What the partner made of it.
    pub answer: Answer,
    /// Whether it has accepted it, as far as is remembered.
    pub has_accepted: bool,
    /// What coturn would make of the partner's own certificate.
    pub own: Own,
    /// From where it was dialled.
    pub way: Way,
    /// When, by the API server's clock.
    pub at: Timestamp,
    /// Since when it answers so.
    pub since: Timestamp,
}

/// What a partner made of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The handshake was completed.
    Accepted,
    /// It refused: in words.
    Refused(String),
    /// It could not be asked: why.
    Unreached(String),
}

/// What coturn would make of a partner's own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// It would let the partner in.
    Trusted,
    /// It would turn the partner away: why.
    NotTrusted(String),
    /// That is not known: why.
    NotJudged(String),
}

/// From where a partner is dialled: many let in known addresses only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the operator's pod.
    Operator,
    /// From a pod of the workload, through the agent in it.
    Agent {
        /// The pod's name.
        pod: String,
        /// Where the agent relays.
        address: SocketAddr,
    },
}

/// A partner that is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whom.
    pub partner: Partner,
    /// From where.
    pub way: Way,
}

/// How soon a partner is asked again that did not accept, at first and at last.
const SOON: SignedDuration = SignedDuration::from_secs(30);
const LATE: SignedDuration = SignedDuration::from_mins(30);

impl Answered {
    /// When the partner is to be asked again about this leaf.
    pub(crate) fn next(&self, leaf: Fingerprint, interval: SignedDuration) -> Timestamp {
        if self.leaf != leaf {
            return Timestamp::MIN;
        }
        let pause = match (&self.answer, &self.own) {
            (Answer::Accepted, Own::Trusted | Own::NotJudged(_)) => interval,
            // What is corrected is noticed soon.
            (Answer::Refused(_) | Answer::Unreached(_), _)
            | (Answer::Accepted, Own::NotTrusted(_)) => {
                let lasts = self.at.duration_since(self.since);
                (lasts / 2).clamp(SOON, LATE).min(interval)
            }
        };
        self.at + pause
    }
}

impl Way {
    /// From where, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Operator => {
                "dialled from the operator, which partners that filter by address may not let in"
                    .to_owned()
            }
            Self::Agent { pod, .. } => format!("dialled from pod {pod}"),
        }
    }
}
