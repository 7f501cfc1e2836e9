//! A server that refuses what it is shown by an alert of one's choice.

use std::{
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use probe::{Protocol, Target};

use super::at;

const PATIENCE: Duration = Duration::from_millis(5);
const HANDSHAKE: u8 = 22;
const CERTIFICATE: u8 = 11;

/// In front of a server for one client: what either says is handed on, until the client shows its
/// certificate, which is answered by this alert, fatal and in the clear.
pub fn refusing(server: &Target, alert: u8) -> Target {
    let front = UdpSocket::bind("127.0.0.1:0").unwrap();
    let back = UdpSocket::bind("127.0.0.1:0").unwrap();
    back.connect(server.address).unwrap();
    for socket in [&front, &back] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let address = front.local_addr().unwrap();
    thread::spawn(move || stand_between(&front, &back, alert));
    at(Protocol::Dtls12, address)
}

/// To the end of its time, as a port that is closed would be heard before the alert.
fn stand_between(front: &UdpSocket, back: &UdpSocket, alert: u8) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut client, mut buffer) = (None, [0; 4096]);
    while Instant::now() < deadline {
        if let Ok((length, from)) = front.recv_from(&mut buffer) {
            client = Some(from);
            if shows_a_certificate(&buffer[..length]) {
                front.send_to(&fatal(alert), from).unwrap();
            } else {
                back.send(&buffer[..length]).unwrap();
            }
        }
        if let (Ok(length), Some(client)) = (back.recv(&mut buffer), client) {
            front.send_to(&buffer[..length], client).unwrap();
        }
    }
}

/// Whether one of the records of a datagram (RFC 6347, section 4.1) begins with a Certificate message.
fn shows_a_certificate(mut rest: &[u8]) -> bool {
    while let Some((header, after)) = rest.split_at_checked(13) {
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let is_clear = header[3..5] == [0, 0];
        if header[0] == HANDSHAKE && is_clear && after.first() == Some(&CERTIFICATE) {
            return true;
        }
        rest = after.get(length..).unwrap_or_default();
    }
    false
}

/// A record of a number that no server reaches (RFC 6347, section 4.1.2.6: one that was seen is dropped).
fn fatal(alert: u8) -> Vec<u8> {
    const HEADER: [u8; 13] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 2];
    [&HEADER[..], &[2, alert]].concat()
}
