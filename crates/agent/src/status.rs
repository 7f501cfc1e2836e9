//! What the agent knows, in words: for its log, and for whoever asks `/readyz`.

use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use api::Fingerprint;

use crate::pair;

/// An agent that has not looked at its files for so long does not do so any more.
const STUCK: Duration = Duration::from_mins(1);

/// A mounted directory and what is the matter with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairStatus {
    /// The directory.
    pub directory: PathBuf,
    /// In which state its pair is.
    pub state: pair::State,
    /// The leaf, if it is whole.
    pub leaf: Option<Fingerprint>,
    /// What is wrong and what to do, if it is not.
    pub fault: Option<String>,
}

/// What there is of coturn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProcessStatus {
    /// It runs, and reloads on a signal.
    Running,
    /// It runs, and has not set up its handler.
    Starting(i32),
    /// It runs as another user.
    Stranger {
        /// Its process id.
        pid: i32,
        /// Its real uid.
        uid: u32,
        /// The agent's.
        own: u32,
    },
    /// It does not run.
    NotFound,
    /// No process of any other container is to be seen.
    NotShared,
    /// The kernel refuses what the agent needs.
    Refused(String),
}

impl ProcessStatus {
    /// The names of all states, as metrics have them.
    pub const NAMES: [&str; 6] = [
        "running",
        "starting",
        "stranger",
        "not-found",
        "not-shared",
        "refused",
    ];

    /// The state as metrics name it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting(_) => "starting",
            Self::Stranger { .. } => "stranger",
            Self::NotFound => "not-found",
            Self::NotShared => "not-shared",
            Self::Refused(_) => "refused",
        }
    }
}

impl fmt::Display for ProcessStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("coturn runs"),
            Self::Starting(pid) => write!(
                f,
                "turnserver (process {pid}) has no handler for SIGUSR2 yet; it is signalled once it has. One that never has it is older than coturn 4.5.0.8: update it, or let the pods be restarted"
            ),
            Self::Stranger { pid, uid, own } => write!(
                f,
                "turnserver (process {pid}) runs as uid {uid} and this agent as uid {own}, which may not signal it: set securityContext.runAsUser of the agent's container to {uid}"
            ),
            Self::NotFound => f.write_str("no process named turnserver runs in this pod"),
            Self::NotShared => f.write_str(
                "no process of another container is to be seen: set shareProcessNamespace: true in the pod's spec",
            ),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The directories, in the order of the command line.
    pub pairs: Vec<PairStatus>,
    /// coturn.
    pub process: ProcessStatus,
}

impl Status {
    /// What keeps the agent from its task; none if nothing does.
    pub fn trouble(&self) -> Option<String> {
        let process = (self.process != ProcessStatus::Running).then(|| self.process.to_string());
        let troubles: Vec<_> = self
            .pairs
            .iter()
            .filter_map(|pair| pair.fault.clone())
            .chain(process)
            .collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }
}

/// The newest status, for those who ask.
#[derive(Default)]
pub struct Board(Mutex<Option<(Instant, Status)>>);

impl Board {
    /// Puts up the newest status; says whether it differs from the one before.
    pub fn put(&self, status: &Status) -> bool {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = board.as_ref().is_none_or(|(_, before)| before != status);
        *board = Some((Instant::now(), status.clone()));
        differs
    }

    /// Whether a restart would not help.
    pub fn liveness(&self) -> Result<(), String> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*board {
            Some((at, _)) if at.elapsed() > STUCK => {
                Err("the agent does not look at its files any more".to_owned())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a change would reach coturn.
    pub fn readiness(&self) -> Result<(), String> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, status) = board.as_ref().ok_or("nothing was looked at yet")?;
        status.trouble().map_or(Ok(()), Err)
    }
}
