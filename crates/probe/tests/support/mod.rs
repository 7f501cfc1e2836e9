//! Servers in this process, and pairs for them.

#![allow(dead_code, reason = "each test uses some of it")]

pub mod many;
pub mod refusing;

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use api::KeyKind;
use jiff::Timestamp;
use openssl::{
    pkey::PKey,
    ssl::{
        ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
    },
    x509::{X509, store::X509StoreBuilder},
};
use pki::{
    Authority, IssuedPair, LeafRequest, issue,
    testing::{TestCa, request},
};
use probe::{Identity, Limits, Protocol, Target};

/// Longer than any handshake on this machine takes.
pub const PATIENT: Limits = Limits {
    time: Duration::from_secs(30),
    bytes: 256 * 1024,
};

pub fn issued(ca: &TestCa, change: impl FnOnce(&mut LeafRequest)) -> IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let authority = Authority::load(&ca.secret().as_secret(), now).unwrap();
    let mut request = request(&["coturn.example.com"]);
    change(&mut request);
    issue(&authority, &request, now).unwrap()
}

pub fn of_kind(ca: &TestCa, key: KeyKind) -> IssuedPair {
    issued(ca, |request| request.content.key = key)
}

pub fn identity(pair: &IssuedPair) -> Identity {
    Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes()).unwrap()
}

/// What a server asks of its clients.
#[derive(Clone)]
pub enum Asks {
    Nothing,
    /// A certificate, if they have one.
    Perhaps(String),
    /// A certificate of this CA (PEM).
    Insists(String),
}

/// How a server is set up.
#[derive(Clone)]
pub struct Setup {
    pub protocol: Protocol,
    pub certificate: String,
    pub key: String,
    pub asks: Asks,
    pub mtu: u32,
    /// Of TLS 1.3: whether it tells by tickets that all is well.
    pub tickets: usize,
    /// A suite without certificates.
    pub is_anonymous: bool,
}

impl Setup {
    pub fn of(protocol: Protocol, pair: &IssuedPair) -> Self {
        Self {
            protocol,
            certificate: pair.certificate.clone(),
            key: pair.key.to_string(),
            asks: Asks::Nothing,
            mtu: 1200,
            tickets: 2,
            is_anonymous: false,
        }
    }

    pub fn asking(self, asks: Asks) -> Self {
        Self { asks, ..self }
    }

    /// A server for one client. It ends with it.
    pub fn start(self) -> Target {
        let protocol = self.protocol;
        let address = match protocol {
            Protocol::Dtls12 => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let address = socket.local_addr().unwrap();
                thread::spawn(move || self.serve_datagrams(socket));
                address
            }
            Protocol::Tls12 | Protocol::Tls13 | Protocol::Tls => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                thread::spawn(move || {
                    let (stream, _) = listener.accept().unwrap();
                    stream
                        .set_read_timeout(Some(Duration::from_millis(50)))
                        .unwrap();
                    self.serve(stream);
                });
                address
            }
        };
        at(protocol, address)
    }

    fn serve_datagrams(self, socket: UdpSocket) {
        let (_, client) = socket.peek_from(&mut [0; 2048]).unwrap();
        socket.connect(client).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        self.serve(Datagrams(socket));
    }

    fn serve<S: Read + Write>(&self, stream: S) {
        let mut ssl = Ssl::new(&self.context()).unwrap();
        if self.protocol == Protocol::Dtls12 {
            ssl.set_mtu(self.mtu).unwrap();
        }
        let mut stream = SslStream::new(ssl, stream).unwrap();
        let mut is_done = false;
        for _ in 0..600 {
            let result = if is_done {
                stream.ssl_read(&mut [0; 16]).map(drop)
            } else {
                stream.accept()
            };
            match result {
                Ok(()) => is_done = true,
                Err(error) if error.code() == ErrorCode::WANT_READ => {}
                Err(_) => return,
            }
        }
    }

    fn context(&self) -> SslContext {
        let mut context = SslContext::builder(match self.protocol {
            Protocol::Dtls12 => SslMethod::dtls_server(),
            Protocol::Tls12 | Protocol::Tls13 | Protocol::Tls => SslMethod::tls_server(),
        })
        .unwrap();
        let only = match self.protocol {
            Protocol::Dtls12 => Some(SslVersion::DTLS1_2),
            Protocol::Tls12 => Some(SslVersion::TLS1_2),
            Protocol::Tls13 => Some(SslVersion::TLS1_3),
            Protocol::Tls => None,
        };
        context.set_min_proto_version(only).unwrap();
        context.set_max_proto_version(only).unwrap();
        context.set_options(SslOptions::NO_QUERY_MTU);
        context.set_num_tickets(self.tickets).unwrap();
        if self.is_anonymous {
            context.set_cipher_list("aNULL:@SECLEVEL=0").unwrap();
            context.set_security_level(0);
            return context.build();
        }
        let mut chain = X509::stack_from_pem(self.certificate.as_bytes())
            .unwrap()
            .into_iter();
        context.set_certificate(&chain.next().unwrap()).unwrap();
        chain.for_each(|it| context.add_extra_chain_cert(it).unwrap());
        let key = PKey::private_key_from_pem(self.key.as_bytes()).unwrap();
        context.set_private_key(&key).unwrap();
        let (mode, ca) = match &self.asks {
            Asks::Nothing => return context.build(),
            Asks::Perhaps(ca) => (SslVerifyMode::PEER, ca),
            Asks::Insists(ca) => (
                SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
                ca,
            ),
        };
        let mut store = X509StoreBuilder::new().unwrap();
        for certificate in X509::stack_from_pem(ca.as_bytes()).unwrap() {
            store.add_cert(certificate).unwrap();
        }
        context.set_verify_cert_store(store.build()).unwrap();
        context.set_verify(mode);
        context.build()
    }
}

pub fn at(protocol: Protocol, address: SocketAddr) -> Target {
    Target {
        address,
        protocol,
        server_name: Some("coturn.example.com".to_owned()),
    }
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

/// A server of whatever a test makes of a stream.
pub fn stream_server(serve: impl FnOnce(TcpStream) + Send + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    at(Protocol::Tls, address)
}

/// The same of datagrams: it answers each with what the function makes of it, to its end or the
/// client's.
pub fn datagram_server(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Target {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            if socket.send_to(&answer(&buffer[..length]), client).is_err() {
                return;
            }
        }
    });
    at(Protocol::Dtls12, address)
}

/// A server that goes on sending what the function makes of the first datagram, until the client is
/// gone.
pub fn flooding_server(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Target {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        let (length, client) = socket.recv_from(&mut buffer).unwrap();
        socket.connect(client).unwrap();
        let answer = answer(&buffer[..length]);
        while socket.send(&answer).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    at(Protocol::Dtls12, address)
}
