//! From the signing certificate to its root, through whatever the CA Secret offers.

use jiff::Timestamp;

use crate::{
    AuthorityError,
    certificate::{Certificate, SignatureFault},
    name,
};

/// Most CA certificates of a chain, root included: rustls-webpki, which has the last word on every
/// leaf, follows six below the root.
const MAX_CHAIN: usize = 7;

/// The signing certificate first, each issued by the next, a self-signed root last.
pub(crate) struct Chain(Vec<Certificate>);

impl Chain {
    /// Finds the issuers of `signing` among `offered`, in whatever order they stand there. Among
    /// several that fit (a root that was renewed with its key), one valid at `now` wins, then one
    /// that ends the chain, then the one that lasts longest.
    pub(crate) fn build(
        signing: Certificate,
        offered: &[Certificate],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let mut chain = Vec::new();
        let mut last = signing;
        while !is_root(&last) {
            let issuer = issuer_of(&last, offered, now)?;
            if chain.contains(&issuer) {
                return Err(missing(&last));
            }
            chain.push(std::mem::replace(&mut last, issuer));
            if chain.len() == MAX_CHAIN {
                let subject = chain[0].shown();
                return Err(AuthorityError::ChainTooLong {
                    subject,
                    limit: MAX_CHAIN,
                });
            }
        }
        chain.push(last);
        Ok(Self(chain))
    }

    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// The certificate whose key signs.
    pub(crate) fn signing(&self) -> &Certificate {
        &self.0[0]
    }

    pub(crate) fn root(&self) -> &Certificate {
        &self.0[self.0.len() - 1]
    }

    /// What stands between a leaf and the root; a partner that trusts the root needs these.
    pub(crate) fn intermediates(&self) -> &[Certificate] {
        &self.0[..self.0.len() - 1]
    }
}

/// A root's own signature proves nothing to who trusts it, so one that cannot be verified (SHA-1)
/// does not matter; a wrong one means a damaged certificate.
fn is_root(certificate: &Certificate) -> bool {
    if !certificate.is_self_issued() {
        return false;
    }
    match certificate.verify_signature(certificate) {
        Ok(()) | Err(SignatureFault::Unsupported) => certificate.key_id_admits(certificate),
        Err(SignatureFault::Wrong) => false,
    }
}

fn issuer_of(
    certificate: &Certificate,
    offered: &[Certificate],
    now: Timestamp,
) -> Result<Certificate, AuthorityError> {
    let named: Vec<_> = offered
        .iter()
        .filter(|offer| offer.subject() == certificate.issuer() && *offer != certificate)
        .collect();
    if named.is_empty() && certificate.is_self_issued() {
        return Err(damaged_root(certificate));
    }
    let mut error = missing(certificate);
    let mut fitting = Vec::new();
    for offer in named {
        match fits(certificate, offer) {
            Ok(()) => fitting.push(offer),
            Err(misfit) => error = misfit,
        }
    }
    let valid = |offer: &Certificate| offer.not_before() <= now && now <= offer.not_after();
    let best = fitting
        .into_iter()
        .max_by_key(|offer| (valid(offer), offer.is_self_issued(), offer.not_after()));
    best.cloned().ok_or(error)
}

fn fits(certificate: &Certificate, issuer: &Certificate) -> Result<(), AuthorityError> {
    let (subject, issuer_name) = (certificate.shown(), issuer.shown());
    if !certificate.key_id_admits(issuer) {
        return Err(AuthorityError::KeyIdentifierMismatch {
            subject,
            issuer: issuer_name,
        });
    }
    let algorithm = issuer.key_algorithm();
    if !algorithm.can_sign() {
        let algorithm = algorithm.to_string();
        return Err(AuthorityError::UnsupportedKey {
            subject: issuer_name,
            algorithm,
        });
    }
    certificate
        .verify_signature(issuer)
        .map_err(|fault| match fault {
            SignatureFault::Wrong => AuthorityError::BadSignature {
                subject,
                issuer: issuer_name,
            },
            SignatureFault::Unsupported => AuthorityError::UnsupportedSignature {
                subject,
                algorithm: certificate.signature_algorithm(),
            },
        })
}

fn missing(certificate: &Certificate) -> AuthorityError {
    AuthorityError::IssuerMissing {
        subject: certificate.shown(),
        issuer: name::shown(certificate.issuer()),
    }
}

fn damaged_root(certificate: &Certificate) -> AuthorityError {
    let (subject, issuer) = (certificate.shown(), name::shown(certificate.issuer()));
    if certificate.key_id_admits(certificate) {
        AuthorityError::BadSignature { subject, issuer }
    } else {
        AuthorityError::KeyIdentifierMismatch { subject, issuer }
    }
}
