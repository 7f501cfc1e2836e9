//! A stream that ends in time and after so many bytes, and is looked at in passing.

use std::{
    io::{self, ErrorKind, Read, Write},
    time::Instant,
};

use crate::{Limits, Protocol, Trouble, handshake::Handshake};

/// What is read and written goes through here.
pub(crate) struct Wire<S> {
    stream: S,
    limits: Limits,
    deadline: Instant,
    received: usize,
    /// Why nothing more comes or goes.
    pub(crate) trouble: Option<Trouble>,
    pub(crate) handshake: Handshake,
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S, protocol: Protocol, limits: Limits, deadline: Instant) -> Self {
        Self {
            stream,
            limits,
            deadline,
            received: 0,
            trouble: None,
            handshake: Handshake::of(protocol),
        }
    }

    /// What is the matter if it came to no end by now.
    pub(crate) fn too_late(&self) -> Option<Trouble> {
        (Instant::now() >= self.deadline).then_some(match self.received {
            0 => Trouble::Silent(self.limits.time),
            _ => Trouble::Slow(self.limits.time),
        })
    }

    fn fails(&mut self, trouble: Trouble) -> io::Error {
        self.trouble.get_or_insert(trouble);
        io::Error::other("the handshake was given up")
    }

    /// A read that waited for nothing may be tried again.
    fn checked(&mut self, result: io::Result<usize>) -> io::Result<usize> {
        let error = match result {
            Ok(length) => return Ok(length),
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                match self.too_late() {
                    Some(trouble) => Err(self.fails(trouble)),
                    None => Err(ErrorKind::WouldBlock.into()),
                }
            }
            _ => Err(self.fails(trouble_of(&error))),
        }
    }
}

/// What an error of a socket means.
pub(crate) fn trouble_of(error: &io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::ConnectionRefused => Trouble::Closed,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Trouble::Cut,
        _ => Trouble::Unreachable(error.to_string()),
    }
}

impl<S: Read> Read for Wire<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(trouble) = self.too_late() {
            return Err(self.fails(trouble));
        }
        let read = self.stream.read(buffer);
        let length = self.checked(read)?;
        self.received += length;
        if self.received > self.limits.bytes {
            return Err(self.fails(Trouble::Endless(self.limits.bytes)));
        }
        self.handshake.received(&buffer[..length]);
        Ok(length)
    }
}

impl<S: Write> Write for Wire<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(buffer);
        let length = self.checked(written)?;
        self.handshake.sent(&buffer[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
