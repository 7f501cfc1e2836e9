//! A server that takes one client after the other.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, UdpSocket},
    thread,
    time::Duration,
};

use openssl::{
    dh::Dh,
    pkey::PKey,
    ssl::{
        ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslStream,
        SslVerifyMode, SslVersion,
    },
    x509::{X509, store::X509StoreBuilder},
};
use pki::IssuedPair;
use probe::{ScanTarget, Transport};

use super::Asks;

/// The shortest OCSP response (RFC 6960, section 4.2.1): status tryLater.
const TRY_LATER: &[u8] = &[0x30, 0x03, 0x0a, 0x01, 0x03];

/// What a server accepts.
pub struct Taste {
    pub transport: Transport,
    pub least: SslVersion,
    pub most: SslVersion,
    /// OpenSSL's list, up to TLS 1.2.
    pub ciphers: &'static str,
    pub curve: Option<&'static str>,
    pub asks: Asks,
    /// Whether it has an OCSP response.
    pub staple: bool,
}

impl Taste {
    pub fn of_tls(least: SslVersion, most: SslVersion) -> Self {
        Self {
            transport: Transport::Stream,
            least,
            most,
            ciphers: "ALL:@SECLEVEL=0",
            curve: None,
            asks: Asks::Nothing,
            staple: false,
        }
    }
}

pub struct Many {
    context: SslContext,
    transport: Transport,
}

impl Many {
    pub fn of(pair: &IssuedPair, taste: &Taste) -> Self {
        let mut context = SslContext::builder(match taste.transport {
            Transport::Stream => SslMethod::tls_server(),
            Transport::Datagrams => SslMethod::dtls_server(),
        })
        .unwrap();
        context.set_security_level(0);
        context.set_min_proto_version(Some(taste.least)).unwrap();
        context.set_max_proto_version(Some(taste.most)).unwrap();
        context.set_cipher_list(taste.ciphers).unwrap();
        context.set_options(SslOptions::NO_QUERY_MTU);
        context.set_tmp_dh(&Dh::get_2048_256().unwrap()).unwrap();
        if let Some(curve) = taste.curve {
            context.set_groups_list(curve).unwrap();
        }
        if taste.staple {
            let staple = |ssl: &mut openssl::ssl::SslRef| {
                ssl.set_ocsp_status(TRY_LATER)?;
                Ok(true)
            };
            context.set_status_callback(staple).unwrap();
        }
        present(&mut context, pair);
        ask(&mut context, &taste.asks);
        Self {
            context: context.build(),
            transport: taste.transport,
        }
    }

    /// Serves until the test ends.
    pub fn start(self) -> ScanTarget {
        let transport = self.transport;
        ScanTarget {
            address: match transport {
                Transport::Stream => self.start_stream(),
                Transport::Datagrams => self.start_datagrams(),
            },
            transport,
            server_name: Some("coturn.example.com".to_owned()),
        }
    }

    fn start_stream(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let patience = Some(Duration::from_secs(30));
                stream.set_read_timeout(patience).unwrap();
                self.serve(stream);
            }
        });
        address
    }

    /// Of one client at a time; another one's datagram ends it.
    fn start_datagrams(self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let patience = Some(Duration::from_secs(30));
        socket.set_read_timeout(patience).unwrap();
        thread::spawn(move || {
            while let Ok((_, client)) = socket.peek_from(&mut [0; 2048]) {
                self.serve(Datagrams(&socket, client));
            }
        });
        address
    }

    fn serve<S: Read + Write>(&self, stream: S) {
        let mut ssl = Ssl::new(&self.context).unwrap();
        if self.transport == Transport::Datagrams {
            ssl.set_mtu(1200).unwrap();
        }
        let mut stream = SslStream::new(ssl, stream).unwrap();
        if stream.accept().is_ok() {
            while let Err(error) = stream.ssl_read(&mut [0; 16]) {
                if error.code() != ErrorCode::WANT_READ {
                    return;
                }
            }
        }
    }
}

fn present(context: &mut SslContextBuilder, pair: &IssuedPair) {
    let leaf = X509::from_pem(pair.certificate.as_bytes()).unwrap();
    context.set_certificate(&leaf).unwrap();
    let key = PKey::private_key_from_pem(pair.key.as_bytes()).unwrap();
    context.set_private_key(&key).unwrap();
}

fn ask(context: &mut SslContextBuilder, asks: &Asks) {
    let Asks::Insists(ca) = asks else { return };
    let mut store = X509StoreBuilder::new().unwrap();
    store
        .add_cert(X509::from_pem(ca.as_bytes()).unwrap())
        .unwrap();
    context.set_verify_cert_store(store.build()).unwrap();
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
}

struct Datagrams<'a>(&'a UdpSocket, SocketAddr);

impl Read for Datagrams<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.peek_from(&mut [0; 2048])?.1 != self.1 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.0.recv(buffer)
    }
}

impl Write for Datagrams<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.send_to(buffer, self.1)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
