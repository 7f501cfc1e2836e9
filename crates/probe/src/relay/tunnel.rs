//! The stream between the operator and an agent.

use std::{
    io::{self, ErrorKind},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use api::Fingerprint;
use openssl::{
    error::ErrorStack,
    ssl::{
        self, ErrorCode, HandshakeError, MidHandshakeSslStream, Ssl, SslContext, SslMethod,
        SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
    },
    x509::{X509StoreContextRef, X509VerifyResult},
};

use super::{Frames, bounded::Bounded};
use crate::{Identity, dial::reason, identity::fingerprint};

/// The leaves that an end accepts from the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted(pub Vec<Fingerprint>);

/// Why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    /// This end could not be set up.
    #[error("this end could not be set up: {0}")]
    NotBegun(String),
    /// It did not come to an end in time.
    #[error("the TLS handshake was not completed in time")]
    Slow,
    /// The other end shows a leaf that is not accepted.
    #[error("the other end shows a certificate that is not the one mounted there")]
    Stranger,
    /// It came to no end, for another reason.
    #[error("the TLS handshake failed: {0}")]
    Broken(String),
}

/// A stream of frames to an end that holds the key of an accepted leaf.
pub struct Tunnel {
    stream: SslStream<Bounded>,
    frames: Frames,
    shown: Fingerprint,
}

#[derive(Clone, Copy)]
enum End {
    Client,
    Server,
}

impl Tunnel {
    /// Takes up a connection as its server. Nothing is sent or received after the deadline.
    pub fn accept(
        stream: TcpStream,
        identity: &Identity,
        accepted: &Accepted,
        deadline: Instant,
    ) -> Result<Self, TunnelError> {
        Self::new(End::Server, stream, identity, accepted, deadline)
    }

    /// Takes up a connection as its client. Nothing is sent or received after the deadline.
    pub fn connect(
        stream: TcpStream,
        identity: &Identity,
        accepted: &Accepted,
        deadline: Instant,
    ) -> Result<Self, TunnelError> {
        Self::new(End::Client, stream, identity, accepted, deadline)
    }

    fn new(
        end: End,
        stream: TcpStream,
        identity: &Identity,
        accepted: &Accepted,
        deadline: Instant,
    ) -> Result<Self, TunnelError> {
        let shown = Shown::default();
        let ssl = context(end, identity, accepted, &shown)
            .and_then(|context| Ssl::new(&context))
            .map_err(|error| TunnelError::NotBegun(reason(&error)))?;
        let stream = Bounded::new(stream, deadline)
            .map_err(|error| TunnelError::NotBegun(error.to_string()))?;
        let first = match end {
            End::Client => ssl.connect(stream),
            End::Server => ssl.accept(stream),
        };
        let stream = shaken(first).map_err(|error| shown.told(accepted, error))?;
        // Whatever the library made of it: without an accepted leaf there is no stream.
        let leaf = stream.ssl().peer_certificate();
        let leaf = leaf.as_deref().and_then(fingerprint);
        match leaf.filter(|leaf| accepted.0.contains(leaf)) {
            Some(shown) => Ok(Self {
                stream,
                frames: Frames::default(),
                shown,
            }),
            None => Err(TunnelError::Stranger),
        }
    }

    /// The leaf of the other end.
    pub const fn shown(&self) -> Fingerprint {
        self.shown
    }

    /// Puts the end of all of it off, or brings it forward.
    pub fn end_at(&mut self, deadline: Instant) {
        self.stream.get_mut().deadline = deadline;
    }

    /// Sends a frame.
    pub fn send(&mut self, content: &[u8]) -> io::Result<()> {
        let frame = Frames::frame(content)?;
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match self.stream.ssl_write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) => return Err(io_error(error)),
            }
        }
        Ok(())
    }

    /// The next frame's content; [`ErrorKind::WouldBlock`] if none has come for a moment,
    /// [`ErrorKind::TimedOut`] if time is up.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        if let Some(frame) = self.frames.pop() {
            return Ok(frame);
        }
        let mut buffer = [0; 16 * 1024];
        match self.stream.ssl_read(&mut buffer) {
            Ok(length) => {
                self.frames.push(&buffer[..length]);
                self.frames
                    .pop()
                    .ok_or_else(|| ErrorKind::WouldBlock.into())
            }
            Err(error) => Err(io_error(error)),
        }
    }

    /// Whether more may be received without another byte from the network.
    pub fn has_more(&self) -> bool {
        self.frames.has_next() || self.stream.ssl().pending() > 0
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // The other end is told that this is the end, if it is still there.
        let _ = self.stream.shutdown();
    }
}

impl AsFd for Tunnel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.get_ref().stream().as_fd()
    }
}

fn shaken(
    first: Result<SslStream<Bounded>, HandshakeError<Bounded>>,
) -> Result<SslStream<Bounded>, TunnelError> {
    let mut result = first;
    loop {
        match result {
            Ok(stream) => return Ok(stream),
            Err(HandshakeError::WouldBlock(stream)) => result = stream.handshake(),
            Err(HandshakeError::SetupFailure(error)) => {
                return Err(TunnelError::NotBegun(reason(&error)));
            }
            Err(HandshakeError::Failure(stream)) => return Err(broken(&stream)),
        }
    }
}

fn broken(stream: &MidHandshakeSslStream<Bounded>) -> TunnelError {
    let error = stream.error();
    let met = error.io_error().map(io::Error::kind);
    if met == Some(ErrorKind::TimedOut) {
        return TunnelError::Slow;
    }
    let why = match (error.ssl_error(), error.io_error()) {
        (Some(stack), _) if !stack.errors().is_empty() => reason(stack),
        (_, Some(error)) => error.to_string(),
        (_, None) => "the connection was closed".to_owned(),
    };
    TunnelError::Broken(why)
}

/// The leaf that the other end showed, also where that ended the handshake.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Option<Fingerprint>>>);

impl Shown {
    fn note(&self, leaf: Option<Fingerprint>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = leaf;
    }

    /// What ended the handshake, if this end refused what it was shown.
    fn told(&self, accepted: &Accepted, error: TunnelError) -> TunnelError {
        let shown = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match shown {
            Some(leaf) if !accepted.0.contains(&leaf) => TunnelError::Stranger,
            Some(_) | None => error,
        }
    }
}

/// An end that trusts the accepted leaves and no CA. No session is ever resumed: each stream starts with
/// both certificates.
fn context(
    end: End,
    identity: &Identity,
    accepted: &Accepted,
    shown: &Shown,
) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(match end {
        End::Client => SslMethod::tls_client(),
        End::Server => SslMethod::tls_server(),
    })?;
    context.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_num_tickets(0)?;
    identity.present(&mut context)?;
    let (accepted, shown) = (accepted.clone(), shown.clone());
    context.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        move |_, verified| is_accepted(verified, &accepted, &shown),
    );
    Ok(context.build())
}

/// The leaf alone decides: the CA that signed it is not what makes it known.
fn is_accepted(verified: &mut X509StoreContextRef, accepted: &Accepted, shown: &Shown) -> bool {
    if verified.error_depth() > 0 {
        return true;
    }
    let leaf = verified.current_cert().and_then(fingerprint);
    shown.note(leaf);
    let accepts = leaf.is_some_and(|leaf| accepted.0.contains(&leaf));
    verified.set_error(if accepts {
        X509VerifyResult::OK
    } else {
        X509VerifyResult::APPLICATION_VERIFICATION
    });
    accepts
}

fn io_error(error: ssl::Error) -> io::Error {
    match error.code() {
        ErrorCode::WANT_READ => ErrorKind::WouldBlock.into(),
        ErrorCode::WANT_WRITE => io::Error::other("the other end does not read"),
        ErrorCode::ZERO_RETURN => ErrorKind::UnexpectedEof.into(),
        _ => error.into_io_error().unwrap_or_else(|error| {
            let why = error
                .ssl_error()
                .map_or_else(|| "closed".to_owned(), reason);
            io::Error::other(why)
        }),
    }
}
