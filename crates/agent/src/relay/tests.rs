//! The relay as the operator's client meets it, with a DTLS server for a partner.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant, SystemTime},
};

use pki::IssuedPair;
use probe::{
    Identity, Limits, Outcome, Report, Trouble, dial_through,
    relay::{Accepted, Tunnel},
};
use tempfile::TempDir;

use super::*;
use crate::{pair, testing::issued};

/// Longer than any handshake on this machine takes, and shorter than a connection may last.
const PATIENT: Limits = Limits {
    time: Duration::from_secs(20),
    bytes: 256 * 1024,
};

fn identity(pair: &IssuedPair) -> Identity {
    Identity::from_pem(pair.certificate.as_bytes(), pair.key.as_bytes()).unwrap()
}

/// An agent's relay over a pair.
struct World {
    address: SocketAddr,
    pins: Arc<Pins>,
    metrics: Arc<Metrics>,
    mounted: IssuedPair,
}

impl World {
    fn new(partners: &[Partner]) -> Self {
        Self::with(partners, GREETING)
    }

    /// With so much time until both ends know each other.
    fn with(partners: &[Partner], greeting: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let world = Self {
            address: listener.local_addr().unwrap(),
            pins: Arc::default(),
            metrics: Arc::default(),
            mounted: issued(),
        };
        world.mount(&world.mounted);
        let (pins, metrics) = (Arc::clone(&world.pins), Arc::clone(&world.metrics));
        let relay = Relay {
            greeting,
            ..Relay::new(partners.to_vec(), pins, metrics)
        };
        relay.start(listener).unwrap();
        world
    }

    fn mount(&self, pair: &IssuedPair) {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(folder.path().join("tls.key"), pair.key.as_bytes()).unwrap();
        let pair = pair::read(folder.path()).unwrap();
        assert!(pair.since <= SystemTime::now());
        self.pins.mount(&pair);
    }

    fn dial(&self, pairs: &[&IssuedPair], partner: &Partner) -> Report {
        let relay = probe::Relay {
            address: self.address,
            identities: pairs.iter().map(|pair| identity(pair)).collect(),
        };
        dial_through(&relay, partner, None, PATIENT)
    }

    /// A connection that has come as far as naming a partner.
    fn tunnel(&self) -> Tunnel {
        let ours = identity(&self.mounted);
        let accepted = Accepted(ours.fingerprints().unwrap());
        let stream = TcpStream::connect(self.address).unwrap();
        let deadline = Instant::now() + PATIENT.time;
        Tunnel::connect(stream, &ours, &accepted, deadline).unwrap()
    }

    fn until_counted(&self, ending: Ending) {
        self.until_told(&format!("relayed_total{{ending=\"{}\"}}", ending.name()));
    }

    fn until_told(&self, line: &str) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !self.metrics.text().unwrap().contains(line) {
            assert!(Instant::now() < deadline, "waited in vain for {line}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn at(address: SocketAddr) -> Partner {
    address.to_string().parse().unwrap()
}

/// A partner that echoes, and shows who asked.
fn echo() -> (Partner, UdpSocket) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let served = socket.try_clone().unwrap();
    let mut buffer = vec![0; 65_535];
    thread::spawn(move || {
        while let Ok((length, from)) = served.recv_from(&mut buffer) {
            let _ = served.send_to(&buffer[..length], from);
        }
    });
    (at(socket.local_addr().unwrap()), socket)
}

fn received(tunnel: &mut Tunnel) -> std::io::Result<Vec<u8>> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match tunnel.receive() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(Instant::now() < deadline, "nothing came");
            }
            result => return result,
        }
    }
}

/// Why the relay did not relay.
fn refusal(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Failed(Trouble::NotBegun(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_handshake_with_a_partner_comes_to_its_end_and_shows_what_the_partner_serves() {
    let theirs = issued();
    let partner = dtls::partner(&theirs);
    let world = World::new(std::slice::from_ref(&partner));
    let report = world.dial(&[&world.mounted], &partner);
    assert_eq!(report.outcome, Outcome::Completed);
    assert_eq!(report.fingerprint(), Some(theirs.leaf.fingerprint));
    world.until_counted(Ending::Done);
}

#[test]
fn a_partner_that_is_not_on_the_list_is_refused_with_what_to_set() {
    let (listed, _socket) = echo();
    let (unlisted, _other) = echo();
    let world = World::new(&[listed]);
    let report = world.dial(&[&world.mounted], &unlisted);
    let told = refusal(&report);
    assert!(told.contains(&format!("--partner {unlisted}")), "{told}");
    world.until_counted(Ending::NotAllowed);
}

#[test]
fn a_partner_without_an_address_is_told_of() {
    let nowhere: Partner = "coturn.partner.invalid:9191".parse().unwrap();
    let world = World::new(std::slice::from_ref(&nowhere));
    let report = world.dial(&[&world.mounted], &nowhere);
    assert!(refusal(&report).contains("cannot be reached"), "{report:?}");
}

#[test]
fn a_closed_port_of_the_partner_is_closed() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr();
    let partner = at(free.unwrap());
    let world = World::new(std::slice::from_ref(&partner));
    let report = world.dial(&[&world.mounted], &partner);
    assert_eq!(report.outcome, Outcome::Failed(Trouble::Closed));
}

#[test]
fn nobody_without_the_mounted_key_is_relayed_for() {
    let (partner, socket) = echo();
    let world = World::new(std::slice::from_ref(&partner));
    let stranger = identity(&issued());
    // It would accept whatever the agent shows.
    let accepted = Accepted(identity(&world.mounted).fingerprints().unwrap());
    let stream = TcpStream::connect(world.address).unwrap();
    let deadline = Instant::now() + PATIENT.time;
    let refused = match Tunnel::connect(stream, &stranger, &accepted, deadline) {
        // By TLS 1.3 a client hears of its refusal with what it reads next.
        Ok(mut tunnel) => {
            let _ = tunnel.send(partner.to_string().as_bytes());
            received(&mut tunnel).is_err()
        }
        Err(_) => true,
    };
    assert!(refused);
    world.until_counted(Ending::Stranger);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.peek_from(&mut [0; 1]).is_err());
}

#[test]
fn the_operator_speaks_to_no_agent_that_shows_another_certificate() {
    let (partner, _socket) = echo();
    let world = World::new(std::slice::from_ref(&partner));
    let report = world.dial(&[&issued()], &partner);
    let told = refusal(&report);
    assert!(told.contains("not the one mounted there"), "{told}");
}

#[test]
fn while_the_kubelet_takes_its_time_the_pair_before_is_the_one_to_be_known_by() {
    let theirs = issued();
    let partner = dtls::partner(&theirs);
    let world = World::new(std::slice::from_ref(&partner));
    let published = issued();
    let report = world.dial(&[&published, &world.mounted], &partner);
    assert_eq!(report.outcome, Outcome::Completed);
}

#[test]
fn the_pair_before_the_last_change_is_still_known_and_the_one_before_that_is_not() {
    let (partner, _socket) = echo();
    let world = World::new(std::slice::from_ref(&partner));
    let (second, third) = (issued(), issued());
    let opens = |presented: &IssuedPair, shown: &IssuedPair| {
        let accepted = Accepted(identity(shown).fingerprints().unwrap());
        let stream = TcpStream::connect(world.address).unwrap();
        let deadline = Instant::now() + PATIENT.time;
        let mut tunnel =
            Tunnel::connect(stream, &identity(presented), &accepted, deadline).unwrap();
        let _ = tunnel.send(partner.to_string().as_bytes());
        received(&mut tunnel).is_ok_and(|answer| answer.is_empty())
    };
    world.mount(&second);
    assert!(opens(&world.mounted, &second));
    world.mount(&third);
    assert!(!opens(&world.mounted, &third));
    assert!(opens(&second, &third) && opens(&third, &third));
}

#[test]
fn a_connection_too_many_is_closed_and_there_is_room_again_when_one_ends() {
    let (partner, _socket) = echo();
    let world = World::new(std::slice::from_ref(&partner));
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut tunnel = world.tunnel();
        tunnel.send(partner.to_string().as_bytes()).unwrap();
        assert!(received(&mut tunnel).unwrap().is_empty());
        open.push(tunnel);
    }
    let mut one_more = TcpStream::connect(world.address).unwrap();
    assert_eq!(one_more.read(&mut [0; 1]).unwrap(), 0);
    world.until_counted(Ending::TooMany);

    open.pop();
    world.until_counted(Ending::Done);
    let mut tunnel = world.tunnel();
    tunnel.send(partner.to_string().as_bytes()).unwrap();
    assert!(received(&mut tunnel).unwrap().is_empty());
}

#[test]
fn datagrams_go_there_and_back_as_they_are_until_there_are_too_many() {
    let (partner, _socket) = echo();
    let world = World::new(std::slice::from_ref(&partner));
    let mut tunnel = world.tunnel();
    tunnel.send(partner.to_string().as_bytes()).unwrap();
    assert!(received(&mut tunnel).unwrap().is_empty());
    for length in [1, 1200, 40_000] {
        let datagram = vec![0x5a; length];
        tunnel.send(&datagram).unwrap();
        assert_eq!(received(&mut tunnel).unwrap(), datagram);
    }
    let flood = vec![0x5a; 40_000];
    let ended = (0..100).any(|_| {
        tunnel
            .send(&flood)
            .and_then(|()| received(&mut tunnel))
            .is_err()
    });
    assert!(ended, "it relays without end");
    world.until_counted(Ending::Bounds);
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let (partner, _socket) = echo();
    let world = World::new(std::slice::from_ref(&partner));
    let mut silent = TcpStream::connect(world.address).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    world.until_counted(Ending::NoHandshake);
    let mut unnamed = world.tunnel();
    assert!(received(&mut unnamed).is_err());
    world.until_counted(Ending::Bounds);
}

/// Begins the longest TLS record that there is, and sends a byte of it every 50 ms until nobody takes it.
/// It would last for a quarter of an hour.
fn drip(stream: &mut TcpStream) {
    const RECORD: [u8; 5] = [0x16, 0x03, 0x01, 0x40, 0x00];
    let mut taken = stream.write_all(&RECORD);
    while taken.is_ok() {
        thread::sleep(Duration::from_millis(50));
        taken = stream.write_all(&[0]);
    }
}

#[test]
fn who_drips_a_handshake_is_gone_after_the_greeting_and_leaves_its_place_free() {
    let (partner, _socket) = echo();
    let greeting = Duration::from_secs(1);
    let world = World::with(std::slice::from_ref(&partner), greeting);
    let started = Instant::now();
    let dripping: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = TcpStream::connect(world.address).unwrap();
            thread::spawn(move || drip(&mut stream))
        })
        .collect();
    world.until_told(&format!(
        "relayed_total{{ending=\"no-handshake\"}} {CONNECTIONS}"
    ));
    assert!(started.elapsed() >= greeting);
    let mut tunnel = world.tunnel();
    tunnel.send(partner.to_string().as_bytes()).unwrap();
    assert!(received(&mut tunnel).unwrap().is_empty());
    for client in dripping {
        client.join().unwrap();
    }
}

mod dtls {
    //! A partner: a DTLS server for one client.

    use std::{
        io::{self, Read, Write},
        net::UdpSocket,
        thread,
        time::Duration,
    };

    use openssl::{
        pkey::PKey,
        ssl::{ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream},
        x509::X509,
    };
    use pki::IssuedPair;
    use probe::Partner;

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

    pub(super) fn partner(pair: &IssuedPair) -> Partner {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let partner = super::at(socket.local_addr().unwrap());
        let context = context(pair);
        thread::spawn(move || serve(socket, &context));
        partner
    }

    fn context(pair: &IssuedPair) -> SslContext {
        let mut context = SslContext::builder(SslMethod::dtls_server()).unwrap();
        let leaf = X509::from_pem(pair.certificate.as_bytes()).unwrap();
        context.set_certificate(&leaf).unwrap();
        let key = PKey::private_key_from_pem(pair.key.as_bytes()).unwrap();
        context.set_private_key(&key).unwrap();
        context.set_options(SslOptions::NO_QUERY_MTU);
        context.build()
    }

    fn serve(socket: UdpSocket, context: &SslContext) {
        let (_, client) = socket.peek_from(&mut [0; 2048]).unwrap();
        socket.connect(client).unwrap();
        let patience = Some(Duration::from_millis(50));
        socket.set_read_timeout(patience).unwrap();
        let mut ssl = Ssl::new(context).unwrap();
        ssl.set_mtu(1200).unwrap();
        let mut stream = SslStream::new(ssl, Datagrams(socket)).unwrap();
        while let Err(error) = stream.accept() {
            if error.code() != ErrorCode::WANT_READ {
                return;
            }
        }
    }
}
