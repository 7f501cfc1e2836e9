//! What must not outlive this process when a signal ends it: the programs that it runs, with all
//! that they have started, and its clusters. One handler ends all of them.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::shell::shown;

/// How long programs may take that were asked to end; one of them may have a cluster to end.
const GRACE: Duration = Duration::from_mins(1);
/// Where the kernel tells what this process does about signals (`proc_pid_status(5)`).
const STATUS: &str = "/proc/self/status";
const POLL: Duration = Duration::from_millis(20);

/// What lives at the moment.
struct Living {
    clusters: BTreeSet<PathBuf>,
    groups: BTreeSet<i32>,
}

static LIVING: Mutex<Living> = Mutex::new(Living {
    clusters: BTreeSet::new(),
    groups: BTreeSet::new(),
});

fn living() -> MutexGuard<'static, Living> {
    // The sets are whole between any two changes, whoever panicked.
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, a signal that ends this process ends the cluster.
pub struct ClusterEnds {
    state: PathBuf,
}

/// Has the cluster in a state folder end if a signal ends this process.
pub fn cluster_with_this_process(state: &Path) -> anyhow::Result<ClusterEnds> {
    handle_signals()?;
    let state = state.to_owned();
    living().clusters.insert(state.clone());
    Ok(ClusterEnds { state })
}

impl Drop for ClusterEnds {
    fn drop(&mut self) {
        living().clusters.remove(&self.state);
    }
}

/// A program and all that it starts: a process group of its own. A signal that ends this process
/// ends it, and so does dropping the value before the program has ended. It cannot read from the
/// terminal.
pub struct Group {
    child: Child,
    id: i32,
    ended: bool,
}

impl Group {
    /// Starts a program.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        handle_signals()?;
        command.process_group(0).stdin(process::Stdio::null());
        // Held meanwhile: a signal finds either no program or one that it can end.
        let mut living = living();
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot start {}", shown(command)))?;
        let id = child.id().cast_signed();
        living.groups.insert(id);
        Ok(Self {
            child,
            id,
            ended: false,
        })
    }

    /// The program itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the program's end.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.ended = true;
        Ok(status)
    }

    /// Waits for the program's end; `None` if it does not come within `limit`, or before it is enough.
    pub fn wait_within(
        &mut self,
        limit: Duration,
        is_enough: impl Fn() -> bool,
    ) -> anyhow::Result<Option<ExitStatus>> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                return Ok(Some(status));
            }
            if started.elapsed() > limit || is_enough() {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }
}

impl Group {
    /// Ends what is left of the group, also after the program itself has ended.
    pub fn end(&mut self) {
        end_groups(&BTreeSet::from([self.id]), || {
            let _ = self.child.try_wait();
        });
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            end_groups(&BTreeSet::from([self.id]), || {
                // What has ended counts as a member of its group until it is reaped.
                let _ = self.child.try_wait();
            });
            let _ = self.child.wait();
        }
        living().groups.remove(&self.id);
    }
}

/// Asks the groups to end, and makes those end that do not.
fn end_groups(groups: &BTreeSet<i32>, mut reap: impl FnMut()) {
    let living = || {
        let ids = groups.iter().filter_map(|id| Pid::from_raw(*id));
        ids.filter(|id| test_kill_process_group(*id).is_ok())
            .collect::<Vec<_>>()
    };
    let signal = |signal| {
        for group in living() {
            // It may have ended since; that is what the signal is for.
            let _ = kill_process_group(group, signal);
        }
    };
    reap();
    signal(Signal::TERM);
    let asked = Instant::now();
    while !living().is_empty() && asked.elapsed() < GRACE {
        thread::sleep(POLL);
        reap();
    }
    signal(Signal::KILL);
}

/// The first signal ends all that lives and then this process, the second this process at once.
fn handle_signals() -> anyhow::Result<()> {
    static HANDLED: OnceLock<Result<(), String>> = OnceLock::new();
    let handled = HANDLED.get_or_init(|| {
        let mut wanted = vec![SIGINT, SIGTERM];
        // `nohup` has it ignored for a reason.
        if !is_ignored(SIGHUP, &fs::read_to_string(STATUS).unwrap_or_default()) {
            wanted.push(SIGHUP);
        }
        let mut signals = Signals::new(wanted).map_err(|error| error.to_string())?;
        thread::spawn(move || {
            let mut received = signals.forever();
            let Some(signal) = received.next() else {
                return;
            };
            thread::spawn(move || {
                end_all();
                process::exit(128 + signal);
            });
            if received.next().is_some() {
                process::exit(128 + signal);
            }
        });
        Ok(())
    });
    handled
        .clone()
        .map_err(|error| anyhow::anyhow!("cannot handle signals: {error}"))
}

/// Whether whoever started the process of this status has it ignore a signal.
fn is_ignored(signal: i32, status: &str) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Never lets go of the lock: nothing must start any more, and nobody report an end that this
/// caused.
fn end_all() {
    let living = living();
    end_groups(&living.groups, || {});
    for state in &living.clusters {
        eprintln!("\nending the cluster in {}", state.display());
        if let Err(error) = cluster::down(state) {
            eprintln!("the cluster did not end: {error}");
        }
    }
    std::mem::forget(living);
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    /// A shell that waits for a child which outlives it unless the group ends.
    fn with_a_child() -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 1000 & echo $!; wait"]);
        shell.stdout(Stdio::piped());
        shell
    }

    fn child_of(group: &mut Group) -> String {
        use std::io::{BufRead as _, BufReader};
        let mut line = String::new();
        let stdout = group.child().stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn runs(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[test]
    fn a_program_that_takes_too_long_ends_with_all_that_it_started() {
        let mut group = Group::start(&mut with_a_child()).unwrap();
        let child = child_of(&mut group);
        assert!(runs(&child));

        let limit = Duration::from_millis(50);
        assert!(group.wait_within(limit, || false).unwrap().is_none());
        drop(group);

        assert!(!runs(&child));
    }

    #[test]
    fn a_program_that_ends_in_time_tells_how() {
        let mut exit = Command::new("sh");
        let mut group = Group::start(exit.args(["-c", "exit 3"])).unwrap();
        let status = group
            .wait_within(Duration::from_secs(20), || false)
            .unwrap();
        assert_eq!(status.unwrap().code(), Some(3));
    }

    #[test]
    fn what_a_program_leaves_behind_ends_with_its_group() {
        let mut leaving = Command::new("sh");
        leaving.args(["-c", "sleep 1000 & echo $!"]);
        leaving.stdout(Stdio::piped());
        let mut group = Group::start(&mut leaving).unwrap();
        let child = child_of(&mut group);
        assert!(group.wait().unwrap().success() && runs(&child));
        group.end();
        assert!(!runs(&child));
    }

    #[test]
    fn a_signal_that_is_ignored_from_the_start_is_known() {
        let status = "Name:\txtask\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000004002\n";
        assert!(is_ignored(SIGHUP, status));
        assert!(!is_ignored(SIGINT, status) && !is_ignored(SIGTERM, status));
        assert!(!is_ignored(SIGHUP, ""));
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let mut group = Group::start(&mut Command::new("true")).unwrap();
        let id = group.id;
        group.wait().unwrap();
        assert!(living().groups.contains(&id));
        drop(group);
        assert!(!living().groups.contains(&id));
    }
}
