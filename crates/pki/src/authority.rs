//! A CA Secret, judged: an [`Authority`] exists only if it may sign at the time it was loaded.

use std::fmt;

use api::{
    AuthorityFacts,
    names::{CA_CRT, TLS_CRT, TLS_KEY},
};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::{
    AuthorityError,
    certificate::Certificate,
    chain::Chain,
    constraints,
    key::{self, SigningKey},
    name, pem,
};

/// What a CA Secret holds.
#[derive(Clone, Copy)]
pub struct CaSecret<'a> {
    /// `tls.crt`: the signing certificate first, then its chain; the root is optional.
    pub certificate: Option<&'a [u8]>,
    /// `tls.key`: the signing certificate's key, PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: Option<&'a [u8]>,
    /// `ca.crt`: the root, where `tls.crt` lacks it. May hold further roots, which are published
    /// with it.
    pub root: Option<&'a [u8]>,
}

/// An authority that may sign at the time it was loaded for.
pub struct Authority {
    facts: AuthorityFacts,
    chain: Chain,
    roots: String,
    key: SigningKey,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Parses a CA Secret and judges it at `now`: the key belongs to the first certificate, a
    /// chain leads to a root, and every certificate of it is a CA in its validity whose
    /// constraints admit the chain. What only some leaves violate (name constraints, extended key
    /// usages) is judged when they are issued.
    pub fn load(secret: &CaSecret<'_>, now: Timestamp) -> Result<Self, AuthorityError> {
        let (signing, mut offered) = signing_certificate(secret.certificate)?;
        let key = signing_key(secret.key, &signing)?;
        check_ca(&signing)?;
        let roots = optional_certificates(secret.root)?;
        offered.extend(roots.iter().cloned());
        let chain = Chain::build(&signing, &offered, now)?;
        check_root(&chain, &roots)?;
        for certificate in chain.certificates() {
            check_ca(certificate)?;
            check_key(certificate)?;
            constraints::check_supported(certificate)?;
        }
        constraints::check_path_length(&chain)?;
        check_time(&chain, now)?;
        let facts = facts(&chain)?;
        let roots = published_roots(&chain, &roots)?;
        Ok(Self {
            facts,
            chain,
            roots,
            key,
        })
    }

    /// What can be told about it.
    pub fn facts(&self) -> &AuthorityFacts {
        &self.facts
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// PEM of the chain's root, then of the further roots of `ca.crt`.
    #[must_use]
    pub fn roots(&self) -> &str {
        &self.roots
    }
}

fn signing_certificate(
    bytes: Option<&[u8]>,
) -> Result<(Certificate, Vec<Certificate>), AuthorityError> {
    let mut certificates = parse(TLS_CRT, bytes.unwrap_or_default())?;
    let signing = certificates.remove(0);
    Ok((signing, certificates))
}

/// At least one certificate.
fn parse(field: &'static str, bytes: &[u8]) -> Result<Vec<Certificate>, AuthorityError> {
    let blocks =
        pem::certificates(bytes).map_err(|error| AuthorityError::from_pem(field, error))?;
    let certificate = |(index, der): (usize, CertificateDer<'static>)| {
        Certificate::parse(der).map_err(|detail| AuthorityError::MalformedCertificate {
            field,
            position: index + 1,
            detail,
        })
    };
    blocks.into_iter().enumerate().map(certificate).collect()
}

fn optional_certificates(bytes: Option<&[u8]>) -> Result<Vec<Certificate>, AuthorityError> {
    match parse(CA_CRT, bytes.unwrap_or_default()) {
        Err(AuthorityError::Incomplete { .. }) => Ok(Vec::new()),
        result => result,
    }
}

fn signing_key(bytes: Option<&[u8]>, signing: &Certificate) -> Result<SigningKey, AuthorityError> {
    let key = pem::private_key(bytes.unwrap_or_default())
        .map_err(|error| AuthorityError::from_pem(TLS_KEY, error))?;
    check_key(signing)?;
    match key::belongs(&key, signing.public_key()) {
        Some(true) => SigningKey::parse(&key).map_err(|_| AuthorityError::MalformedKey),
        Some(false) => Err(AuthorityError::KeyMismatch {
            subject: signing.shown(),
        }),
        None => Err(AuthorityError::MalformedKey),
    }
}

fn check_key(certificate: &Certificate) -> Result<(), AuthorityError> {
    let algorithm = certificate.key_algorithm();
    if algorithm.can_sign() {
        return Ok(());
    }
    Err(AuthorityError::UnsupportedKey {
        subject: certificate.shown(),
        algorithm: algorithm.to_string(),
    })
}

/// RFC 5280 §6.1.4 (k) and (n). A CA without keyUsage may sign.
fn check_ca(certificate: &Certificate) -> Result<(), AuthorityError> {
    let subject = || certificate.shown();
    if !certificate.is_ca() {
        return Err(AuthorityError::NotACa { subject: subject() });
    }
    match &certificate.key_usage {
        Some(usage) if !usage.key_cert_sign() => {
            Err(AuthorityError::NoCertSign { subject: subject() })
        }
        _ => Ok(()),
    }
}

/// A half-written rotation leaves the old root in `ca.crt`: partners would be given that one.
fn check_root(chain: &Chain, roots: &[Certificate]) -> Result<(), AuthorityError> {
    let root = chain.root();
    let same = |other: &Certificate| {
        other.subject() == root.subject() && other.public_key() == root.public_key()
    };
    let mut roots = roots
        .iter()
        .filter(|other| other.is_self_issued())
        .peekable();
    if roots.peek().is_none() || roots.any(same) {
        return Ok(());
    }
    Err(AuthorityError::ForeignRoot { root: root.shown() })
}

fn check_time(chain: &Chain, now: Timestamp) -> Result<(), AuthorityError> {
    for certificate in chain.certificates() {
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        if not_after.as_second() < now.as_second() {
            return Err(AuthorityError::Expired {
                subject: certificate.shown(),
                not_after,
            });
        }
        if now < not_before {
            return Err(AuthorityError::NotYetValid {
                subject: certificate.shown(),
                not_before,
            });
        }
    }
    Ok(())
}

fn facts(chain: &Chain) -> Result<AuthorityFacts, AuthorityError> {
    let (signing, root) = (chain.signing(), chain.root());
    let certificates = chain.certificates().iter();
    let not_before = certificates.clone().map(Certificate::not_before).max();
    let not_after = certificates.map(Certificate::not_after).min();
    Ok(AuthorityFacts {
        subject: name::shown(signing.subject()),
        fingerprint: signing.fingerprint(),
        root_fingerprint: root.fingerprint(),
        root_anchor: root
            .anchor_fingerprint()
            .map_err(|error| encoding(&error))?,
        not_before: not_before.unwrap_or_else(|| signing.not_before()),
        not_after: not_after.unwrap_or_else(|| signing.not_after()),
    })
}

fn published_roots(chain: &Chain, roots: &[Certificate]) -> Result<String, AuthorityError> {
    let root = chain.root();
    let further = roots
        .iter()
        .filter(|other| other.is_self_issued() && *other != root);
    let all = std::iter::once(root)
        .chain(further)
        .map(|certificate| &certificate.der);
    pem::encode(all).map_err(|error| encoding(&error))
}

/// What was parsed can be encoded again; if not, the certificate is not what it seemed.
fn encoding(error: &der::Error) -> AuthorityError {
    AuthorityError::MalformedCertificate {
        field: TLS_CRT,
        position: 1,
        detail: error.to_string(),
    }
}
