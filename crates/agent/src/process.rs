//! Which processes are coturn, as `/proc` tells, and a signal that reaches the one that was looked at.
//!
//! SIGUSR2 ends a process that does not handle it: what is not known to be coturn, with its handler set
//! up, is not signalled.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, geteuid, getpid, pidfd_open, pidfd_send_signal},
    time::{ClockId, clock_gettime},
};

mod stat;

use stat::{Stat, Status};

/// What coturn's program is called.
pub const PROGRAM: &str = "turnserver";

/// A process: its id may be another's once it has ended, its id and start together are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// The process id in this pid namespace.
    pub pid: i32,
    /// When it started, in clock ticks since the node's boot (`proc(5)`, `starttime`).
    pub started: u64,
}

/// A coturn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coturn {
    /// Which process it is.
    pub id: ProcessId,
    /// When it started, by this node's clock; a hundredth of a second counts as none.
    pub since: SystemTime,
    /// Whether SIGUSR2 makes it reload.
    pub reloads: Reloads,
    parent: i32,
}

#[cfg(test)]
impl Coturn {
    pub(crate) const fn of(id: ProcessId, since: SystemTime) -> Self {
        Self {
            id,
            since,
            reloads: Reloads::OnSignal,
            parent: 1,
        }
    }
}

/// Whether a process has a handler for SIGUSR2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloads {
    /// It has one.
    OnSignal,
    /// Not yet: coturn sets it up after its start. The signal would end it.
    NotYet,
}

/// What is to be seen in `/proc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Coturns that may be signalled, none of them another's child.
    pub coturns: Vec<Coturn>,
    /// The coturn of another user, if there is one: its process id and real uid.
    pub stranger: Option<(i32, u32)>,
    /// Whether anything but this process is to be seen.
    pub company: Company,
}

/// Whether a process is alone in its pid namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Company {
    /// No other process is to be seen: the containers of the pod do not share their pid namespace, in
    /// which at least the pod's own first process would be.
    #[default]
    None,
    /// There are others.
    Others,
}

/// Why a process was not signalled.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// It has ended, or its id is another's already.
    #[error("process {0} has ended")]
    Ended(i32),
    /// The kernel does not allow it.
    #[error(
        "may not signal process {pid}: the agent's uid {own} is not coturn's, or a security profile forbids pidfd_send_signal"
    )]
    NotAllowed {
        /// The process.
        pid: i32,
        /// The agent's uid.
        own: u32,
    },
    /// The kernel cannot.
    #[error("cannot signal process {pid}: {error}; the agent needs Linux 5.3 or newer")]
    Failed {
        /// The process.
        pid: i32,
        /// Why.
        error: io::Error,
    },
}

/// The processes of this pid namespace.
#[derive(Clone, Debug)]
pub struct Processes {
    root: PathBuf,
    own_pid: i32,
    own_uid: u32,
}

impl Default for Processes {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/proc"),
            own_pid: getpid().as_raw_pid(),
            own_uid: geteuid().as_raw(),
        }
    }
}

impl Processes {
    /// Uid of this process.
    pub const fn own_uid(&self) -> u32 {
        self.own_uid
    }

    /// Looks for coturn.
    pub fn look(&self) -> io::Result<Seen> {
        let clocks = Clocks::read();
        let mut seen = Seen::default();
        let mut coturns = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let Some(pid) = pid_of(&entry?.path()).filter(|pid| *pid != self.own_pid) else {
                continue;
            };
            seen.company = Company::Others;
            match self.coturn(pid, clocks) {
                Some(Whose::Ours(coturn)) => coturns.push(coturn),
                Some(Whose::Strangers(uid)) => seen.stranger = Some((pid, uid)),
                None => {}
            }
        }
        let pids: Vec<_> = coturns.iter().map(|coturn| coturn.id.pid).collect();
        coturns.retain(|coturn| !pids.contains(&coturn.parent));
        coturns.sort_by_key(|coturn| coturn.id);
        seen.coturns = coturns;
        Ok(seen)
    }

    /// The coturn of this process id, if it is one. A process that ends meanwhile is none.
    fn coturn(&self, pid: i32, clocks: Clocks) -> Option<Whose> {
        let folder = self.root.join(pid.to_string());
        let stat: Stat = fs::read_to_string(folder.join("stat")).ok()?.parse().ok()?;
        if !stat.lives || stat.name != PROGRAM || !is_program(&folder) {
            return None;
        }
        let status: Status = fs::read_to_string(folder.join("status"))
            .ok()?
            .parse()
            .ok()?;
        if ![status.real_uid, status.saved_uid].contains(&self.own_uid) {
            return Some(Whose::Strangers(status.real_uid));
        }
        Some(Whose::Ours(Coturn {
            id: ProcessId {
                pid,
                started: stat.started,
            },
            since: clocks.wall_clock(stat.started),
            reloads: status.reloads,
            parent: stat.parent,
        }))
    }

    /// Has a coturn read its files anew. The process is held by a descriptor before it is looked at
    /// again: whatever has its id by then, nothing else is signalled.
    pub fn reload(&self, id: ProcessId) -> Result<(), SignalError> {
        let ended = SignalError::Ended(id.pid);
        let Some(pid) = Pid::from_raw(id.pid) else {
            return Err(ended);
        };
        let held =
            pidfd_open(pid, PidfdFlags::empty()).map_err(|error| self.refused(id.pid, error))?;
        match self.coturn(id.pid, Clocks::read()) {
            Some(Whose::Ours(coturn)) if coturn.id == id && coturn.reloads == Reloads::OnSignal => {
            }
            Some(_) | None => return Err(ended),
        }
        pidfd_send_signal(&held, Signal::USR2).map_err(|error| self.refused(id.pid, error))
    }

    fn refused(&self, pid: i32, error: Errno) -> SignalError {
        match error {
            Errno::SRCH => SignalError::Ended(pid),
            Errno::PERM | Errno::ACCESS => SignalError::NotAllowed {
                pid,
                own: self.own_uid,
            },
            error => SignalError::Failed {
                pid,
                error: error.into(),
            },
        }
    }
}

enum Whose {
    Ours(Coturn),
    Strangers(u32),
}

fn pid_of(path: &Path) -> Option<i32> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Whether the program of a process is coturn's: the file it runs, or, where that may not be seen (as of
/// a program with file capabilities), what it was started as. A script of that name runs its interpreter.
fn is_program(folder: &Path) -> bool {
    match fs::read_link(folder.join("exe")) {
        Ok(file) => {
            let shown = file.to_string_lossy();
            // What a replaced file is shown as.
            let file = shown.strip_suffix(" (deleted)").unwrap_or(&shown);
            is_named(Path::new(file))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let command = fs::read(folder.join("cmdline")).unwrap_or_default();
            let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
            is_named(Path::new(&*String::from_utf8_lossy(first)))
        }
        Err(_) => false,
    }
}

fn is_named(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == PROGRAM)
}

/// The clock of starts and the clock of files, at one moment.
#[derive(Clone, Copy)]
struct Clocks {
    since_boot: Duration,
    now: SystemTime,
}

impl Clocks {
    fn read() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        Self {
            since_boot: Duration::new(
                u64::try_from(boot.tv_sec).unwrap_or_default(),
                u32::try_from(boot.tv_nsec).unwrap_or_default(),
            ),
            now: SystemTime::now(),
        }
    }

    /// When a process started, by the clock that files have.
    fn wall_clock(self, ticks: u64) -> SystemTime {
        let a_second = rustix::param::clock_ticks_per_second().max(1);
        let started = Duration::from_millis(ticks.saturating_mul(1000) / a_second);
        let age = self.since_boot.saturating_sub(started);
        self.now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests;
