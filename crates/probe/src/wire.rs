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
    /// What a write met. What was received before that is read first.
    unsent: Option<Trouble>,
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
            unsent: None,
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
        let over = if is_patience(&error) {
            self.unsent.take().or_else(|| self.too_late())
        } else {
            Some(self.trouble_by(&error))
        };
        match over {
            Some(trouble) => Err(self.fails(trouble)),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// A server that has answered was there.
    fn trouble_by(&self, error: &io::Error) -> Trouble {
        match trouble_of(error) {
            Trouble::Closed if self.received > 0 => Trouble::Cut,
            trouble => trouble,
        }
    }
}

/// Whether nothing has happened yet.
fn is_patience(error: &io::Error) -> bool {
    let waited = [
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
    ];
    waited.contains(&error.kind())
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
        let length = match self.stream.write(buffer) {
            Err(error) if !is_patience(&error) => {
                // The server may have said why before it went.
                self.unsent = Some(self.trouble_by(&error));
                buffer.len()
            }
            written => self.checked(written)?,
        };
        self.handshake.sent(&buffer[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
