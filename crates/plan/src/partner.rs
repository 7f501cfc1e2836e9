//! Whether federation partners accept a certificate, as handshakes with them showed.

use std::{collections::BTreeMap, net::SocketAddr};

use api::{Fingerprint, Partner, Reason};
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
    /// It asked for a certificate, was shown it, and completed the handshake.
    Accepted,
    /// It completed the handshake and asked for no certificate: it has judged none.
    NotAsked,
    /// It refused: in words.
    Refused(String),
    /// It could not be asked: why.
    Unreached(String),
}

/// What a partner made of a certificate that is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// Who was asked.
    pub partner: Partner,
    /// What it made of the next certificate.
    pub next: Answer,
    /// What it made of the one in service right afterwards, if it was shown that as well.
    pub current: Option<Answer>,
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

/// What the result of asking a partner may be.
pub const RESULTS: [Reason; 5] = [
    Reason::Accepted,
    Reason::CertificateNotRequested,
    Reason::Unreachable,
    Reason::PartnerNotTrusted,
    Reason::PartnerRefuses,
];

/// The result of asking a partner, as status tells it.
#[must_use]
pub const fn result(answer: &Answer, own: &Own) -> Reason {
    match (answer, own) {
        (Answer::Accepted, Own::Trusted | Own::NotJudged(_)) => Reason::Accepted,
        (Answer::Accepted, Own::NotTrusted(_)) => Reason::PartnerNotTrusted,
        (Answer::NotAsked, _) => Reason::CertificateNotRequested,
        (Answer::Refused(_), _) => Reason::PartnerRefuses,
        (Answer::Unreached(_), _) => Reason::Unreachable,
    }
}

/// A partner that is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whom.
    pub partner: Partner,
    /// From where.
    pub way: Way,
    /// From where else, in this order, if the agent there does not relay.
    pub instead: Vec<Way>,
}

/// How soon a partner is asked again that did not accept, at first and at last.
const SOON: SignedDuration = SignedDuration::from_secs(30);
const LATE: SignedDuration = SignedDuration::from_mins(30);

/// What a handshake with a partner showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The leaf that was presented.
    pub leaf: Fingerprint,
    /// What the partner made of it.
    pub answer: Answer,
    /// What coturn would make of the partner's own certificate.
    pub own: Own,
    /// From where it was dialled.
    pub way: Way,
    /// When, by the API server's clock.
    pub at: Timestamp,
}

impl Answered {
    /// What is known of a partner after a handshake, with what was known before. What it made of another
    /// leaf counts no more.
    #[must_use]
    pub fn after(before: Option<&Self>, heard: Heard) -> Self {
        let before = before.filter(|before| before.leaf == heard.leaf);
        let has_accepted = match &heard.answer {
            Answer::Accepted => true,
            Answer::Refused(_) | Answer::NotAsked => false,
            // That it could not be asked this time says nothing else.
            Answer::Unreached(_) => before.is_some_and(|before| before.has_accepted),
        };
        let since = before
            .filter(|before| before.answer == heard.answer)
            .map_or(heard.at, |before| before.since);
        Self {
            leaf: heard.leaf,
            answer: heard.answer,
            has_accepted,
            own: heard.own,
            way: heard.way,
            at: heard.at,
            since,
        }
    }

    /// When the partner is to be asked again about this leaf.
    pub(crate) fn next(&self, leaf: Fingerprint, interval: SignedDuration) -> Timestamp {
        if self.leaf != leaf {
            return Timestamp::MIN;
        }
        let pause = match (&self.answer, &self.own) {
            (Answer::Accepted, Own::Trusted | Own::NotJudged(_)) => interval,
            // What is corrected is noticed soon.
            (Answer::Refused(_) | Answer::NotAsked | Answer::Unreached(_), _)
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn refused() -> Answer {
        Answer::Refused("unknown CA".to_owned())
    }

    fn unreached() -> Answer {
        Answer::Unreached("silent".to_owned())
    }

    /// What was heard of a leaf in this minute.
    fn heard(leaf: u8, answer: Answer, minute: i64) -> Heard {
        Heard {
            leaf: Fingerprint::from_digest([leaf; 32]),
            answer,
            own: Own::Trusted,
            way: Way::Operator,
            at: at(minute),
        }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    /// After these answers about one leaf, one a minute.
    fn after(answers: &[Answer]) -> Answered {
        let heard = (0..)
            .zip(answers)
            .map(|(minute, answer)| heard(1, answer.clone(), minute));
        let known = heard.fold(None, |before: Option<Answered>, heard| {
            Some(Answered::after(before.as_ref(), heard))
        });
        known.unwrap()
    }

    #[rstest]
    #[case::it_accepts(&[Answer::Accepted], true)]
    #[case::it_never_answered(&[unreached()], false)]
    #[case::it_does_not_answer_any_more(&[Answer::Accepted, unreached(), unreached()], true)]
    #[case::it_refuses_by_now(&[Answer::Accepted, refused()], false)]
    #[case::it_refused_and_does_not_answer(&[Answer::Accepted, refused(), unreached()], false)]
    #[case::it_refused_once(&[refused(), Answer::Accepted], true)]
    #[case::it_asks_for_no_certificate(&[Answer::NotAsked], false)]
    #[case::it_asks_for_none_any_more(&[Answer::Accepted, Answer::NotAsked, unreached()], false)]
    fn it_has_accepted_unless_it_refused_since(#[case] answers: &[Answer], #[case] expected: bool) {
        assert_eq!(after(answers).has_accepted, expected);
    }

    #[rstest]
    #[case(Answer::Accepted)]
    #[case(Answer::NotAsked)]
    #[case(refused())]
    #[case(unreached())]
    fn every_result_is_listed(#[case] answer: Answer) {
        for own in [Own::Trusted, Own::NotTrusted(String::new())] {
            assert!(RESULTS.contains(&result(&answer, &own)));
        }
    }

    #[test]
    fn an_answer_stands_since_it_was_given_first() {
        let known = after(&[unreached(), refused(), refused()]);
        assert_eq!((known.since, known.at), (at(1), at(2)));
    }

    #[test]
    fn what_it_made_of_another_leaf_counts_no_more() {
        let before = after(&[unreached(), Answer::Accepted]);
        let known = Answered::after(Some(&before), heard(2, unreached(), 5));
        assert!(!known.has_accepted);
        let known = Answered::after(Some(&before), heard(2, Answer::Accepted, 5));
        assert_eq!(known.since, at(5));
    }
}
