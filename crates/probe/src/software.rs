//! What a STUN server says that it is: the attribute SOFTWARE of its answer to a Binding request (RFC
//! 8489, section 14.14), over TCP, where TURN servers answer as over UDP.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// A Binding request (RFC 8489, section 5) without attributes: type, length, magic cookie, transaction.
const REQUEST: [u8; 20] = [
    0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
];
const HEADER: usize = 20;
const SOFTWARE: u16 = 0x8022;
/// Longest text (RFC 8489, section 14.14), in bytes.
const LONGEST: usize = 763;

/// What a server makes of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Software {
    /// It says what it is.
    Told(String),
    /// It answers, and does not say it.
    Hidden,
    /// It does not answer as such a server does, or not at all.
    Unanswered,
}

/// Asks a server what it is; it has this time to say so. A server that asks for credentials says it beside
/// its refusal.
#[must_use]
pub fn software(address: SocketAddr, time: Duration) -> Software {
    let Some(attributes) = attributes(address, time) else {
        return Software::Unanswered;
    };
    software_of(&attributes).map_or(Software::Hidden, Software::Told)
}

/// The attributes of its answer.
fn attributes(address: SocketAddr, time: Duration) -> Option<Vec<u8>> {
    let deadline = Instant::now() + time;
    let mut stream = TcpStream::connect_timeout(&address, time).ok()?;
    stream.write_all(&REQUEST).ok()?;
    let header = read(&mut stream, HEADER, deadline)?;
    let length = u16::from_be_bytes([header[2], header[3]]);
    let is_answer = header[0] & 0xc1 == 1 && header[4..] == REQUEST[4..];
    if !is_answer {
        return None;
    }
    read(&mut stream, length.into(), deadline)
}

fn read(stream: &mut TcpStream, length: usize, deadline: Instant) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let left = deadline.checked_duration_since(Instant::now())?;
        stream
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .ok()?;
        match stream.read(&mut bytes[filled..]).ok()? {
            0 => return None,
            count => filled += count,
        }
    }
    Some(bytes)
}

/// Attributes are a type, a length, and a value that is padded to four bytes.
fn software_of(mut attributes: &[u8]) -> Option<String> {
    loop {
        let (header, rest) = attributes.split_at_checked(4)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let value = rest.get(..length)?;
        if u16::from_be_bytes([header[0], header[1]]) == SOFTWARE {
            let text = std::str::from_utf8(value.get(..LONGEST).unwrap_or(value)).ok()?;
            return Some(text.chars().filter(|it| !it.is_control()).collect());
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    const PATIENT: Duration = Duration::from_secs(20);

    /// A server that answers with a message of this type and these attributes.
    fn answering(kind: u16, attributes: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; HEADER];
            stream.read_exact(&mut request).unwrap();
            let length = u16::try_from(attributes.len()).unwrap();
            let answer = [
                &kind.to_be_bytes()[..],
                &length.to_be_bytes(),
                &request[4..],
            ]
            .concat();
            stream.write_all(&answer).unwrap();
            stream.write_all(&attributes).unwrap();
        });
        address
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        let mut bytes = [&kind.to_be_bytes()[..], &length, value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn a_server_tells_beside_its_answer_or_its_refusal() {
        let attributes = [
            attribute(0x20, &[1; 8]),
            attribute(SOFTWARE, b"Coturn-4.6.1 'Gorst'"),
        ];
        for kind in [0x0101, 0x0111] {
            let server = answering(kind, attributes.concat());
            let told = software(server, PATIENT);
            assert_eq!(told, Software::Told("Coturn-4.6.1 'Gorst'".to_owned()));
        }
    }

    #[test]
    fn a_server_that_hides_it_is_told_from_one_that_is_none() {
        let hidden = answering(0x0101, attribute(9, b"a"));
        assert_eq!(software(hidden, PATIENT), Software::Hidden);
        let other = answering(0x4854, Vec::new());
        assert_eq!(software(other, PATIENT), Software::Unanswered);
        let cut = answering(0x0101, vec![0x80, 0x22, 0, 200, b'a']);
        assert_eq!(software(cut, PATIENT), Software::Hidden);
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up_and_one_that_is_not_there_has_not_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ask = || software(address, Duration::from_millis(100));
        assert_eq!(ask(), Software::Unanswered);
        drop(listener);
        assert_eq!(ask(), Software::Unanswered);
    }
}
