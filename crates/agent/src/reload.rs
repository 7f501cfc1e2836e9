//! Which coturn is to read its files anew: once for each change of what they hold.
//!
//! Pure: what is mounted and which processes there are come in.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use crate::{
    pair::Content,
    process::{Coturn, ProcessId, Reloads, Seen},
};

/// A coturn that started so soon after its files were put there is taken to have read those of before:
/// clocks differ by less, and a reload too many harms no call.
const DOUBT: Duration = Duration::from_secs(1);

/// What lies in all mounted directories, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// What each holds.
    pub contents: Vec<Content>,
    /// When the last of them changed.
    pub since: SystemTime,
}

/// What each coturn has read last, as far as is known.
#[derive(Debug, Default)]
pub struct Readings(HashMap<ProcessId, Vec<Content>>);

/// What is to be done for a coturn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Signal it.
    Reload(ProcessId),
    /// Signal it once it has its handler.
    LaterOn(ProcessId),
}

impl Readings {
    /// What is due. Without a whole pair in every directory nothing is: one signal has coturn read all of
    /// its files, and Wire's fork replaces a good pair by a broken one.
    pub fn due(&mut self, mounted: Option<&Mounted>, seen: &Seen) -> Vec<Due> {
        self.0
            .retain(|id, _| seen.coturns.iter().any(|coturn| coturn.id == *id));
        let Some(mounted) = mounted else {
            return Vec::new();
        };
        let due = |coturn: &&Coturn| !self.has_read(coturn, mounted);
        let due: Vec<_> = seen.coturns.iter().filter(due).copied().collect();
        for coturn in &seen.coturns {
            if !due.contains(coturn) {
                self.0.insert(coturn.id, mounted.contents.clone());
            }
        }
        due.into_iter().map(what_to_do).collect()
    }

    /// Whether a coturn is known to have read what is mounted. One that is met for the first time has if
    /// it started afterwards.
    fn has_read(&self, coturn: &Coturn, mounted: &Mounted) -> bool {
        match self.0.get(&coturn.id) {
            Some(read) => *read == mounted.contents,
            None => coturn.since > mounted.since + DOUBT,
        }
    }

    /// Notes that a coturn was told to read what is mounted.
    pub fn told(&mut self, id: ProcessId, mounted: &Mounted) {
        self.0.insert(id, mounted.contents.clone());
    }
}

fn what_to_do(coturn: Coturn) -> Due {
    match coturn.reloads {
        Reloads::OnSignal => Due::Reload(coturn.id),
        Reloads::NotYet => Due::LaterOn(coturn.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Company;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        START + Duration::from_secs(seconds)
    }

    fn coturn(pid: i32, since: u64) -> Coturn {
        Coturn::of(
            ProcessId {
                pid,
                started: since,
            },
            at(since),
        )
    }

    fn seen(coturns: &[Coturn]) -> Seen {
        Seen {
            coturns: coturns.to_vec(),
            stranger: None,
            company: Company::Others,
        }
    }

    fn mounted(content: u8, since: u64) -> Mounted {
        Mounted {
            contents: vec![Content::of(content)],
            since: at(since),
        }
    }

    #[test]
    fn whoever_started_before_the_pair_came_is_due_and_whoever_started_well_after_it_is_not() {
        let (early, late) = (coturn(7, 100), coturn(8, 200));
        let due = Readings::default().due(Some(&mounted(1, 150)), &seen(&[early, late]));
        assert_eq!(due, [Due::Reload(early.id)]);
    }

    #[test]
    fn where_the_clocks_cannot_tell_a_signal_too_many_is_sent() {
        let just_after = coturn(7, 151);
        let due = Readings::default().due(Some(&mounted(1, 150)), &seen(&[just_after]));
        assert_eq!(due, [Due::Reload(just_after.id)]);
    }

    #[test]
    fn what_was_told_is_not_due_again_before_the_content_changes() {
        let (process, mut readings) = (coturn(7, 100), Readings::default());
        let seen = seen(&[process]);
        readings.told(process.id, &mounted(1, 150));
        assert!(readings.due(Some(&mounted(1, 150)), &seen).is_empty());
        assert!(readings.due(Some(&mounted(1, 300)), &seen).is_empty());
        assert_eq!(readings.due(Some(&mounted(2, 300)), &seen).len(), 1);
    }

    #[test]
    fn what_was_due_stays_due_until_it_was_told() {
        let (process, mut readings) = (coturn(7, 100), Readings::default());
        for _ in 0..2 {
            let due = readings.due(Some(&mounted(1, 150)), &seen(&[process]));
            assert_eq!(due, [Due::Reload(process.id)]);
        }
    }

    #[test]
    fn a_process_of_the_same_id_is_another_one() {
        let (before, after, mut readings) = (coturn(7, 100), coturn(7, 120), Readings::default());
        readings.told(before.id, &mounted(1, 150));
        let due = readings.due(Some(&mounted(1, 150)), &seen(&[after]));
        assert_eq!(due, [Due::Reload(after.id)]);
    }
}
