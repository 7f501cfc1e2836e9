//! A federation partner: a DTLS server that demands certificates and lets in whom coturn would, and that
//! remembers what it was shown.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use api::Fingerprint;
use jiff::Timestamp;
use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    pkey::PKey,
    ssl::{
        ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
    },
    x509::{X509, X509StoreContextRef, store::X509StoreBuilder},
};
use pki::{
    Authority, IssuedPair, issue,
    testing::{TestCa, request},
};

const PATIENCE: Duration = Duration::from_millis(100);
/// coturn's own limit for a federation handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A partner that runs until it is dropped.
pub struct Partner {
    /// Its UDP port, on all addresses of this machine's.
    pub port: u16,
    seen: Seen,
    listed: Listed,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A leaf that a partner was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The leaf.
    pub leaf: Fingerprint,
    /// The address that it came from.
    pub from: IpAddr,
}

/// What it was shown, in its order.
type Seen = Arc<Mutex<Vec<Shown>>>;

/// The leaves that it lets in; none: any of the CA that it trusts.
type Listed = Arc<Mutex<Option<Vec<Fingerprint>>>>;

impl Partner {
    /// A partner with a certificate of `own`, which trusts `trusted`.
    pub fn start(own: &TestCa, trusted: &TestCa) -> Self {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a read timeout");
        let port = socket.local_addr().expect("an address").port();
        let (seen, listed, ends) = (Seen::default(), Listed::default(), Arc::default());
        let server = Server {
            socket: Arc::new(socket),
            pair: pair(own),
            trusted: trusted.root(),
            seen: Arc::clone(&seen),
            listed: Arc::clone(&listed),
            ends: Arc::clone(&ends),
        };
        Self {
            port,
            seen,
            listed,
            ends,
            thread: Some(thread::spawn(move || server.run())),
        }
    }

    /// From now on it lets nobody in but the holders of these leaves; none: anybody whom it trusts.
    pub fn lets_in(&self, leaves: Option<Vec<Fingerprint>>) {
        *locked(&self.listed) = leaves;
    }

    /// The leaves that it was shown, in their order.
    pub fn seen(&self) -> Vec<Fingerprint> {
        self.shown().iter().map(|shown| shown.leaf).collect()
    }

    /// The same with the addresses that they came from.
    pub fn shown(&self) -> Vec<Shown> {
        locked(&self.seen).clone()
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(!matches!(ended, Some(Err(_))), "the partner has failed");
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pair(ca: &TestCa) -> IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).expect("a time");
    let authority = Authority::load(&ca.secret().as_secret(), now).expect("a CA");
    issue(&authority, &request(&["coturn.partner.example"]), now).expect("a pair")
}

struct Server {
    socket: Arc<UdpSocket>,
    pair: IssuedPair,
    trusted: String,
    seen: Seen,
    listed: Listed,
    ends: Arc<AtomicBool>,
}

impl Server {
    /// One client after the other: who waits sends its first flight again.
    fn run(&self) {
        while !self.ends.load(Ordering::Relaxed) {
            if let Ok((_, client)) = self.socket.peek_from(&mut [0; 2048]) {
                self.serve(client);
            }
        }
    }

    fn serve(&self, client: SocketAddr) {
        let mut ssl = Ssl::new(&self.context(client.ip()).expect("a server")).expect("a server");
        ssl.set_mtu(1200).expect("an MTU");
        let from = Datagrams {
            socket: Arc::clone(&self.socket),
            client,
        };
        let mut stream = SslStream::new(ssl, from).expect("a server");
        let deadline = Instant::now() + HANDSHAKE;
        while let Err(error) = stream.accept() {
            let waits = error.code() == ErrorCode::WANT_READ;
            if !waits || Instant::now() > deadline || self.ends.load(Ordering::Relaxed) {
                return;
            }
        }
        // Until the client says farewell: what it sends afterwards would be taken for another's.
        while Instant::now() < deadline {
            match stream.ssl_read(&mut [0; 16]) {
                Err(error) if error.code() == ErrorCode::WANT_READ => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn context(&self, from: IpAddr) -> Result<SslContext, ErrorStack> {
        let mut context = SslContext::builder(SslMethod::dtls_server())?;
        context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
        context.set_options(SslOptions::NO_QUERY_MTU);
        let mut chain = X509::stack_from_pem(self.pair.certificate.as_bytes())?.into_iter();
        context.set_certificate(&chain.next().expect("a leaf"))?;
        let key = PKey::private_key_from_pem(self.pair.key.as_bytes())?;
        context.set_private_key(&key)?;
        let mut store = X509StoreBuilder::new()?;
        for certificate in X509::stack_from_pem(self.trusted.as_bytes())? {
            store.add_cert(certificate)?;
        }
        context.set_verify_cert_store(store.build())?;
        let (seen, listed) = (Arc::clone(&self.seen), Arc::clone(&self.listed));
        let demands = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        context.set_verify_callback(demands, move |trusted, judged| {
            judge(trusted, judged, |leaf| {
                locked(&seen).push(Shown { leaf, from });
                let listed = locked(&listed);
                listed.as_ref().is_none_or(|listed| listed.contains(&leaf))
            })
        });
        Ok(context.build())
    }
}

/// Who is let in, as by coturn's fork: whom OpenSSL trusts, for this purpose, and then the whitelist. Who is
/// not on that is told `handshake_failure` (40) here, and `certificate_unknown` (46) by the fork.
fn judge(
    trusted: bool,
    judged: &mut X509StoreContextRef,
    is_listed: impl FnOnce(Fingerprint) -> bool,
) -> bool {
    if judged.error_depth() != 0 {
        return trusted;
    }
    let digest = judged
        .current_cert()
        .and_then(|leaf| leaf.digest(MessageDigest::sha256()).ok());
    let Some(Ok(digest)) = digest.map(|digest| <[u8; 32]>::try_from(&*digest)) else {
        return false;
    };
    let is_listed = is_listed(Fingerprint::from_digest(digest));
    if trusted && !is_listed {
        judged.set_error(openssl::x509::X509VerifyResult::APPLICATION_VERIFICATION);
    }
    trusted && is_listed
}

/// What one client sends; what others send meanwhile is lost.
struct Datagrams {
    socket: Arc<UdpSocket>,
    client: SocketAddr,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.socket.recv_from(buffer) {
            Ok((read, client)) if client == self.client => Ok(read),
            Ok(_) => Err(ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        }
    }
}

impl Write for Datagrams {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.send_to(buffer, self.client)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
