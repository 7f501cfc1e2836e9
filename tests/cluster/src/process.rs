//! A process that can be recognised later: an id alone may have been given to another since.

use std::{fs, time::Duration};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::wait;

/// A process id together with what makes it unmistakable: when it started, in which boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pid: i32,
    /// Clock ticks between the machine's boot and the process's start.
    started: u64,
    boot: String,
}

impl ProcessId {
    /// The process that has `pid` now, unless it has ended already.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let started = start_of_living(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        Some(Self {
            pid,
            started,
            boot: boot()?,
        })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether that very process still runs. A zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // It may have ended since the check; that is what the signal was for.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Asks the process to end and makes it end if it has not after `grace`.
    pub(crate) fn end(&self, grace: Duration) {
        self.signal(Signal::TERM);
        if !wait::holds_within(grace, || !self.is_alive()) {
            self.signal(Signal::KILL);
            wait::holds_within(Duration::from_secs(10), || !self.is_alive());
        }
    }
}

fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// The start time in a line of `/proc/PID/stat`, `None` for a zombie (`proc_pid_stat(5)`).
fn start_of_living(stat: &str) -> Option<u64> {
    // The second field, the name, may hold spaces and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 1";

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        assert_eq!(start_of_living(STAT), Some(98765));
    }

    #[test]
    fn a_zombie_is_not_alive() {
        assert_eq!(start_of_living(&STAT.replace(" S ", " Z ")), None);
    }

    #[test]
    fn this_process_is_alive_and_its_id_alone_is_not_enough() {
        let own = ProcessId::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        assert!(
            !ProcessId {
                started: own.started + 1,
                ..own.clone()
            }
            .is_alive()
        );
        assert!(
            !ProcessId {
                boot: "another".to_owned(),
                ..own
            }
            .is_alive()
        );
    }
}
