//! A DTLS session that is held open, as a call holds one.

use std::{
    io::{self, Read, Write},
    net::UdpSocket,
    time::{Duration, Instant},
};

use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
};

const PATIENCE: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_secs(20);
/// Of a STUN message (RFC 8489, section 5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_RESPONSE: [u8; 2] = [1, 1];

/// A session with a coturn's DTLS listener.
pub struct Session {
    stream: SslStream<Datagrams>,
    asked: u8,
}

impl Session {
    /// Shakes hands. Verifies nothing: others do.
    pub fn open(address: &str, port: u16) -> Self {
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
        Self { stream, asked: 0 }
    }

    /// Asks by STUN what address it is seen under, and expects an answer on the same session.
    pub fn assert_answered(&mut self) {
        self.asked += 1;
        let transaction = [self.asked; 12];
        let request = [&BINDING_REQUEST[..], &[0, 0], &COOKIE, &transaction].concat();
        let deadline = Instant::now() + DEADLINE;
        let mut answer = [0; 1500];
        loop {
            // A datagram may get lost.
            self.stream.ssl_write(&request).expect("a request is sent");
            match self.stream.ssl_read(&mut answer) {
                Ok(length) if answer[8..length.min(20)] == transaction => break,
                Ok(_) => {}
                Err(error) => assert_eq!(error.code(), ErrorCode::WANT_READ, "{error}"),
            }
            assert!(Instant::now() < deadline, "no answer in {DEADLINE:?}");
        }
        assert_eq!(answer[..2], BINDING_RESPONSE);
    }
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
