//! Sockets that give up in time.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use crate::{Protocol, Target};

/// How long one read waits. OpenSSL sends a lost DTLS flight anew when it is asked again after its
/// timer (1 s, doubling; RFC 6347, section 4.2.4.1) has run out.
const PATIENCE: Duration = Duration::from_millis(100);

/// A connected socket.
pub(crate) enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Socket {
    /// Connects; a TCP connection has to be there by the deadline.
    pub(crate) fn connect(target: &Target, deadline: Instant) -> io::Result<Self> {
        match target.protocol {
            Protocol::Dtls12 => {
                let any: SocketAddr = match target.address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(target.address)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(Self::Udp(socket))
            }
            Protocol::Tls12 | Protocol::Tls13 | Protocol::Tls => {
                let left = deadline.saturating_duration_since(Instant::now());
                let stream = TcpStream::connect_timeout(&target.address, left.max(PATIENCE))?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }
}

/// A datagram. What was queued before an ICMP error comes after that; an empty one is none (RFC 6347,
/// section 4.1.2.7).
fn received(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    let result = match socket.recv(buffer) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            socket.recv(buffer).map_err(|_| error)
        }
        result => result,
    };
    match result {
        Ok(0) => Err(ErrorKind::WouldBlock.into()),
        result => result,
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => received(socket, buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.send(buffer),
            Self::Tcp(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
