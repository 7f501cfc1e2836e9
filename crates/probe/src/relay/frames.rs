//! Datagrams in a stream.

use std::io::{self, ErrorKind};

const HEADER: usize = 2;

/// Takes a stream apart into its frames.
#[derive(Debug, Default)]
pub struct Frames {
    received: Vec<u8>,
}

impl Frames {
    /// A frame with this content, which must be shorter than 64 kB.
    pub fn frame(content: &[u8]) -> io::Result<Vec<u8>> {
        let length = u16::try_from(content.len())
            .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "no datagram is so long"))?;
        Ok([&length.to_be_bytes()[..], content].concat())
    }

    /// Takes in what came next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Whether the next frame is there as a whole.
    pub fn has_next(&self) -> bool {
        self.end().is_some()
    }

    /// Where the next frame ends, if it is there as a whole.
    fn end(&self) -> Option<usize> {
        let (header, _) = self.received.split_first_chunk::<HEADER>()?;
        let end = HEADER + usize::from(u16::from_be_bytes(*header));
        (self.received.len() >= end).then_some(end)
    }

    /// The next frame's content, once it is there as a whole.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let end = self.end()?;
        let rest = self.received.split_off(end);
        let frame = std::mem::replace(&mut self.received, rest);
        Some(frame[HEADER..].to_vec())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_cut() {
        let longest = vec![9; 65_535];
        let contents: [&[u8]; 4] = [b"", b"a", &[7; 300], &longest];
        let stream: Vec<_> = contents
            .iter()
            .flat_map(|content| Frames::frame(content).unwrap())
            .collect();
        for piece in [1, 2, 3, 1000, stream.len()] {
            let (mut frames, mut out) = (Frames::default(), Vec::new());
            for bytes in stream.chunks(piece) {
                frames.push(bytes);
                out.extend(std::iter::from_fn(|| frames.pop()));
            }
            assert_eq!(out, contents, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_datagram_makes_no_frame() {
        assert!(Frames::frame(&vec![0; 65_536]).is_err());
    }
}
