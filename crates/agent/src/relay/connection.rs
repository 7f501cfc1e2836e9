//! One connection to the relay, from its handshake to its end.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use probe::{
    Partner,
    relay::{Tunnel, TunnelError},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::Pins;

/// From the connection to its end.
const TIME: Duration = Duration::from_secs(30);
/// Bytes that may go in either direction: a handshake has a few kilobytes.
const BYTES: usize = 256 * 1024;
/// Bytes of a frame beside its content.
const FRAMING: usize = 2;
/// How long one look for what came takes at most.
const PATIENCE: Duration = Duration::from_millis(250);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client had enough.
    Done,
    /// There were as many as there may be.
    TooMany,
    /// No whole pair lies in the pod, by which to know a client.
    NoPair,
    /// The client does not hold the key of the leaf that lies there.
    Stranger,
    /// It came to no handshake.
    NoHandshake,
    /// The partner is none of the command line's.
    NotAllowed,
    /// The partner has no address, or cannot be reached.
    Unreachable,
    /// Time was up, or bytes.
    Bounds,
    /// The connection broke.
    Broken,
}

impl Ending {
    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::TooMany => "too-many",
            Self::NoPair => "no-pair",
            Self::Stranger => "stranger",
            Self::NoHandshake => "no-handshake",
            Self::NotAllowed => "not-allowed",
            Self::Unreachable => "unreachable",
            Self::Bounds => "bounds",
            Self::Broken => "broken",
        }
    }
}

/// Serves a connection to its end. Within the time of the greeting both ends are to know each other, and
/// the partner is to be named.
pub(super) fn serve(
    stream: TcpStream,
    pins: &Pins,
    partners: &[Partner],
    greeting: Duration,
) -> Ending {
    let ending = relayed(stream, pins, partners, greeting);
    tracing::debug!(ending = ending.name(), "a connection to the relay ended");
    ending
}

fn relayed(stream: TcpStream, pins: &Pins, partners: &[Partner], greeting: Duration) -> Ending {
    let started = Instant::now();
    let greeted = started + greeting;
    let Some((identity, accepted)) = pins.now() else {
        return Ending::NoPair;
    };
    let mut tunnel = match Tunnel::accept(stream, &identity, &accepted, greeted) {
        Ok(tunnel) => tunnel,
        Err(TunnelError::Stranger) => return Ending::Stranger,
        Err(TunnelError::NotBegun(_) | TunnelError::Slow | TunnelError::Broken(_)) => {
            return Ending::NoHandshake;
        }
    };
    match asked_for(&mut tunnel, partners, greeted) {
        Ok(partner) => {
            tunnel.end_at(started + TIME);
            Exchange::new(tunnel, partner, started + TIME).run()
        }
        Err(ending) => ending,
    }
}

/// The way to the partner that the client's first frame names.
fn asked_for(
    tunnel: &mut Tunnel,
    partners: &[Partner],
    deadline: Instant,
) -> Result<UdpSocket, Ending> {
    let name = awaited(tunnel)?;
    let name = String::from_utf8_lossy(&name);
    let asked = name.parse::<Partner>().ok();
    let Some(partner) = partners.iter().find(|it| Some(*it) == asked.as_ref()) else {
        let name: String = name.chars().take(300).collect();
        let name = name.escape_debug();
        let why = format!("\"{name}\" is not among its partners; start it with --partner {name}");
        return Err(refused(tunnel, &why, Ending::NotAllowed));
    };
    match connected(partner, deadline) {
        Ok(socket) if tunnel.send(&[]).is_ok() => {
            tracing::info!(%partner, "a handshake is relayed");
            Ok(socket)
        }
        Ok(_) => Err(Ending::Broken),
        Err(error) => {
            let why = format!("{partner} cannot be reached from its pod: {error}");
            Err(refused(tunnel, &why, Ending::Unreachable))
        }
    }
}

fn awaited(tunnel: &mut Tunnel) -> Result<Vec<u8>, Ending> {
    loop {
        match tunnel.receive() {
            Ok(frame) => return Ok(frame),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => {}
                ErrorKind::TimedOut => return Err(Ending::Bounds),
                _ => return Err(Ending::Broken),
            },
        }
    }
}

fn refused(tunnel: &mut Tunnel, why: &str, ending: Ending) -> Ending {
    // Whom nobody told is gone.
    let _ = tunnel.send(why.as_bytes());
    tracing::warn!("a handshake is not relayed: {why}");
    ending
}

/// A socket that receives from the partner alone.
fn connected(partner: &Partner, deadline: Instant) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(ErrorKind::NotFound, "its name has no address");
    for address in resolved(partner, deadline)? {
        match connected_to(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The partner's addresses. The system's resolver knows no deadline, and is not waited for after it.
fn resolved(partner: &Partner, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    let (found, awaited) = mpsc::channel();
    let name = (partner.host.clone(), partner.port);
    thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(move || {
            let addresses = name.to_socket_addrs().map(Iterator::collect);
            // Who asked may be gone.
            let _ = found.send(addresses);
        })?;
    let left = deadline.saturating_duration_since(Instant::now());
    awaited.recv_timeout(left).unwrap_or_else(|_| {
        Err(io::Error::new(
            ErrorKind::TimedOut,
            "its name is not resolved in time",
        ))
    })
}

fn connected_to(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Datagrams in both directions.
struct Exchange {
    tunnel: Tunnel,
    partner: UdpSocket,
    deadline: Instant,
    sent: usize,
    received: usize,
    /// What was received last; no datagram is longer.
    datagram: Vec<u8>,
}

/// On which side there is something to read.
#[derive(Clone, Copy)]
struct Ready {
    tunnel: bool,
    partner: bool,
}

impl Exchange {
    fn new(tunnel: Tunnel, partner: UdpSocket, deadline: Instant) -> Self {
        Self {
            tunnel,
            partner,
            deadline,
            sent: 0,
            received: 0,
            datagram: vec![0; 65_535],
        }
    }

    fn run(mut self) -> Ending {
        loop {
            if let Err(ending) = self.turn() {
                return ending;
            }
        }
    }

    fn turn(&mut self) -> Result<(), Ending> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.sent.max(self.received) > BYTES {
            return Err(Ending::Bounds);
        }
        let ready = self.wait(left.min(PATIENCE)).map_err(|_| Ending::Broken)?;
        if ready.tunnel {
            self.pass_on()?;
        }
        if ready.partner {
            self.pass_back()?;
        }
        Ok(())
    }

    fn wait(&self, longest: Duration) -> io::Result<Ready> {
        let has_more = self.tunnel.has_more();
        let longest = if has_more { Duration::ZERO } else { longest };
        let timeout = Timespec::try_from(longest).map_err(io::Error::other)?;
        let mut sides = [
            PollFd::new(&self.tunnel, PollFlags::IN),
            PollFd::new(&self.partner, PollFlags::IN),
        ];
        match poll(&mut sides, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Ready {
            tunnel: has_more || !sides[0].revents().is_empty(),
            partner: !sides[1].revents().is_empty(),
        })
    }

    fn pass_on(&mut self) -> Result<(), Ending> {
        let datagram = match self.tunnel.receive() {
            Ok(datagram) => datagram,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(Ending::Done),
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(Ending::Bounds),
            Err(_) => return Err(Ending::Broken),
        };
        // What is empty costs as well.
        self.sent += datagram.len() + FRAMING;
        if datagram.is_empty() {
            return Ok(());
        }
        match self.partner.send(&datagram) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => self.closed(),
            // A datagram may get lost.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn pass_back(&mut self) -> Result<(), Ending> {
        match self.partner.recv(&mut self.datagram) {
            // To a client an empty one means something else.
            Ok(0) => Ok(()),
            Ok(length) => {
                self.received += length;
                let sent = self.tunnel.send(&self.datagram[..length]);
                sent.map_err(|_| Ending::Broken)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => self.closed(),
            Err(_) => Ok(()),
        }
    }

    /// Tells the client that the partner's port is closed.
    fn closed(&mut self) -> Result<(), Ending> {
        self.tunnel.send(&[]).map_err(|_| Ending::Broken)
    }
}
