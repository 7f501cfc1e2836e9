//! What the published Secret held, and from when: the evidence for what a pod has mounted.

use api::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the published Secret held.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Held {
    /// A pair of the operator's, by its leaf.
    Leaf(Fingerprint),
    /// Anything else.
    Foreign,
}

/// An entry of the log: from `from` on, the published Secret held `held`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Publication {
    /// What it held.
    pub held: Held,
    /// From when, by the API server's clock, whole seconds rounded down.
    pub from: Timestamp,
}

/// The last sixteen publications, oldest first. Before the first there was none, or it is
/// forgotten.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[serde(transparent)]
pub struct PublicationLog(Vec<Publication>);

const KEPT: usize = 16;

impl PublicationLog {
    /// A log whose only entry is this one.
    #[must_use]
    pub fn starting_with(publication: Publication) -> Self {
        Self(vec![publication])
    }

    /// What was published last.
    #[must_use]
    pub fn last(&self) -> Option<Publication> {
        self.0.last().copied()
    }

    /// When `held` was published last, if it still is.
    #[must_use]
    pub fn since(&self, held: Held) -> Option<Timestamp> {
        self.last()
            .filter(|last| last.held == held)
            .map(|last| last.from)
    }

    /// The log with one more publication, unless nothing changed by it.
    #[must_use]
    pub fn with(&self, publication: Publication) -> Self {
        let mut entries = self.0.clone();
        if entries
            .last()
            .is_none_or(|last| last.held != publication.held)
        {
            entries.push(publication);
        }
        let excess = entries.len().saturating_sub(KEPT);
        Self(entries.split_off(excess))
    }

    /// What the Secret held at some time within `[from, to]`.
    pub fn during(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Held> + '_ {
        let ends = self
            .0
            .iter()
            .skip(1)
            .map(|next| Some(next.from))
            .chain([None]);
        self.0
            .iter()
            .zip(ends)
            .filter(move |(entry, end)| entry.from <= to && end.is_none_or(|end| from <= end))
            .map(|(entry, _)| entry.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(byte: u8) -> Held {
        Held::Leaf(Fingerprint::from_digest([byte; 32]))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn log(entries: &[(i64, Held)]) -> PublicationLog {
        entries
            .iter()
            .fold(PublicationLog::default(), |log, &(from, held)| {
                log.with(Publication {
                    held,
                    from: at(from),
                })
            })
    }

    #[test]
    fn the_same_publication_again_keeps_its_first_time() {
        let log = log(&[(10, leaf(1)), (20, leaf(1))]);
        assert_eq!(log.since(leaf(1)), Some(at(10)));
    }

    #[test]
    fn only_the_last_sixteen_are_kept() {
        let entries: Vec<_> = (0..40)
            .map(|n| (n, leaf(u8::try_from(n).unwrap())))
            .collect();
        let log = log(&entries);
        assert_eq!(log.0.len(), KEPT);
        assert_eq!(log.last().unwrap().held, leaf(39));
    }

    #[test]
    fn a_window_sees_every_publication_it_touches() {
        let log = log(&[(10, leaf(1)), (20, Held::Foreign), (30, leaf(1))]);
        let seen = |from, to| log.during(at(from), at(to)).collect::<Vec<_>>();
        assert_eq!(seen(0, 9), []);
        assert_eq!(seen(12, 18), [leaf(1)]);
        assert_eq!(seen(18, 22), [leaf(1), Held::Foreign]);
        assert_eq!(seen(21, 29), [Held::Foreign]);
        assert_eq!(seen(31, 99), [leaf(1)]);
    }
}
