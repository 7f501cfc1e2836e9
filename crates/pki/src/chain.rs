//! From the signing certificate to its root, through whatever the CA Secret offers.

use std::cmp::Reverse;

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
    /// Finds a way from `signing` to a root among `offered`, in whatever order they stand there.
    /// Where several issuers fit (cross-certificates, a root that was renewed with its key), a root
    /// wins, then the one that lasts longest; what is not valid at `now` is used only if nothing
    /// else leads to a root.
    pub(crate) fn build(
        signing: &Certificate,
        offered: &[Certificate],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let is_valid = |offer: &&Certificate| offer.not_before() <= now && now <= offer.not_after();
        let (valid, others): (Vec<_>, Vec<_>) = offered.iter().partition(is_valid);
        let all = [&valid[..], &others[..]].concat();
        Search::among(valid)
            .from(signing)
            .or_else(|_| Search::among(all).from(signing))
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

/// A search in depth. Whoever may write a CA Secret must not be able to keep it busy: with as much
/// room above it, no certificate is tried twice.
struct Search<'a> {
    offered: Vec<&'a Certificate>,
    /// For each: with how many certificates above the last it led to no root.
    dead_ends: Vec<usize>,
}

impl<'a> Search<'a> {
    fn among(offered: Vec<&'a Certificate>) -> Self {
        let dead_ends = vec![0; offered.len()];
        Self { offered, dead_ends }
    }

    fn from(mut self, signing: &Certificate) -> Result<Chain, AuthorityError> {
        let mut chain = vec![signing.clone()];
        self.reach_root(signing, &mut chain)?;
        Ok(Chain(chain))
    }

    /// Continues a chain that ends with `last`. What is told of a failure is what is wrong with the
    /// best way.
    fn reach_root(
        &mut self,
        last: &Certificate,
        chain: &mut Vec<Certificate>,
    ) -> Result<(), AuthorityError> {
        if is_root(last) {
            return Ok(());
        }
        let room = MAX_CHAIN - chain.len();
        if room == 0 {
            return Err(AuthorityError::ChainTooLong {
                subject: chain[0].shown(),
                limit: MAX_CHAIN,
            });
        }
        let mut failure = None;
        for index in self.issuers_of(last)? {
            let issuer = self.offered[index];
            if self.dead_ends[index] >= room || chain.contains(issuer) {
                continue;
            }
            chain.push(issuer.clone());
            match self.reach_root(issuer, chain) {
                Ok(()) => return Ok(()),
                Err(error) => failure.get_or_insert(error),
            };
            chain.pop();
            self.dead_ends[index] = room;
        }
        Err(failure.unwrap_or_else(|| missing(last)))
    }

    /// Which of those offered issued the certificate, the best first.
    fn issuers_of(&self, certificate: &Certificate) -> Result<Vec<usize>, AuthorityError> {
        let is_named =
            |offer: &Certificate| offer.subject() == certificate.issuer() && offer != certificate;
        let named: Vec<_> = (0..self.offered.len())
            .filter(|index| is_named(self.offered[*index]))
            .collect();
        if named.is_empty() && certificate.is_self_issued() {
            return Err(damaged_root(certificate));
        }
        let mut error = missing(certificate);
        let mut fitting = Vec::new();
        for index in named {
            match fits(certificate, self.offered[index]) {
                Ok(()) => fitting.push(index),
                Err(misfit) => error = misfit,
            }
        }
        let rank = |index: &usize| {
            let offer = self.offered[*index];
            Reverse((is_root(offer), offer.not_after()))
        };
        fitting.sort_by_cached_key(rank);
        if fitting.is_empty() {
            Err(error)
        } else {
            Ok(fitting)
        }
    }
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
