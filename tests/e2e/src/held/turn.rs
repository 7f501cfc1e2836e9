//! As much of STUN (RFC 8489) and TURN (RFC 8656) as it takes to hold an allocation.

use openssl::{
    hash::{MessageDigest, hash},
    pkey::PKey,
    sign::Signer,
};

/// Names a request and its answer.
pub type Transaction = [u8; 12];

/// Of every message.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const LIFETIME: u16 = 0x000d;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const REQUESTED_TRANSPORT: u16 = 0x0019;

/// Bits of a message's type that tell an answer.
const SUCCESS: u16 = 0x0100;
const ERROR: u16 = 0x0110;

const UDP: [u8; 4] = [17, 0, 0, 0];
/// Seconds for which an allocation is asked to live: for longer than any test.
const LONG: u32 = 1800;

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A relay of one's own.
    Allocate,
    /// That it live on. Who has none is refused.
    Refresh,
}

impl Method {
    const fn code(self) -> u16 {
        match self {
            Self::Allocate => 3,
            Self::Refresh => 4,
        }
    }
}

/// A user of the server.
pub struct User {
    /// The name.
    pub name: &'static str,
    /// The password.
    pub password: &'static str,
}

/// What the server wants to be told back by who shows credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
}

/// What the server makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// It wants credentials, or its challenge is another by now.
    Challenged(Challenge),
    /// It refuses: by this code.
    Refused(u16),
}

/// A request, with credentials once there is a challenge.
pub fn request(
    method: Method,
    transaction: &Transaction,
    user: &User,
    challenge: Option<&Challenge>,
) -> Vec<u8> {
    let mut message = Message::new(method.code(), transaction);
    if method == Method::Allocate {
        message = message.with(REQUESTED_TRANSPORT, &UDP);
    }
    message = message.with(LIFETIME, &LONG.to_be_bytes());
    match challenge {
        Some(challenge) => message.authenticated(user, challenge),
        None => message.0,
    }
}

/// The answer in a message, if it is the one to this request.
pub fn answer(message: &[u8], method: Method, transaction: &Transaction) -> Option<Answer> {
    if message.get(8..HEADER)? != transaction {
        return None;
    }
    let kind = u16::from_be_bytes([message[0], message[1]]);
    if kind == method.code() | SUCCESS {
        return Some(Answer::Done);
    }
    let code = attribute(message, ERROR_CODE)?;
    // RFC 8489, section 14.8: hundreds, then the rest.
    let code = u16::from(*code.get(2)? & 7) * 100 + u16::from(*code.get(3)?);
    let is_error = kind == method.code() | ERROR;
    is_error.then(|| match code {
        401 | 438 => Answer::Challenged(Challenge {
            realm: attribute(message, REALM).unwrap_or_default().to_vec(),
            nonce: attribute(message, NONCE).unwrap_or_default().to_vec(),
        }),
        code => Answer::Refused(code),
    })
}

/// The value of an attribute.
fn attribute(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = message.get(HEADER..)?;
    loop {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if kind == wanted {
            return after.get(..length);
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
}

/// A message that is written.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, transaction: &Transaction) -> Self {
        Self([&kind.to_be_bytes(), &[0, 0], &COOKIE[..], transaction].concat())
    }

    fn with(mut self, attribute: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("a short value");
        self.0.extend(attribute.to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.has_length(self.0.len());
        self
    }

    /// Says how long it is, or will be.
    fn has_length(&mut self, whole: usize) {
        let length = u16::try_from(whole - HEADER).expect("a short message");
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
    }

    /// By long-term credentials (RFC 8489, section 9.2).
    fn authenticated(self, user: &User, challenge: &Challenge) -> Vec<u8> {
        let message = self
            .with(USERNAME, user.name.as_bytes())
            .with(NONCE, &challenge.nonce)
            .with(REALM, &challenge.realm);
        let realm = String::from_utf8_lossy(&challenge.realm);
        let secret = format!("{}:{realm}:{}", user.name, user.password);
        let key = hash(MessageDigest::md5(), secret.as_bytes()).expect("MD5");
        message.sealed(&key)
    }

    /// The seal is of the message as long as it is with it.
    fn sealed(mut self, key: &[u8]) -> Vec<u8> {
        let digest = MessageDigest::sha1();
        self.has_length(self.0.len() + 4 + digest.size());
        let key = PKey::hmac(key).expect("a key");
        let mut signer = Signer::new(digest, &key).expect("a signer");
        let seal = signer.sign_oneshot_to_vec(&self.0).expect("a seal");
        self.with(MESSAGE_INTEGRITY, &seal).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSACTION: Transaction = *b"transaction.";

    /// RFC 5769, section 2.4.
    #[test]
    fn a_request_is_sealed_as_the_standards_sample_is() {
        let transaction = [
            0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e,
        ];
        let user = User {
            name: "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}",
            password: "TheMatrIX",
        };
        let challenge = Challenge {
            realm: b"example.org".to_vec(),
            nonce: b"f//499k954d6OL34oL9FSTvy64sA".to_vec(),
        };
        let message = Message::new(1, &transaction).authenticated(&user, &challenge);
        let seal = [
            0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02, 0xb8, 0xe0, 0x71, 0x2e, 0x85,
            0xc9, 0xa2, 0x8c, 0xa8, 0x96, 0x66,
        ];
        assert_eq!(message[2..4], [0, 0x60]);
        assert_eq!(message[message.len() - 20..], seal);
    }

    fn refusal(code: [u8; 2]) -> Vec<u8> {
        let kind = Method::Allocate.code() | ERROR;
        Message::new(kind, &TRANSACTION)
            .with(ERROR_CODE, &[0, 0, code[0], code[1]])
            .with(NONCE, b"once")
            .with(REALM, b"example.com")
            .0
    }

    #[test]
    fn who_is_asked_for_credentials_is_told_what_to_show() {
        let challenge = Challenge {
            realm: b"example.com".to_vec(),
            nonce: b"once".to_vec(),
        };
        let found = answer(&refusal([4, 1]), Method::Allocate, &TRANSACTION);
        assert_eq!(found, Some(Answer::Challenged(challenge)));
    }

    #[test]
    fn a_refusal_has_its_code_and_the_answer_to_another_request_is_none() {
        let refusal = refusal([4, 37]);
        let found = answer(&refusal, Method::Allocate, &TRANSACTION);
        assert_eq!(found, Some(Answer::Refused(437)));
        assert_eq!(answer(&refusal, Method::Refresh, &TRANSACTION), None);
        assert_eq!(answer(&refusal, Method::Allocate, b"another one."), None);
        assert_eq!(answer(&[1; 7], Method::Allocate, &TRANSACTION), None);
    }
}
