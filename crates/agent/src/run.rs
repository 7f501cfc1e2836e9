//! The agent's life: look at the files and at coturn whenever something may have changed, and act.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    AgentArgs, endpoints,
    metrics::Metrics,
    pair::{self, Content, Fault, Pair, State},
    process::{Company, ProcessId, Processes, Seen},
    relay::{Pins, Relay},
    reload::{Due, Mounted, Readings},
    status::{Board, PairStatus, ProcessStatus, Status},
    watch::Watcher,
};

/// How often the files are looked at although no event came.
const CALM: Duration = Duration::from_secs(10);
/// The same while something is awaited: a pair, coturn, its handler, events.
const AWAITING: Duration = Duration::from_millis(500);

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}: {error}; choose another address with {option}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The option that sets it.
        option: &'static str,
        /// Why.
        error: io::Error,
    },
    /// The relay gets no thread.
    #[error("cannot start the relay: {0}")]
    Thread(io::Error),
    /// The process cannot be told to stop.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// The endpoints ended.
    #[error("the endpoints ended: {0}")]
    Endpoints(io::Error),
}

/// Runs the agent until it is told to stop.
pub async fn run(args: AgentArgs) -> Result<(), StartError> {
    let mut terminated = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let (board, metrics) = (Arc::new(Board::default()), Arc::new(Metrics::default()));
    let listener = listen(args.listen, "--listen")?;
    let pins = Arc::new(Pins::default());
    start_relay(&args, &pins, &metrics)?;
    let told = Told {
        board: Arc::clone(&board),
        metrics: Arc::clone(&metrics),
    };
    let served = endpoints::serve(listener, told);
    let agent = Agent {
        args,
        processes: Processes::default(),
        readings: Readings::default(),
        pins,
        board,
        metrics,
    };
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
        () = agent.watch() => Ok(()),
        ended = served => {
            let error = ended.err().unwrap_or_else(|| io::Error::other("unasked"));
            Err(StartError::Endpoints(error))
        }
    }
}

/// What the endpoints tell. Readiness is for people and for the operator, not for the pod's: calls go on
/// without the agent.
#[derive(Clone)]
struct Told {
    board: Arc<Board>,
    metrics: Arc<Metrics>,
}

impl endpoints::Source for Told {
    fn liveness(&self) -> Result<(), String> {
        self.board.liveness()
    }

    fn readiness(&self) -> Result<(), String> {
        self.board.readiness()
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        self.metrics.text()
    }
}

fn start_relay(
    args: &AgentArgs,
    pins: &Arc<Pins>,
    metrics: &Arc<Metrics>,
) -> Result<(), StartError> {
    if args.partners.is_empty() {
        return Ok(());
    }
    let listener = listen(args.relay_listen, "--relay-listen")?;
    let relay = Relay::new(args.partners.clone(), Arc::clone(pins), Arc::clone(metrics));
    relay.start(listener).map_err(StartError::Thread)
}

fn listen(address: SocketAddr, option: &'static str) -> Result<TcpListener, StartError> {
    let (listener, address) = endpoints::listen(address)
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        .map_err(|error| StartError::Listen {
            address,
            option,
            error,
        })?;
    tracing::info!(%address, option, "listening");
    Ok(listener)
}

struct Agent {
    args: AgentArgs,
    processes: Processes,
    readings: Readings,
    pins: Arc<Pins>,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
}

impl Agent {
    async fn watch(mut self) {
        let watcher = Watcher::new();
        loop {
            // Before the files are read: what changes afterwards wakes the next look.
            let unwatched = self.args.watch.iter().filter(|it| !watcher.watches(it));
            let has_events = unwatched.count() == 0;
            let status = self.look();
            let is_calm = has_events && status.trouble().is_none();
            watcher.wait(if is_calm { CALM } else { AWAITING }).await;
        }
    }

    /// Looks at everything, does what is due, and tells.
    fn look(&mut self) -> Status {
        let pairs: Vec<_> = self.args.watch.iter().map(|it| pair::read(it)).collect();
        if let Some(Ok(first)) = pairs.first() {
            self.pins.mount(first);
        }
        let process = match self.processes.look() {
            Ok(seen) => self.reload(mounted(&pairs).as_ref(), &seen),
            Err(error) => ProcessStatus::Refused(format!("cannot read /proc: {error}")),
        };
        let pairs = self.args.watch.iter().zip(&pairs);
        let status = Status {
            pairs: pairs.map(|(at, pair)| told(at, pair)).collect(),
            process,
        };
        self.tell(&status);
        status
    }

    /// Signals whom it is due, and says what there is of coturn.
    fn reload(&mut self, mounted: Option<&Mounted>, seen: &Seen) -> ProcessStatus {
        let mut process = present(seen, self.processes.own_uid());
        for due in self.readings.due(mounted, seen) {
            match (due, mounted) {
                (Due::LaterOn(id), _) => process = ProcessStatus::Starting(id.pid),
                (Due::Reload(id), Some(mounted)) => {
                    if let Some(why) = self.signal(id, mounted) {
                        process = ProcessStatus::Refused(why);
                    }
                }
                (Due::Reload(_), None) => {}
            }
        }
        process
    }

    /// Signals a coturn; why that failed, if it did.
    fn signal(&mut self, id: ProcessId, mounted: &Mounted) -> Option<String> {
        if let Err(error) = self.processes.reload(id) {
            self.metrics.failed();
            return Some(error.to_string());
        }
        self.readings.told(id, mounted);
        self.metrics.reloaded(Timestamp::now());
        let leaves = mounted.contents.iter().filter_map(Content::leaf);
        let leaves: Vec<_> = leaves.map(|leaf| leaf.to_string()).collect();
        let leaves = leaves.join(", ");
        tracing::info!(pid = id.pid, %leaves, "coturn was told to reload (SIGUSR2)");
        None
    }

    fn tell(&self, status: &Status) {
        self.metrics.show(status);
        if !self.board.put(status) {
            return;
        }
        if let Some(trouble) = status.trouble() {
            tracing::warn!("{trouble}");
        } else {
            tracing::info!("coturn runs, and each pair is whole");
        }
    }
}

/// What is mounted, if there is a whole pair in every directory.
fn mounted(pairs: &[Result<Pair, Fault>]) -> Option<Mounted> {
    let pairs: Option<Vec<_>> = pairs.iter().map(|pair| pair.as_ref().ok()).collect();
    let pairs = pairs?;
    Some(Mounted {
        since: pairs.iter().map(|pair| pair.since).max()?,
        contents: pairs.iter().map(|pair| pair.content.clone()).collect(),
    })
}

fn told(directory: &Path, pair: &Result<Pair, Fault>) -> PairStatus {
    let directory = directory.to_owned();
    match pair {
        Ok(pair) => PairStatus {
            directory,
            state: State::Whole,
            leaf: pair.content.leaf(),
            fault: None,
        },
        Err(fault) => PairStatus {
            directory,
            state: fault.state(),
            leaf: None,
            fault: Some(fault.to_string()),
        },
    }
}

fn present(seen: &Seen, own: u32) -> ProcessStatus {
    match (seen.stranger, seen.company) {
        (_, Company::None) => ProcessStatus::NotShared,
        (Some((pid, uid)), Company::Others) => ProcessStatus::Stranger { pid, uid, own },
        (None, Company::Others) if seen.coturns.is_empty() => ProcessStatus::NotFound,
        (None, Company::Others) => ProcessStatus::Running,
    }
}
