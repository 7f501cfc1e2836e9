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

/// At most sixteen publications, oldest first. Before the first there was none, or it is forgotten.
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
        while entries.len() > KEPT {
            forget_one(&mut entries);
        }
        Self(entries)
    }

    /// When `held` was published first, as far as the log reaches back.
    #[must_use]
    pub fn first(&self, held: Held) -> Option<Timestamp> {
        self.0
            .iter()
            .find(|entry| entry.held == held)
            .map(|entry| entry.from)
    }

    /// What the Secret held at some time within `[from, to]`, with the start of each interval.
    pub fn during(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Publication> + '_ {
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
            .map(|(entry, _)| *entry)
    }
}

/// Forgets the oldest entry. Where that is the leaf in service, which others overwrite again and
/// again, what came after it becomes one foreign interval instead: pods that started with the leaf
/// stay known to be current, and no pod becomes so that was not.
fn forget_one(entries: &mut Vec<Publication>) {
    let in_service = entries
        .iter()
        .rev()
        .map(|entry| entry.held)
        .find(|held| *held != Held::Foreign);
    if entries.first().map(|entry| entry.held) != in_service {
        entries.remove(0);
        return;
    }
    entries.remove(2);
    entries[1].held = Held::Foreign;
    if entries[2].held == Held::Foreign {
        entries.remove(2);
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
        let seen = |from, to| {
            log.during(at(from), at(to))
                .map(|entry| entry.held)
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(0, 9), []);
        assert_eq!(seen(12, 18), [leaf(1)]);
        assert_eq!(seen(18, 22), [leaf(1), Held::Foreign]);
        assert_eq!(seen(21, 29), [Held::Foreign]);
        assert_eq!(seen(31, 99), [leaf(1)]);
    }

    #[test]
    fn a_leaf_that_is_overwritten_again_and_again_keeps_its_first_publication() {
        let entries: Vec<_> = (0..40)
            .map(|n| (n, if n % 2 == 0 { leaf(1) } else { Held::Foreign }))
            .collect();
        let log = log(&entries);
        assert!(log.0.len() <= KEPT);
        assert_eq!(log.first(leaf(1)), Some(at(0)));
        assert_eq!(
            log.last(),
            Some(Publication {
                held: Held::Foreign,
                from: at(39)
            })
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_forgotten_is_never_told_as_a_leaf_that_was_not_published_then(
            numbers in proptest::collection::vec(0_u8..4, 1..60),
        ) {
            let held = |number: &u8| match number {
                0 => Held::Foreign,
                number => leaf(*number),
            };
            let entries: Vec<_> = (0..).step_by(10).zip(numbers.iter().map(held)).collect();
            let log = log(&entries);
            for (from, truly) in entries {
                let said: Vec<_> = log.during(at(from + 4), at(from + 5)).map(|entry| entry.held).collect();
                let right = said == [truly] || said.is_empty() || said == [Held::Foreign];
                proptest::prop_assert!(right, "{said:?} at {from}, but it was {truly:?}");
            }
        }
    }
}
