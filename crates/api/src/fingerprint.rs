//! Identities of certificates: SHA-256 fingerprints and serial numbers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// SHA-256 of a certificate's DER encoding. Written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint with these digest bytes.
    #[must_use]
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The first eight hex digits: enough for a person to compare, not for a machine.
    #[must_use]
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }

    /// As in the value of SDP's attribute `fingerprint` (RFC 8122, section 5): the name of the hash
    /// function, then upper-case pairs of hex digits with colons between them.
    #[must_use]
    pub fn to_sdp(&self) -> String {
        let pairs = self.0.map(|octet| format!("{octet:02X}"));
        format!("sha-256 {}", pairs.join(":"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.short())
    }
}

/// Text that is not the hex form it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not {1}")]
pub struct InvalidHex(String, &'static str);

impl FromStr for Fingerprint {
    type Err = InvalidHex;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidHex(text.to_owned(), "a SHA-256 fingerprint of 64 hex digits");
        let bytes = unhex(text).ok_or_else(invalid)?;
        bytes.try_into().map(Self).map_err(|_| invalid())
    }
}

/// The serial number of a certificate: a positive number of at most 20 octets (RFC 5280 §4.1.2.2),
/// big-endian, without leading zeros. Written as lower-case hex, as `openssl x509 -serial` has it in
/// upper case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber(Vec<u8>);

impl SerialNumber {
    /// The serial number with these content octets of a DER INTEGER. The zero octet that DER puts
    /// in front of a high bit is a sign, no digit.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Self {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let start = zeros.min(octets.len().saturating_sub(1));
        Self(octets[start..].to_vec())
    }

    /// The number, big-endian.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl FromStr for SerialNumber {
    type Err = InvalidHex;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text)
            .map(|octets| Self::from_octets(&octets))
            .filter(|serial| (1..=20).contains(&serial.0.len()))
            .ok_or_else(|| InvalidHex(text.to_owned(), "a serial number of 1 to 20 octets in hex"))
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

serde_as_text!(Fingerprint);
serde_as_text!(SerialNumber);

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_survives_a_round_trip_through_text() {
        let fingerprint = Fingerprint::from_digest([0xab; 32]);
        assert_eq!(fingerprint.to_string(), "ab".repeat(32));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }

    #[test]
    fn in_sdp_a_fingerprint_is_the_hash_functions_name_and_upper_case_pairs() {
        let mut digest = [0x0a; 32];
        digest[31] = 0xf0;
        let expected = format!("sha-256 {}F0", "0A:".repeat(31));
        assert_eq!(Fingerprint::from_digest(digest).to_sdp(), expected);
    }

    #[test]
    fn text_of_another_length_or_alphabet_is_no_fingerprint() {
        for text in [
            "",
            "ab",
            &"zz".repeat(32),
            &"é".repeat(32),
            &"ab".repeat(33),
        ] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_sign_octet_is_no_part_of_a_serial_number() {
        let serial = SerialNumber::from_octets(&[0, 0x8f, 1]);
        assert_eq!(serial.to_string(), "8f01");
        assert_eq!("8f01".parse(), Ok(serial.clone()));
        assert_eq!("008f01".parse(), Ok(serial));
    }

    #[test]
    fn zero_is_one_octet() {
        assert_eq!(SerialNumber::from_octets(&[0]).to_string(), "00");
    }

    #[test]
    fn a_serial_number_has_1_to_20_octets() {
        let longest = "ff".repeat(20);
        assert!(format!("00{longest}").parse::<SerialNumber>().is_ok());
        for text in ["", "0", &format!("01{longest}")] {
            assert!(text.parse::<SerialNumber>().is_err(), "{text}");
        }
    }
}
