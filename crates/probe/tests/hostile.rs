//! Servers that are none, or mean harm: each handshake ends in time, and says how.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use probe::{Limits, Outcome, Protocol, Target, Trouble, dial};
use support::{PATIENT, at, datagram_server, flooding_server, stream_server};

/// For servers that never come to an end.
const SHORT: Limits = Limits {
    time: Duration::from_secs(3),
    bytes: 64 * 1024,
};

fn trouble(target: &Target, limits: Limits) -> Trouble {
    let report = dial(target, None, limits);
    assert!(report.chain.is_empty() && report.session.is_none());
    match report.outcome {
        Outcome::Failed(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_closed() {
    // Ports that are taken, so that nobody else gets them, and open to their peers alone.
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    taken.connect(peer.local_addr().unwrap()).unwrap();
    let target = at(Protocol::Dtls12, taken.local_addr().unwrap());
    assert_eq!(trouble(&target, PATIENT), Trouble::Closed);
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = TcpStream::connect(peer.local_addr().unwrap()).unwrap();
    let target = at(Protocol::Tls, taken.local_addr().unwrap());
    assert_eq!(trouble(&target, PATIENT), Trouble::Closed);
}

#[test]
fn a_server_that_says_nothing_is_silent() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = at(Protocol::Dtls12, socket.local_addr().unwrap());
    assert_eq!(trouble(&target, SHORT), Trouble::Silent(SHORT.time));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = at(Protocol::Tls, listener.local_addr().unwrap());
    assert_eq!(trouble(&target, SHORT), Trouble::Silent(SHORT.time));
}

#[test]
fn garbage_is_no_handshake() {
    let datagrams = datagram_server(|_| vec![0xa5; 900]);
    assert_eq!(trouble(&datagrams, SHORT), Trouble::Slow(SHORT.time));
    let stream = stream_server(|mut stream| drop(stream.write_all(&[0xa5; 900])));
    assert!(matches!(trouble(&stream, PATIENT), Trouble::Broken(_)));
}

#[test]
fn a_server_of_another_protocol_is_told_by_its_greeting() {
    let smtp =
        stream_server(|mut stream| drop(stream.write_all(b"220 mail.example.com ESMTP\r\n")));
    let Trouble::Broken(why) = trouble(&smtp, PATIENT) else {
        panic!("no word of it")
    };
    assert!(why.contains("wrong version number"), "{why}");
}

#[test]
fn a_connection_that_ends_is_cut() {
    let ends = stream_server(drop);
    assert_eq!(trouble(&ends, PATIENT), Trouble::Cut);
}

/// A record with the beginning of a `ServerHello` of this length, as far as its header tells.
fn beginning_of_a_hello(length: [u8; 3]) -> Vec<u8> {
    let mut body = vec![0; 15_000];
    body[..4].copy_from_slice(&[&[2][..], &length].concat());
    record(&body)
}

fn record(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[22, 3, 3][..], &length, body].concat()
}

#[test]
fn a_server_that_sends_more_than_it_has_to_say_is_given_up() {
    // A ServerHello may be so long: the limit is what ends it.
    let long = stream_server(|mut stream| {
        drop(stream.write_all(&beginning_of_a_hello([0, 0xea, 0x60])));
        while stream.write_all(&record(&[0; 15_000])).is_ok() {}
    });
    let limits = Limits {
        bytes: 20_000,
        ..PATIENT
    };
    assert_eq!(trouble(&long, limits), Trouble::Endless(limits.bytes));

    let huge = stream_server(|mut stream| {
        drop(stream.write_all(&beginning_of_a_hello([0xff; 3])));
        while stream.write_all(&record(&[0; 15_000])).is_ok() {}
    });
    let Trouble::Broken(why) = trouble(&huge, PATIENT) else {
        panic!("it is taken for one")
    };
    assert!(why.contains("excessive message size"), "{why}");
}

#[test]
fn a_server_that_sends_byte_by_byte_is_too_slow() {
    // For three times as long as it is given.
    let slow = stream_server(|mut stream| {
        for byte in beginning_of_a_hello([0, 0xea, 0x60]).into_iter().take(300) {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(30));
        }
    });
    assert_eq!(trouble(&slow, SHORT), Trouble::Slow(SHORT.time));
}

/// `HelloVerifyRequest` (RFC 6347, section 4.2.1) with a cookie, as the answer to a hello whose records
/// and messages bear these numbers.
fn hello_verify_request(hello: &[u8]) -> Vec<u8> {
    let cookie = [7; 32];
    let body = [&[0xfe, 0xff, 32][..], &cookie].concat();
    let length = [0, 0, u8::try_from(body.len()).unwrap()];
    let message_number = &hello[17..19];
    let message = [
        &[3][..],
        &length,
        message_number,
        &[0, 0, 0],
        &length,
        &body,
    ]
    .concat();
    let size = u16::try_from(message.len()).unwrap().to_be_bytes();
    let record_number = &hello[3..11];
    [&[22, 0xfe, 0xff][..], record_number, &size, &message].concat()
}

#[test]
fn a_server_that_asks_for_another_hello_for_ever_is_given_up() {
    let endless = datagram_server(hello_verify_request);
    let limits = Limits {
        bytes: 4096,
        ..PATIENT
    };
    assert_eq!(trouble(&endless, limits), Trouble::Endless(limits.bytes));
}

#[test]
fn fragments_that_never_make_a_message_are_given_up() {
    // The first byte of a ServerHello of 200 bytes, again and again.
    let fragment = |hello: &[u8]| {
        let header = [2, 0, 0, 200, hello[17], hello[18], 0, 0, 0, 0, 0, 1, 3];
        let size = u16::try_from(header.len()).unwrap().to_be_bytes();
        [&[22, 0xfe, 0xfd][..], &hello[3..11], &size, &header].concat()
    };
    let flooding = flooding_server(fragment);
    let limits = Limits {
        bytes: 4096,
        ..PATIENT
    };
    assert_eq!(trouble(&flooding, limits), Trouble::Endless(limits.bytes));
}
