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

/// An interval of the log: it ends where the next one begins.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// What the Secret held; none if that is not known any more.
    #[serde(default, deserialize_with = "api::lenient::or_default")]
    pub held: Option<Held>,
    /// From when, as in [`Publication`]; the beginning of time before the log.
    pub from: Timestamp,
}

/// What is known of the time before a log.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Beginning {
    /// Nothing of the operator's was published before.
    First,
    /// Something may have been, but no leaf of the log: what it begins with was issued for it.
    Reissued,
    /// Anything may have been: the log begins with what was found published.
    #[default]
    Unknown,
}

/// At most sixteen intervals, oldest first.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PublicationLog {
    #[serde(default, deserialize_with = "api::lenient::or_default")]
    beginning: Beginning,
    #[serde(default)]
    intervals: Vec<Interval>,
}

const KEPT: usize = 16;

impl PublicationLog {
    /// A log of nothing.
    #[must_use]
    pub const fn empty(beginning: Beginning) -> Self {
        Self {
            beginning,
            intervals: Vec::new(),
        }
    }

    /// What is known of the time before it.
    #[must_use]
    pub const fn beginning(&self) -> Beginning {
        self.beginning
    }

    /// A log whose only entry is the first publication ever.
    #[must_use]
    pub fn starting_with(publication: Publication) -> Self {
        Self::empty(Beginning::First).with(publication)
    }

    /// A log whose only entry was found published, by whomever and after whatever.
    #[must_use]
    pub fn recovered(publication: Publication) -> Self {
        Self::empty(Beginning::Unknown).with(publication)
    }

    /// What was published last.
    #[must_use]
    pub fn last(&self) -> Option<Publication> {
        let last = self.intervals.last()?;
        Some(Publication {
            held: last.held?,
            from: last.from,
        })
    }

    /// When `held` was published last, if it still is.
    #[must_use]
    pub fn since(&self, held: Held) -> Option<Timestamp> {
        self.last()
            .filter(|last| last.held == held)
            .map(|last| last.from)
    }

    /// How often something else was published after the first publication of a leaf, as far as the
    /// log knows.
    #[must_use]
    pub fn overwritten_since(&self, leaf: Fingerprint) -> usize {
        let is_other = |interval: &&Interval| interval.held != Some(Held::Leaf(leaf));
        let since = self.intervals.iter().skip_while(is_other);
        since.filter(is_other).count()
    }

    /// Whether a leaf was published, as far as the log knows.
    #[must_use]
    pub fn holds(&self, leaf: Fingerprint) -> bool {
        let mut intervals = self.intervals.iter();
        intervals.any(|interval| interval.held == Some(Held::Leaf(leaf)))
    }

    /// When a leaf was published first after another one was for the first time, as far as the log knows.
    #[must_use]
    pub fn first_after(&self, leaf: Fingerprint, other: Fingerprint) -> Option<Timestamp> {
        let is = |interval: &Interval, leaf| interval.held == Some(Held::Leaf(leaf));
        let mut since = self.intervals.iter().skip_while(|it| !is(it, other));
        since
            .find(|interval| is(interval, leaf))
            .map(|interval| interval.from)
    }

    /// When a leaf was published first at or after a time, as far as the log knows.
    #[must_use]
    pub fn first_since(&self, leaf: Fingerprint, time: Timestamp) -> Option<Timestamp> {
        let mut since = self.intervals.iter().filter(|it| it.from >= time);
        since
            .find(|interval| interval.held == Some(Held::Leaf(leaf)))
            .map(|interval| interval.from)
    }

    /// The log with one more publication, unless nothing changed by it.
    #[must_use]
    pub fn with(&self, publication: Publication) -> Self {
        self.with_room(publication, 0)
    }

    /// The same with room for so many leaves more than sixteen, which pods may go on serving.
    #[must_use]
    pub fn with_room(&self, publication: Publication, more: usize) -> Self {
        let mut intervals = self.intervals.clone();
        let held = Some(publication.held);
        if intervals.last().is_none_or(|last| last.held != held) {
            let from = publication.from;
            intervals.push(Interval { held, from });
        }
        while intervals.len() > KEPT + more {
            forget_one(&mut intervals);
        }
        Self { intervals, ..*self }
    }

    /// The very first publication, if nothing of the operator's was published before it.
    #[must_use]
    pub fn true_first(&self) -> Option<Interval> {
        match self.beginning {
            Beginning::First => self.intervals.first().copied(),
            Beginning::Reissued | Beginning::Unknown => None,
        }
    }

    /// The same for whoever can have read that there was nothing before it.
    #[must_use]
    pub fn after_something_else(&self) -> Self {
        let beginning = match self.beginning {
            Beginning::First | Beginning::Reissued => Beginning::Reissued,
            Beginning::Unknown => Beginning::Unknown,
        };
        Self {
            beginning,
            intervals: self.intervals.clone(),
        }
    }

    /// From when on `held` may have been published: its first publication, or the beginning of time
    /// if it may have been published before the log.
    #[must_use]
    pub fn first(&self, held: Held) -> Option<Timestamp> {
        let position = self
            .intervals
            .iter()
            .position(|interval| interval.held == Some(held));
        // Something foreign tells nothing of what it overwrote.
        let predecessors = &self.intervals[..position.unwrap_or(self.intervals.len())];
        let none_known = predecessors
            .iter()
            .all(|interval| interval.held == Some(Held::Foreign));
        match self.beginning {
            Beginning::Unknown if none_known => Some(Timestamp::MIN),
            Beginning::First | Beginning::Reissued | Beginning::Unknown => {
                position.map(|position| self.intervals[position].from)
            }
        }
    }

    /// What the Secret held at some time within `[from, to]`, with the start of each interval.
    pub fn during(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Interval> + '_ {
        let before = match self.beginning {
            Beginning::First => None,
            Beginning::Reissued | Beginning::Unknown => Some(Interval {
                held: None,
                from: Timestamp::MIN,
            }),
        };
        let intervals = before.into_iter().chain(self.intervals.iter().copied());
        let ends = self
            .intervals
            .iter()
            .skip(usize::from(before.is_none()))
            .map(|next| Some(next.from))
            .chain([None]);
        intervals
            .zip(ends)
            .filter(move |(interval, end)| interval.from <= to && end.is_none_or(|end| from <= end))
            .map(|(interval, _)| interval)
    }
}

/// Makes one interval of the oldest two that follow each other and may be forgotten: what the Secret
/// held then is not known any more. May not: the first publication of a leaf that was seen lately.
/// One of these is in service, and pods are told apart by whether they are older than it.
fn forget_one(intervals: &mut Vec<Interval>) {
    let protected = lately_first(intervals);
    let free = |at: usize| !protected.contains(&Some(at));
    let oldest = (0..KEPT).find(|&at| free(at) && free(at + 1)).unwrap_or(0);
    intervals[oldest].held = None;
    intervals.remove(oldest + 1);
}

/// Where the two leaves that were seen last begin.
fn lately_first(intervals: &[Interval]) -> [Option<usize>; 2] {
    let mut leaves = intervals.iter().rev().filter_map(|interval| interval.held);
    let is_leaf = |held: &Held| match held {
        Held::Leaf(_) => true,
        Held::Foreign => false,
    };
    let last = leaves.find(is_leaf);
    let other = leaves.find(|held| is_leaf(held) && Some(*held) != last);
    [last, other].map(|leaf| {
        intervals
            .iter()
            .position(|interval| leaf.is_some() && interval.held == leaf)
    })
}

#[cfg(test)]
mod tests;
