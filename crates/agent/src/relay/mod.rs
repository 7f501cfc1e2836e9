//! The relay for the operator's handshakes with partners: partners filter by address, and it is the
//! pod's that they know. The format is [`probe::relay`]'s.
//!
//! Who holds the key of a leaf that lies, or lay last, in the pod may use it; it sends datagrams to the
//! partners of the command line and to nobody else. Bounded in connections, time and bytes.

mod connection;
mod pins;

use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use probe::Partner;

use crate::metrics::Metrics;

pub use connection::Ending;
pub use pins::Pins;

/// How many connections there may be at once.
pub const CONNECTIONS: usize = 4;
/// From a connection until both ends know each other and the partner is named.
const GREETING: Duration = Duration::from_secs(5);
/// How long to wait after the system refused a connection, as for lack of descriptors.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);

/// The relay of a pod.
#[derive(Clone)]
pub struct Relay {
    partners: Arc<Vec<Partner>>,
    pins: Arc<Pins>,
    metrics: Arc<Metrics>,
    open: Arc<AtomicUsize>,
    greeting: Duration,
}

impl Relay {
    /// For these partners.
    pub fn new(partners: Vec<Partner>, pins: Arc<Pins>, metrics: Arc<Metrics>) -> Self {
        Self {
            partners: Arc::new(partners),
            pins,
            metrics,
            open: Arc::default(),
            greeting: GREETING,
        }
    }

    /// Takes up connections until the process ends, on threads of its own.
    pub fn start(self, listener: TcpListener) -> io::Result<()> {
        thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || self.accept(&listener))
            .map(drop)
    }

    fn accept(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                thread::sleep(AFTER_AN_ERROR);
                continue;
            };
            // Closed at once: nothing is spent on a connection too many.
            let Some(place) = Place::take(&self.open) else {
                self.metrics.relayed(Ending::TooMany);
                continue;
            };
            let relay = self.clone();
            let serving = thread::Builder::new()
                .name("relayed".to_owned())
                .spawn(move || {
                    let ending = relay.serve(stream);
                    // Who sees it counted finds the place free.
                    drop(place);
                    relay.metrics.relayed(ending);
                });
            if let Err(error) = serving {
                tracing::warn!(%error, "no thread for a connection to the relay");
            }
        }
    }
}

impl Relay {
    fn serve(&self, stream: TcpStream) -> Ending {
        connection::serve(stream, &self.pins, &self.partners, self.greeting)
    }
}

/// One of the connections that there may be.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |open| (open < CONNECTIONS).then_some(open + 1);
        open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()
            .map(|_| Self(Arc::clone(open)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
