//! A handshake as a client, to see what a server shows.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use openssl::{
    error::ErrorStack,
    ssl::{
        self, ErrorCode, Ssl, SslAlert, SslCipherRef, SslContext, SslContextBuilder, SslMethod,
        SslOptions, SslRef, SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
    },
    x509::{X509, X509Ref},
};

use crate::{
    Alert, Certificate, Demand, Identity, Limits, Outcome, Partner, Protocol, Report, Session,
    Target, Trouble, identity::fingerprint, relay::Path, socket::Socket, wire::Wire,
    wire::trouble_of,
};

/// All suites of this OpenSSL by which a server shows a certificate: what is served is to be seen, not to
/// be liked. Servers that know nothing of secure renegotiation (RFC 5746) are refused all the same.
const CIPHERS: &str = "ALL:!aNULL:!PSK:!SRP:@SECLEVEL=0";
/// A datagram that arrives on every path.
pub(crate) const MTU: u32 = 1200;
/// Dials a server and presents the identity, if there is one and it is asked for. Nothing that the
/// server shows is verified. Blocks for at most `limits.time`, and a moment.
#[must_use]
pub fn dial(target: &Target, identity: Option<&Identity>, limits: Limits) -> Report {
    let started = Instant::now();
    let mut report = shaken(target, identity, limits, started);
    report.elapsed = started.elapsed();
    report
}

fn shaken(
    target: &Target,
    identity: Option<&Identity>,
    limits: Limits,
    started: Instant,
) -> Report {
    let deadline = started + limits.time;
    let socket = match Socket::connect(target, deadline) {
        Ok(socket) => socket,
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            return failed(Trouble::Silent(limits.time));
        }
        Err(error) => return failed(trouble_of(&error)),
    };
    let wire = Wire::new(socket, target.protocol, limits, deadline);
    shake(
        target.protocol,
        target.server_name.as_deref(),
        identity,
        wire,
    )
}

/// The same with a partner, on a way that is found first.
pub(crate) fn through(
    partner: &Partner,
    identity: Option<&Identity>,
    limits: Limits,
    path: impl FnOnce(Instant) -> Result<Path, String>,
) -> Report {
    let started = Instant::now();
    let deadline = started + limits.time;
    let mut report = match path(deadline) {
        Ok(path) => {
            let wire = Wire::new(path, Protocol::Dtls12, limits, deadline);
            shake(Protocol::Dtls12, partner.server_name(), identity, wire)
        }
        Err(why) => failed(Trouble::NotBegun(why)),
    };
    report.elapsed = started.elapsed();
    report
}

fn shake<S: Read + Write>(
    protocol: Protocol,
    server_name: Option<&str>,
    identity: Option<&Identity>,
    wire: Wire<S>,
) -> Report {
    match Client::new(protocol, server_name, identity, wire) {
        Ok(client) => client.shake(),
        Err(error) => failed(Trouble::NotBegun(reason(&error))),
    }
}

fn failed(trouble: Trouble) -> Report {
    Report {
        chain: Vec::new(),
        session: None,
        demand: Demand::Unknown,
        outcome: Outcome::Failed(trouble),
        elapsed: Duration::ZERO,
    }
}

struct Client<S> {
    stream: SslStream<Wire<S>>,
    /// Whether a ticket came, which a server sends once it has judged what it was shown.
    has_accepted: Arc<AtomicBool>,
}

impl<S: Read + Write> Client<S> {
    fn new(
        protocol: Protocol,
        server_name: Option<&str>,
        identity: Option<&Identity>,
        wire: Wire<S>,
    ) -> Result<Self, ErrorStack> {
        let has_accepted = Arc::new(AtomicBool::new(false));
        let context = context(protocol, identity, &has_accepted)?;
        let mut ssl = Ssl::new(&context)?;
        if let Some(name) = server_name {
            ssl.set_hostname(name)?;
        }
        if protocol == Protocol::Dtls12 {
            ssl.set_mtu(MTU)?;
        }
        Ok(Self {
            stream: SslStream::new(ssl, wire)?,
            has_accepted,
        })
    }

    fn shake(mut self) -> Report {
        let mut outcome = connect(&mut self.stream);
        let is_completed = outcome == Outcome::Completed;
        let demand = self.stream.get_ref().handshake.demand(is_completed);
        if is_completed && demand == Demand::Asked {
            outcome = self.judgement();
        }
        let ssl = self.stream.ssl();
        let report = Report {
            chain: chain(ssl),
            session: is_completed.then(|| session(ssl)),
            demand,
            outcome,
            elapsed: Duration::ZERO,
        };
        // The server need not keep what nobody will use; it may be gone already.
        let _ = self.stream.shutdown();
        report
    }

    /// Waits until the server has judged what it was shown. To the client of TLS 1.3 the handshake is
    /// complete before that (RFC 8446, section 4.4): a ticket or data tells that it went well.
    fn judgement(&mut self) -> Outcome {
        if self.stream.ssl().version2() != Some(SslVersion::TLS1_3) {
            return Outcome::Completed;
        }
        while !self.has_accepted.load(Ordering::Relaxed) {
            let Err(error) = self.stream.ssl_read(&mut [0; 1]) else {
                return Outcome::Completed;
            };
            match ends_by(&self.stream, &error) {
                None => {}
                Some(Outcome::Failed(
                    Trouble::Slow(_) | Trouble::Silent(_) | Trouble::Endless(_),
                )) => return Outcome::Unanswered,
                Some(outcome) => return outcome,
            }
        }
        Outcome::Completed
    }
}

/// Shakes hands, to whatever end.
pub(crate) fn connect<S: Read + Write>(stream: &mut SslStream<Wire<S>>) -> Outcome {
    loop {
        let error = match stream.connect() {
            Ok(()) => return Outcome::Completed,
            Err(error) => error,
        };
        match ends_by(stream, &error) {
            Some(outcome) => return outcome,
            None => {
                if let Some(trouble) = stream.get_ref().too_late() {
                    return Outcome::Failed(trouble);
                }
            }
        }
    }
}

/// What an error means; none if it means to go on.
fn ends_by<S: Read + Write>(stream: &SslStream<Wire<S>>, error: &ssl::Error) -> Option<Outcome> {
    if [ErrorCode::WANT_READ, ErrorCode::WANT_WRITE].contains(&error.code()) {
        return None;
    }
    let stack = error.ssl_error().filter(|stack| !stack.errors().is_empty());
    Some(match (stack, &stream.get_ref().trouble) {
        (Some(stack), _) => alert(stack).map_or_else(
            || Outcome::Failed(Trouble::Broken(reason(stack))),
            Outcome::Refused,
        ),
        (None, Some(trouble)) => Outcome::Failed(trouble.clone()),
        (None, None) => Outcome::Failed(Trouble::Cut),
    })
}

fn context(
    protocol: Protocol,
    identity: Option<&Identity>,
    has_accepted: &Arc<AtomicBool>,
) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(match protocol {
        Protocol::Dtls12 => SslMethod::dtls_client(),
        Protocol::Tls12 | Protocol::Tls13 | Protocol::Tls => SslMethod::tls_client(),
    })?;
    versions(&mut context, protocol)?;
    context.set_cipher_list(CIPHERS)?;
    context.set_security_level(0);
    context.set_verify(SslVerifyMode::NONE);
    context.set_options(SslOptions::NO_QUERY_MTU);
    if let Some(identity) = identity {
        identity.present(&mut context)?;
    }
    // A ticket comes after the server has looked at everything.
    context.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
    let has_accepted = Arc::clone(has_accepted);
    context.set_new_session_callback(move |_, _| has_accepted.store(true, Ordering::Relaxed));
    Ok(context.build())
}

fn versions(context: &mut SslContextBuilder, protocol: Protocol) -> Result<(), ErrorStack> {
    let (least, most) = match protocol {
        Protocol::Dtls12 => (SslVersion::DTLS1_2, SslVersion::DTLS1_2),
        Protocol::Tls12 => (SslVersion::TLS1_2, SslVersion::TLS1_2),
        Protocol::Tls13 => (SslVersion::TLS1_3, SslVersion::TLS1_3),
        Protocol::Tls => (SslVersion::TLS1_2, SslVersion::TLS1_3),
    };
    context.set_min_proto_version(Some(least))?;
    context.set_max_proto_version(Some(most))
}

fn session(ssl: &SslRef) -> Session {
    let cipher = ssl.current_cipher();
    Session {
        version: ssl.version_str(),
        cipher: cipher
            .and_then(SslCipherRef::standard_name)
            .unwrap_or_default()
            .to_owned(),
    }
}

pub(crate) fn chain(ssl: &SslRef) -> Vec<Certificate> {
    let chain = ssl.peer_cert_chain().into_iter().flatten();
    let served: Vec<_> = chain.filter_map(certificate).collect();
    if served.is_empty() {
        let leaf: Option<X509> = ssl.peer_certificate();
        return leaf.as_deref().and_then(certificate).into_iter().collect();
    }
    served
}

fn certificate(served: &X509Ref) -> Option<Certificate> {
    Some(Certificate {
        fingerprint: fingerprint(served)?,
        der: served.to_der().ok()?,
    })
}

/// The alert that the server sent, if that is what ended it.
fn alert(stack: &ErrorStack) -> Option<Alert> {
    let mut alerts = stack
        .errors()
        .iter()
        .filter_map(|error| SslAlert::from_reason_code(error.reason_code()));
    let code = alerts.next()?.reason_code() - SslAlert::CLOSE_NOTIFY.reason_code();
    u8::try_from(code).ok().map(Alert::from_code)
}

/// OpenSSL's word for what is wrong.
pub(crate) fn reason(stack: &ErrorStack) -> String {
    let reason = stack
        .errors()
        .iter()
        .find_map(openssl::error::Error::reason);
    reason.unwrap_or("OpenSSL does not say why").to_owned()
}
