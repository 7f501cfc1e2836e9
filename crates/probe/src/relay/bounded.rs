//! A connection that ends in time, whatever comes how slowly.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// How long one read waits.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the other end may leave unread what was sent.
const UNREAD: Duration = Duration::from_secs(5);

/// OpenSSL reads on as long as each read brings a byte: the time is looked at in every one of them.
/// [`ErrorKind::TimedOut`] says that it is up.
pub(super) struct Bounded {
    stream: TcpStream,
    pub(super) deadline: Instant,
}

impl Bounded {
    pub(super) fn new(stream: TcpStream, deadline: Instant) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(UNREAD))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, deadline })
    }

    pub(super) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn in_time(&self) -> io::Result<()> {
        if Instant::now() < self.deadline {
            Ok(())
        } else {
            Err(ErrorKind::TimedOut.into())
        }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.in_time()?;
        self.stream.read(buffer)
    }
}

impl Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.in_time()?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
