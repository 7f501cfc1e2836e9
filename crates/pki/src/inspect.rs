//! What a pair in a Secret is, whoever put it there.

use api::{
    Leaf, SerialNumber,
    names::{TLS_CRT, TLS_KEY},
};

use crate::{PairError, certificate::Certificate, content, coverage, key, name, pem};

/// Reads a pair: a chain in order with the leaf first, and the leaf's key. Whether it is valid, or
/// to anybody's liking, is not judged.
pub fn inspect(certificate: &[u8], key: &[u8]) -> Result<Leaf, PairError> {
    let chain = chain(certificate)?;
    let leaf = &chain[0];
    check_key(leaf, key)?;
    check_order(&chain)?;
    Ok(Leaf {
        fingerprint: leaf.fingerprint(),
        serial: SerialNumber::from_octets(leaf.serial()),
        issuer: name::shown(leaf.issuer()),
        signer: leaf.signer(),
        not_before: leaf.not_before(),
        not_after: leaf.not_after(),
        content: content::of(leaf),
        coverage: coverage::of(leaf),
        key_algorithm: leaf.key_algorithm().to_string(),
    })
}

/// At least one certificate.
pub(crate) fn chain(bytes: &[u8]) -> Result<Vec<Certificate>, PairError> {
    let blocks = pem::certificates(bytes).map_err(|error| PairError::from_pem(TLS_CRT, error))?;
    let mut chain = Vec::new();
    for (index, der) in blocks.into_iter().enumerate() {
        chain.push(
            Certificate::parse(der).map_err(|detail| PairError::MalformedCertificate {
                position: index + 1,
                detail,
            })?,
        );
    }
    Ok(chain)
}

fn check_key(leaf: &Certificate, bytes: &[u8]) -> Result<(), PairError> {
    let key = pem::private_key(bytes).map_err(|error| PairError::from_pem(TLS_KEY, error))?;
    match key::belongs(&key, leaf.public_key()) {
        Some(true) => Ok(()),
        Some(false) => Err(PairError::KeyMismatch {
            subject: leaf.shown(),
        }),
        None => Err(PairError::MalformedKey),
    }
}

fn check_order(chain: &[Certificate]) -> Result<(), PairError> {
    for (index, pair) in chain.windows(2).enumerate() {
        if pair[0].issuer() != pair[1].subject() {
            return Err(PairError::OrderBroken {
                position: index + 2,
                subject: pair[1].shown(),
                expected: name::shown(pair[0].issuer()),
            });
        }
    }
    Ok(())
}
