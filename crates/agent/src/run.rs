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

/// How long until an address is tried again that could not be listened on.
const AGAIN: Duration = Duration::from_secs(30);

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process cannot be told to stop.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

/// Runs the agent until it is told to stop. That coturn reloads is its task: it goes on without the
/// endpoints and the relay.
pub async fn run(args: AgentArgs) -> Result<(), StartError> {
    let mut terminated = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let (board, metrics) = (Arc::new(Board::default()), Arc::new(Metrics::default()));
    let pins = Arc::new(Pins::default());
    let told = Told {
        board: Arc::clone(&board),
        metrics: Arc::clone(&metrics),
    };
    let endpoints = serve(args.listen, told);
    let relay = relay(args.clone(), Arc::clone(&pins), Arc::clone(&metrics));
    let agent = Agent {
        args,
        processes: Processes::default(),
        readings: Readings::default(),
        pins,
        board,
        metrics,
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        ((), (), ()) = async { tokio::join!(agent.watch(), endpoints, relay) } => {}
    }
    Ok(())
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

/// Serves the endpoints, for ever.
async fn serve(address: SocketAddr, told: Told) {
    loop {
        let listener = listening(address, "--listen", AGAIN).await;
        if let Err(error) = endpoints::serve(listener, told.clone()).await {
            tracing::warn!(%error, "the endpoints ended; they are begun anew");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Has the relay take up connections, if partners are named.
async fn relay(args: AgentArgs, pins: Arc<Pins>, metrics: Arc<Metrics>) {
    if args.partners.is_empty() {
        return;
    }
    let relay = Relay::new(args.partners, pins, metrics);
    loop {
        let listener = listening(args.relay_listen, "--relay-listen", AGAIN).await;
        match relay.clone().start(listener) {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "the relay gets no thread; it is tried again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Listens on an address, as soon as that can be done.
async fn listening(address: SocketAddr, option: &str, again: Duration) -> TcpListener {
    loop {
        let listening = endpoints::listen(address)
            .and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        match listening {
            Ok((listener, address)) => {
                tracing::info!(%address, option, "listening");
                return listener;
            }
            Err(error) => tracing::warn!(
                "cannot listen on {address}: {error}; choose another address with {option}; certificates are reloaded \
                 all the same, and it is tried again in {} s",
                again.as_secs()
            ),
        }
        tokio::time::sleep(again).await;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_taken_is_listened_on_once_it_is_free() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let again = Duration::from_millis(50);
        let awaited = tokio::spawn(listening(address, "--listen", again));
        tokio::time::sleep(4 * again).await;
        assert!(!awaited.is_finished());
        drop(taken);
        let listener = awaited.await.unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
    }
}
