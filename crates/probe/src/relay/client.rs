//! The operator's end: a handshake with a partner through an agent.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{Accepted, Partner, Tunnel, TunnelError};
use crate::{Identity, Limits, Report, dial::through};

/// The least that a connection is waited for.
const PATIENCE: Duration = Duration::from_millis(100);

/// How many characters of what an agent says are told.
const WORDS: usize = 400;

/// An agent beside coturn that relays.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where it listens: the pod's address and the port named `cert-relay`.
    pub address: SocketAddr,
    /// The pairs by which it may know us, likeliest first: the one that is published, and the one before
    /// it, as the kubelet takes its time. At least one.
    pub identities: Vec<Identity>,
}

/// Dials a partner by DTLS 1.2 from the address of the agent's pod, and presents the identity, if there
/// is one and it is asked for. As [`dial`](crate::dial) else; the limits hold for all of it. An agent that
/// does not relay is a handshake that was [not begun](crate::Trouble::NotBegun).
#[must_use]
pub fn dial_through(
    relay: &Relay,
    partner: &Partner,
    identity: Option<&Identity>,
    limits: Limits,
) -> Report {
    through(partner, identity, limits, |deadline| {
        relay.path(partner, deadline)
    })
}

/// A way for datagrams to a partner.
pub(crate) struct Path {
    tunnel: Tunnel,
}

impl Relay {
    /// Has the agent relay to the partner; or what is in the way, in words.
    fn path(&self, partner: &Partner, deadline: Instant) -> Result<Path, String> {
        let mut tunnel = self.tunnel(deadline)?;
        let name = partner.to_string();
        let answer = tunnel
            .send(name.as_bytes())
            .and_then(|()| awaited(&mut tunnel));
        match answer {
            Ok(answer) if answer.is_empty() => Ok(Path { tunnel }),
            Ok(why) => Err(self.told(&words(&why))),
            Err(error) => Err(self.told(&format!(
                "it ends the connection ({error}): it relays for too many already, or another Secret is mounted there than the one published"
            ))),
        }
    }

    /// Connects, and presents the pair whose leaf the agent shows: that is the one that it knows.
    fn tunnel(&self, deadline: Instant) -> Result<Tunnel, String> {
        let leaf = |identity: &Identity| Some(*identity.fingerprints().ok()?.first()?);
        let known: Vec<_> = self.identities.iter().filter_map(leaf).collect();
        let accepted = Accepted(known);
        let likeliest = self.identities.first().ok_or("no pair to be known by")?;
        let first = self.connected(likeliest, &accepted, deadline)?;
        let fitting = |identity: &&Identity| leaf(identity) == Some(first.shown());
        match self.identities.iter().find(fitting) {
            Some(fitting) if leaf(fitting) != leaf(likeliest) => {
                // The agent has few places.
                drop(first);
                self.connected(fitting, &accepted, deadline)
            }
            Some(_) | None => Ok(first),
        }
    }

    fn connected(
        &self,
        identity: &Identity,
        accepted: &Accepted,
        deadline: Instant,
    ) -> Result<Tunnel, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let stream = TcpStream::connect_timeout(&self.address, left.max(PATIENCE))
            .map_err(|error| self.told(&error.to_string()))?;
        Tunnel::connect(stream, identity, accepted, deadline)
            .map_err(|error: TunnelError| self.told(&error.to_string()))
    }

    fn told(&self, why: &str) -> String {
        format!("the agent at {} does not relay: {why}", self.address)
    }
}

/// What the agent says, as one line of bounded length.
fn words(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let plain = said.chars().filter(|it| !it.is_control());
    plain.take(WORDS).collect()
}

fn awaited(tunnel: &mut Tunnel) -> io::Result<Vec<u8>> {
    loop {
        match tunnel.receive() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

impl io::Read for Path {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.tunnel.receive()?;
        if datagram.is_empty() {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        // As of a socket, what does not fit is lost.
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl io::Write for Path {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tunnel.send(buffer)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
