//! What a handshake shows on the wire before it is encrypted, and by the records that it takes
//! afterwards: whether the server asked for a certificate.
//!
//! A message of TLS 1.2 and DTLS 1.2 says so in the clear. Of TLS 1.3 the answer tells: a client that was
//! asked sends a Certificate message before its Finished, and each message is a record of its own.

use crate::{Demand, Protocol};

const HANDSHAKE: u8 = 22;
const ENCRYPTED: u8 = 23;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;

/// Looks on.
#[derive(Debug)]
pub(crate) struct Handshake {
    framing: Framing,
    received: Vec<u8>,
    sent: Vec<u8>,
    /// Handshake messages of a stream that were received in the clear and not looked at yet.
    messages: Vec<u8>,
    is_asked: bool,
    is_over: bool,
    answers: usize,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    /// Records within datagrams (RFC 6347, section 4.1): 13 bytes of header.
    Datagrams,
    /// Records of a stream (RFC 5246, section 6.2.1): 5 bytes of header.
    Stream,
}

/// A record: its type, whether it is in the clear as far as its header tells, and its body.
struct Record<'a> {
    kind: u8,
    is_clear: bool,
    body: &'a [u8],
}

impl Handshake {
    pub(crate) fn of(protocol: Protocol) -> Self {
        Self {
            framing: match protocol {
                Protocol::Dtls12 => Framing::Datagrams,
                Protocol::Tls12 | Protocol::Tls13 | Protocol::Tls => Framing::Stream,
            },
            received: Vec::new(),
            sent: Vec::new(),
            messages: Vec::new(),
            is_asked: false,
            is_over: false,
            answers: 0,
        }
    }

    /// Bytes arrived; of datagrams a whole one.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        match self.framing {
            Framing::Datagrams => self.look_at_datagram(bytes),
            Framing::Stream => {
                self.received.extend_from_slice(bytes);
                let received = std::mem::take(&mut self.received);
                let mut rest = received.as_slice();
                while let Some((record, after)) = stream_record(rest) {
                    self.look_at_record(&record);
                    rest = after;
                }
                self.received = rest.to_vec();
            }
        }
    }

    /// Bytes were sent.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        if let Framing::Stream = self.framing {
            self.sent.extend_from_slice(bytes);
            let sent = std::mem::take(&mut self.sent);
            let mut rest = sent.as_slice();
            while let Some((record, after)) = stream_record(rest) {
                self.answers += usize::from(record.kind == ENCRYPTED);
                rest = after;
            }
            self.sent = rest.to_vec();
        }
    }

    /// Whether a certificate was asked for, if the handshake came so far, or was completed.
    pub(crate) fn demand(&self, is_completed: bool) -> Demand {
        if self.is_asked {
            Demand::Asked
        } else if self.is_over {
            Demand::NotAsked
        } else {
            match self.answers {
                _ if !is_completed => Demand::Unknown,
                0 | 1 => Demand::NotAsked,
                _ => Demand::Asked,
            }
        }
    }

    fn look_at_datagram(&mut self, datagram: &[u8]) {
        let mut rest = datagram;
        while let Some((record, after)) = datagram_record(rest) {
            if record.kind == HANDSHAKE && record.is_clear {
                self.look_at_fragments(record.body);
            }
            rest = after;
        }
    }

    /// Messages of DTLS come in fragments, each with the type of its message (RFC 6347, section 4.2.2).
    fn look_at_fragments(&mut self, mut rest: &[u8]) {
        while let Some((header, body)) = rest.split_at_checked(12) {
            self.note(header[0]);
            let length = number(&header[9..12]);
            rest = body.get(length..).unwrap_or_default();
        }
    }

    fn look_at_record(&mut self, record: &Record<'_>) {
        if record.kind != HANDSHAKE {
            return;
        }
        self.messages.extend_from_slice(record.body);
        let messages = std::mem::take(&mut self.messages);
        let mut rest = messages.as_slice();
        while let Some((kind, after)) = message(rest) {
            self.note(kind);
            rest = after;
        }
        self.messages = rest.to_vec();
    }

    fn note(&mut self, message: u8) {
        self.is_asked |= message == CERTIFICATE_REQUEST;
        self.is_over |= message == SERVER_HELLO_DONE;
    }
}

fn datagram_record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(13)?;
    let (body, rest) = rest.split_at_checked(number(&header[11..13]))?;
    let record = Record {
        kind: header[0],
        is_clear: header[3..5] == [0, 0],
        body,
    };
    Some((record, rest))
}

fn stream_record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(5)?;
    let (body, rest) = rest.split_at_checked(number(&header[3..5]))?;
    let record = Record {
        kind: header[0],
        is_clear: true,
        body,
    };
    Some((record, rest))
}

/// Type of the first message of a stream, and what follows it.
fn message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (header, rest) = bytes.split_at_checked(4)?;
    let after = rest.get(number(&header[1..4])..)?;
    Some((header[0], after))
}

/// Big-endian, of at most three bytes.
fn number(bytes: &[u8]) -> usize {
    let add = |number: usize, byte: &u8| (number << 8) | usize::from(*byte);
    bytes.iter().fold(0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3], &length[..], body].concat()
    }

    fn plain_message(kind: u8, length: usize) -> Vec<u8> {
        let size = u32::try_from(length).unwrap().to_be_bytes();
        [&[kind], &size[1..], &vec![0; length]].concat()
    }

    #[test]
    fn a_request_that_is_spread_over_records_and_reads_is_seen() {
        let request = plain_message(CERTIFICATE_REQUEST, 300);
        let hello = plain_message(2, 40);
        let messages = [hello, request].concat();
        let (first, second) = messages.split_at(41);
        let wire = [framed(HANDSHAKE, first), framed(HANDSHAKE, second)].concat();
        let mut handshake = Handshake::of(Protocol::Tls12);
        for byte in wire {
            handshake.received(&[byte]);
        }
        assert_eq!(handshake.demand(false), Demand::Asked);
    }

    #[test]
    fn a_hello_that_is_done_without_a_request_asks_for_nothing() {
        let mut handshake = Handshake::of(Protocol::Tls12);
        assert_eq!(handshake.demand(false), Demand::Unknown);
        handshake.received(&framed(HANDSHAKE, &plain_message(SERVER_HELLO_DONE, 0)));
        assert_eq!(handshake.demand(false), Demand::NotAsked);
    }

    #[test]
    fn of_tls_13_the_number_of_encrypted_answers_tells() {
        let mut handshake = Handshake::of(Protocol::Tls13);
        handshake.sent(&framed(ENCRYPTED, &[0; 53]));
        assert_eq!(handshake.demand(false), Demand::Unknown);
        assert_eq!(handshake.demand(true), Demand::NotAsked);
        handshake.sent(&framed(ENCRYPTED, &[0; 53]));
        assert_eq!(handshake.demand(true), Demand::Asked);
    }

    #[test]
    fn garbage_is_looked_at_without_harm() {
        for protocol in [Protocol::Dtls12, Protocol::Tls] {
            let mut handshake = Handshake::of(protocol);
            for length in 0..64 {
                handshake.received(&vec![0xff; length]);
                handshake.received(&vec![22; length]);
                handshake.sent(&vec![23; length]);
            }
        }
    }
}
