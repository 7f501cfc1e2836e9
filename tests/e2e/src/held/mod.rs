//! A DTLS session with an allocation in it, held as a call holds one. Without an allocation coturn closes a
//! session after a minute (`max-allocate-timeout`), whatever else is asked in it.

mod turn;

use std::{
    io::{self, Read, Write},
    net::UdpSocket,
    time::{Duration, Instant},
};

use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
};

use turn::{Answer, Challenge, Method, Transaction, User};

const PATIENCE: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_secs(20);
/// The user that the samples' coturn has.
const USER: User = User {
    name: "demo",
    password: "demo",
};

/// A call through a coturn's DTLS listener.
pub struct Session {
    stream: SslStream<Datagrams>,
    asked: u8,
    challenge: Option<Challenge>,
}

impl Session {
    /// Shakes hands, and allocates a relay. Verifies nothing: others do.
    pub fn open(address: &str, port: u16) -> Self {
        let mut session = Self {
            stream: shaken(address, port),
            asked: 0,
            challenge: None,
        };
        session.assert_done(Method::Allocate);
        session
    }

    /// Asks that the relay live on, and expects that on the same session: a coturn that dropped the call
    /// knows of no relay.
    pub fn assert_goes_on(&mut self) {
        self.assert_done(Method::Refresh);
    }

    fn assert_done(&mut self, method: Method) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.answered(method, deadline) {
                Answer::Done => break,
                Answer::Challenged(challenge) => self.challenge = Some(challenge),
                Answer::Refused(code) => panic!("{method:?} is refused: {code}"),
            }
            assert!(Instant::now() < deadline, "{method:?}: asked for ever");
        }
    }

    fn answered(&mut self, method: Method, deadline: Instant) -> Answer {
        self.asked += 1;
        let transaction: Transaction = [self.asked; 12];
        let request = turn::request(method, &transaction, &USER, self.challenge.as_ref());
        let mut message = [0; 1500];
        loop {
            // A datagram may get lost.
            self.stream.ssl_write(&request).expect("a request is sent");
            match self.stream.ssl_read(&mut message) {
                Ok(length) => {
                    let answer = turn::answer(&message[..length], method, &transaction);
                    if let Some(answer) = answer {
                        return answer;
                    }
                }
                Err(error) => assert_eq!(error.code(), ErrorCode::WANT_READ, "{error}"),
            }
            assert!(Instant::now() < deadline, "no answer in {DEADLINE:?}");
        }
    }
}

/// A stream after its handshake.
fn shaken(address: &str, port: u16) -> SslStream<Datagrams> {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect((address, port)).expect("an address");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a read timeout");
    let mut ssl = Ssl::new(&context()).expect("a client");
    ssl.set_mtu(1200).expect("an MTU");
    let mut stream = SslStream::new(ssl, Datagrams(socket)).expect("a client");
    let deadline = Instant::now() + DEADLINE;
    while let Err(error) = stream.connect() {
        assert_eq!(error.code(), ErrorCode::WANT_READ, "{error}");
        assert!(Instant::now() < deadline, "no handshake in {DEADLINE:?}");
    }
    stream
}

fn context() -> SslContext {
    let mut context = SslContext::builder(SslMethod::dtls_client()).expect("a context");
    context
        .set_min_proto_version(Some(SslVersion::DTLS1_2))
        .expect("a version");
    context.set_verify(SslVerifyMode::NONE);
    context.set_options(SslOptions::NO_QUERY_MTU);
    context.build()
}

struct Datagrams(UdpSocket);

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer)
    }
}

impl Write for Datagrams {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.send(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
