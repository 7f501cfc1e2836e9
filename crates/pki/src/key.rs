//! Keys: which algorithm a public key has, and private keys that sign but do not show themselves.

use api::KeyKind;
use der::{
    AnyRef, Decode, Encode, Reader, SliceReader,
    asn1::{Any, ObjectIdentifier, OctetStringRef, UintRef},
};
use rcgen::{PublicKeyData, SigningKey as _};
use rustls_pki_types::PrivateKeyDer;
use spki::{
    AlgorithmIdentifierOwned, Document, DynSignatureAlgorithmIdentifier, EncodePublicKey,
    SignatureBitStringEncoding, SubjectPublicKeyInfoOwned,
};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");

/// The algorithm of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyAlgorithm {
    /// RSA, with the modulus' length in bits.
    Rsa(usize),
    /// ECDSA over a NIST curve of this size.
    Ecdsa(u16),
    /// Ed25519, for which coturn has no cipher.
    Ed25519,
    /// Anything else.
    Other(ObjectIdentifier),
}

impl KeyAlgorithm {
    pub(crate) fn of(public_key: &SubjectPublicKeyInfoOwned) -> Self {
        let algorithm = &public_key.algorithm;
        match algorithm.oid {
            RSA_ENCRYPTION => modulus_bits(public_key.subject_public_key.raw_bytes())
                .map_or(Self::Other(RSA_ENCRYPTION), Self::Rsa),
            EC_PUBLIC_KEY => {
                let curve = algorithm
                    .parameters
                    .as_ref()
                    .and_then(|any| any.decode_as().ok());
                match curve {
                    Some(P256) => Self::Ecdsa(256),
                    Some(P384) => Self::Ecdsa(384),
                    Some(P521) => Self::Ecdsa(521),
                    Some(other) => Self::Other(other),
                    None => Self::Other(EC_PUBLIC_KEY),
                }
            }
            ED25519 => Self::Ed25519,
            other => Self::Other(other),
        }
    }

    /// The kind under which a spec can ask for such a key.
    pub(crate) fn kind(self) -> Option<KeyKind> {
        match self {
            Self::Rsa(2048) => Some(KeyKind::Rsa2048),
            Self::Rsa(3072) => Some(KeyKind::Rsa3072),
            Self::Rsa(4096) => Some(KeyKind::Rsa4096),
            Self::Ecdsa(256) => Some(KeyKind::EcdsaP256),
            Self::Ecdsa(384) => Some(KeyKind::EcdsaP384),
            Self::Rsa(_) | Self::Ecdsa(_) | Self::Ed25519 | Self::Other(_) => None,
        }
    }

    /// The strongest kind that such a key is as strong as, whatever its exact size; none if coturn does
    /// not serve it, or it is weaker than all.
    pub(crate) fn strength(self) -> Option<KeyKind> {
        match self {
            Self::Rsa(4096..) => Some(KeyKind::Rsa4096),
            Self::Rsa(3072..) => Some(KeyKind::Rsa3072),
            Self::Rsa(2048..) => Some(KeyKind::Rsa2048),
            Self::Ecdsa(384..) => Some(KeyKind::EcdsaP384),
            Self::Ecdsa(256..) => Some(KeyKind::EcdsaP256),
            Self::Rsa(_) | Self::Ecdsa(_) | Self::Ed25519 | Self::Other(_) => None,
        }
    }

    /// How an authority with such a key signs; None if it is not supported.
    fn signature(self) -> Option<AlgorithmIdentifierOwned> {
        let ecdsa = |oid| {
            Some(AlgorithmIdentifierOwned {
                oid,
                parameters: None,
            })
        };
        match self {
            Self::Rsa(2048..=8192) => Some(AlgorithmIdentifierOwned {
                oid: SHA256_WITH_RSA,
                parameters: Some(Any::null()),
            }),
            Self::Ecdsa(256) => ecdsa(ECDSA_WITH_SHA256),
            Self::Ecdsa(384) => ecdsa(ECDSA_WITH_SHA384),
            Self::Ecdsa(521) => ecdsa(ECDSA_WITH_SHA512),
            Self::Rsa(_) | Self::Ecdsa(_) | Self::Ed25519 | Self::Other(_) => None,
        }
    }

    pub(crate) fn can_sign(self) -> bool {
        self.signature().is_some()
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
            Self::Ecdsa(bits) => write!(f, "ECDSA-{bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(oid) => write!(f, "algorithm {oid}"),
        }
    }
}

fn modulus_bits(rsa_public_key: &[u8]) -> Option<usize> {
    let (modulus, _) = two_integers(rsa_public_key, 0).ok()?;
    let leading = modulus.first()?.leading_zeros();
    (modulus.len() * 8).checked_sub(usize::try_from(leading).ok()?)
}

/// Two neighbouring INTEGERs of a SEQUENCE, after as many others.
fn two_integers(sequence: &[u8], skipped: usize) -> der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(AnyRef::from_der(sequence)?.value())?;
    for _ in 0..skipped {
        UintRef::decode(&mut reader)?;
    }
    let first = UintRef::decode(&mut reader)?;
    let second = UintRef::decode(&mut reader)?;
    Ok((first.as_bytes(), second.as_bytes()))
}

/// A private key that was parsed or generated. It has no Debug, and its encoding is wiped when it
/// is dropped.
pub(crate) struct SigningKey {
    pair: rcgen::KeyPair,
    public_key: SubjectPublicKeyInfoOwned,
    signature: AlgorithmIdentifierOwned,
}

/// A private key that cannot be used; why is not told, so that nothing of it is.
pub(crate) struct InvalidKey;

impl SigningKey {
    pub(crate) fn generate(kind: KeyKind) -> Result<Self, InvalidKey> {
        let rsa = |size| rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
        let pair = match kind {
            KeyKind::EcdsaP256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyKind::EcdsaP384 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            KeyKind::Rsa2048 => rsa(rcgen::RsaKeySize::_2048),
            KeyKind::Rsa3072 => rsa(rcgen::RsaKeySize::_3072),
            KeyKind::Rsa4096 => rsa(rcgen::RsaKeySize::_4096),
        };
        Self::new(pair.map_err(|_| InvalidKey)?)
    }

    /// The key of a DER encoding; RSA and ECDSA keys are checked for consistency.
    pub(crate) fn parse(key: &PrivateKeyDer<'_>) -> Result<Self, InvalidKey> {
        Self::new(rcgen::KeyPair::try_from(key).map_err(|_| InvalidKey)?)
    }

    fn new(pair: rcgen::KeyPair) -> Result<Self, InvalidKey> {
        let public_key = SubjectPublicKeyInfoOwned::from_der(&pair.subject_public_key_info())
            .map_err(|_| InvalidKey)?;
        let signature = KeyAlgorithm::of(&public_key)
            .signature()
            .ok_or(InvalidKey)?;
        Ok(Self {
            pair,
            public_key,
            signature,
        })
    }

    /// A second copy, for a renewal that keeps its key.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn copy(&self) -> Self {
        let der = rustls_pki_types::PrivatePkcs8KeyDer::from(self.pair.serialized_der());
        let Ok(copy) = Self::parse(&PrivateKeyDer::Pkcs8(der)) else {
            unreachable!("a generated key can be parsed");
        };
        copy
    }

    pub(crate) fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public_key
    }

    /// The PKCS#8 form. Only a generated key has one: a parsed key keeps the form it had.
    pub(crate) fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.pair.serialize_pem())
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

/// A signature's octets, as a certificate holds them.
pub(crate) struct Signature(Vec<u8>);

impl SignatureBitStringEncoding for Signature {
    fn to_bitstring(&self) -> der::Result<der::asn1::BitString> {
        der::asn1::BitString::from_bytes(&self.0)
    }
}

impl signature::Signer<Signature> for SigningKey {
    fn try_sign(&self, message: &[u8]) -> Result<Signature, signature::Error> {
        self.pair
            .sign(message)
            .map(Signature)
            .map_err(|_| signature::Error::new())
    }
}

/// A public key, as the certificate builder wants it.
#[derive(Clone)]
pub(crate) struct VerifyingKey(SubjectPublicKeyInfoOwned);

impl EncodePublicKey for VerifyingKey {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.0.to_der()?)?)
    }
}

impl signature::Keypair for SigningKey {
    type VerifyingKey = VerifyingKey;

    fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.public_key.clone())
    }
}

impl DynSignatureAlgorithmIdentifier for SigningKey {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(self.signature.clone())
    }
}

/// Whether a private key belongs to a public key of any algorithm that a pair may have, also of
/// those that this crate would not issue or sign with. None: the key cannot be parsed.
pub(crate) fn belongs(
    key: &PrivateKeyDer<'_>,
    public_key: &SubjectPublicKeyInfoOwned,
) -> Option<bool> {
    let expected = public_key.subject_public_key.raw_bytes();
    if let Ok(pair) = rcgen::KeyPair::try_from(key) {
        return Some(pair.public_key_raw() == expected);
    }
    // RSA below 2048 bits is refused by the cryptography library; its numbers can be compared.
    let found = two_integers(rsa_private_key(key)?, 1).ok()?;
    Some(two_integers(expected, 0).is_ok_and(|wanted| wanted == found))
}

/// The `RSAPrivateKey` (RFC 8017 appendix A.1.2) in a PKCS#1 or PKCS#8 encoding.
fn rsa_private_key<'a>(key: &'a PrivateKeyDer<'_>) -> Option<&'a [u8]> {
    match key {
        PrivateKeyDer::Pkcs1(key) => Some(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => {
            let sequence = AnyRef::from_der(key.secret_pkcs8_der()).ok()?;
            let mut reader = SliceReader::new(sequence.value()).ok()?;
            UintRef::decode(&mut reader).ok()?;
            reader.tlv_bytes().ok()?;
            Some(<&OctetStringRef>::decode(&mut reader).ok()?.as_bytes())
        }
        _ => None,
    }
}
