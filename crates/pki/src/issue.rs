//! Issuing: a fresh key, a leaf, and every check of it before anybody else sees it.

use std::{fmt, net::IpAddr, time::Duration};

use api::{Content, Usage};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_cert::{ext::pkix::AuthorityKeyIdentifier, name::Name};
use zeroize::Zeroizing;

use crate::{
    Authority, IssueError, Leaf, Validity,
    builder::{Template, random_serial},
    certificate::Certificate,
    constraints, inspect,
    key::SigningKey,
    leaf, lint, name, pem, validity,
    validity::validity_of_its_own,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct LeafRequest {
    /// What the certificate shall hold.
    pub content: Content,
    /// How long it shall be valid from the time of signing; an authority may cut it.
    pub duration: SignedDuration,
}

/// A certificate that passed every check, and its key.
pub struct IssuedPair {
    /// PEM: the leaf, then the intermediates, without the root.
    pub certificate: String,
    /// PEM, PKCS#8.
    pub key: Zeroizing<String>,
    /// PEM: the authority's root, then the further roots that its Secret publishes; of a self-signed
    /// leaf the leaf itself, the only one that can be trusted for it.
    pub root: String,
    /// What the certificate is.
    pub leaf: Leaf,
}

impl fmt::Debug for IssuedPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedPair")
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}

/// Signs a leaf with a fresh key. Nothing is returned that path validation, the lints or a second
/// look at the pair would object to.
pub fn issue(
    authority: &Authority,
    request: &LeafRequest,
    now: Timestamp,
) -> Result<IssuedPair, IssueError> {
    let (content, chain) = (&request.content, authority.chain());
    let validity = usable_validity(authority, request.duration, now)?;
    if content.is_nameless() {
        return Err(IssueError::NoNames);
    }
    check_names(content)?;
    constraints::check_names(chain, content)?;
    constraints::check_usages(chain, content)?;
    let key = fresh_key(content)?;
    let signing = Signing {
        name: chain.signing().subject().clone(),
        key_id: leaf::authority_key_id(chain.signing())?,
        key: authority.key(),
    };
    let leaf = sign(signing, content, validity, &key)?;
    let path = Path {
        issuer: chain.signing(),
        intermediates: chain.intermediates(),
        root: chain.root(),
    };
    check_path(&path, &leaf, content, now)?;
    finish(&path, &leaf, &key, content, authority.roots().to_owned())
}

/// Makes a leaf that its own, fresh key signs: nobody vouches for it, and it vouches for no other
/// certificate. It goes through the same checks, with itself as the root.
pub fn issue_self_signed(request: &LeafRequest, now: Timestamp) -> Result<IssuedPair, IssueError> {
    let content = &request.content;
    check_duration(request.duration)?;
    check_names(content)?;
    let name = name::from_request(&content.subject, content.common_name.as_deref())?;
    if name.is_empty() {
        return Err(IssueError::NoSubject);
    }
    let key = fresh_key(content)?;
    let signing = Signing {
        name,
        key_id: leaf::own_key_id(key.public_key())?,
        key: &key,
    };
    let validity = validity_of_its_own(request.duration, now);
    let leaf = sign(signing, content, validity, &key)?;
    let path = Path {
        issuer: &leaf,
        intermediates: &[],
        root: &leaf,
    };
    check_path(&path, &leaf, content, now)?;
    finish(&path, &leaf, &key, content, pem::encode([&leaf.der])?)
}

/// Whose key signs a leaf.
struct Signing<'a> {
    /// The issuer's name.
    name: Name,
    key_id: AuthorityKeyIdentifier,
    key: &'a SigningKey,
}

/// What leads from a leaf to the root.
struct Path<'a> {
    issuer: &'a Certificate,
    /// The issuer, and what stands between it and the root.
    intermediates: &'a [Certificate],
    root: &'a Certificate,
}

fn fresh_key(content: &Content) -> Result<SigningKey, IssueError> {
    SigningKey::generate(content.key)
        .map_err(|_| IssueError::Signing(format!("no {} key could be made", content.key)))
}

fn check_duration(duration: SignedDuration) -> Result<(), IssueError> {
    match duration.as_secs() {
        ..=0 => Err(IssueError::Duration(duration.as_secs())),
        1.. => Ok(()),
    }
}

fn usable_validity(
    authority: &Authority,
    duration: SignedDuration,
    now: Timestamp,
) -> Result<Validity, IssueError> {
    let facts = authority.facts();
    check_duration(duration)?;
    if facts.not_after.as_second() <= now.as_second() {
        let (subject, not_after) = (facts.subject.clone(), facts.not_after);
        return Err(IssueError::AuthorityExpired { subject, not_after });
    }
    if now < facts.not_before {
        let (subject, not_before) = (facts.subject.clone(), facts.not_before);
        return Err(IssueError::AuthorityNotYetValid {
            subject,
            not_before,
        });
    }
    Ok(validity(facts, duration, now))
}

fn check_names(content: &Content) -> Result<(), IssueError> {
    let invalid = |name: &&String| {
        let domain = name.strip_prefix("*.");
        let host = domain.unwrap_or(name);
        DnsName::try_from(host).is_err()
            || domain.is_some_and(|domain| !domain.contains('.'))
            || host.ends_with('.')
            || host.parse::<IpAddr>().is_ok()
            || name.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    match content.dns_names.iter().find(invalid) {
        Some(name) => Err(IssueError::DnsName(name.clone())),
        None => Ok(()),
    }
}

fn sign(
    signing: Signing<'_>,
    content: &Content,
    validity: Validity,
    key: &SigningKey,
) -> Result<Certificate, IssueError> {
    let subject = name::from_request(&content.subject, content.common_name.as_deref())?;
    let failed = |error: x509_cert::builder::Error| IssueError::Signing(error.to_string());
    let public_key = key.public_key().clone();
    let template = Template {
        extensions: leaf::extensions(content, &public_key, &signing.key_id, subject.is_empty())?,
        issuer: signing.name,
        subject,
        serial: random_serial().map_err(failed)?,
        validity,
        public_key,
    };
    let der = template.sign(signing.key).map_err(failed)?;
    Certificate::parse(der).map_err(IssueError::SelfCheck)
}

/// Path validation to the root by rustls-webpki, for each purpose asked for, and for each name.
fn check_path(
    path: &Path<'_>,
    leaf: &Certificate,
    content: &Content,
    now: Timestamp,
) -> Result<(), IssueError> {
    let wrong = |error: webpki::Error| IssueError::SelfCheck(error.to_string());
    let anchors = [webpki::anchor_from_trusted_cert(&path.root.der).map_err(wrong)?];
    let signing = webpki::anchor_from_trusted_cert(&path.issuer.der).map_err(wrong)?;
    let intermediates: Vec<CertificateDer<'_>> = path
        .intermediates
        .iter()
        .map(|certificate| certificate.der.clone())
        .collect();
    let end_entity = EndEntityCert::try_from(&leaf.der).map_err(wrong)?;
    if end_entity.issuer() != signing.subject.as_ref() {
        return Err(IssueError::SelfCheck(
            "its issuer is not the CA's subject".to_owned(),
        ));
    }
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().unsigned_abs()));
    for purpose in purposes(content) {
        end_entity
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                &anchors,
                &intermediates,
                time,
                purpose,
                None,
                None,
            )
            .map_err(|error| refusal(&error))?;
    }
    for name in server_names(content)? {
        end_entity
            .verify_is_valid_for_subject_name(&name)
            .map_err(wrong)?;
    }
    Ok(())
}

/// Without an extendedKeyUsage asked for, any purpose checks the rest of the path.
fn purposes(content: &Content) -> Vec<KeyUsage> {
    let purposes = content.usages.iter().filter_map(|usage| match usage {
        Usage::ServerAuth => Some(KeyUsage::server_auth()),
        Usage::ClientAuth => Some(KeyUsage::client_auth()),
        Usage::DigitalSignature | Usage::KeyEncipherment | Usage::KeyAgreement => None,
    });
    let purposes: Vec<_> = purposes.collect();
    if purposes.is_empty() {
        vec![KeyUsage::server_auth()]
    } else {
        purposes
    }
}

fn server_names(content: &Content) -> Result<Vec<ServerName<'static>>, IssueError> {
    let dns = content.dns_names.iter().map(|name| {
        DnsName::try_from(name.replacen('*', "a", 1))
            .map(ServerName::DnsName)
            .map_err(|_| IssueError::DnsName(name.clone()))
    });
    let ip = content
        .ip_addresses
        .iter()
        .map(|address| Ok(ServerName::from(*address)));
    dns.chain(ip).collect()
}

fn refusal(error: &webpki::Error) -> IssueError {
    let detail = error.to_string();
    match error {
        webpki::Error::NameConstraintViolation
        | webpki::Error::MalformedNameConstraint
        | webpki::Error::InvalidNetworkMaskConstraint
        | webpki::Error::PathLenConstraintViolated
        | webpki::Error::RequiredEkuNotFoundContext(_)
        | webpki::Error::EmptyEkuExtension => IssueError::Forbidden { detail },
        _ => IssueError::SelfCheck(detail),
    }
}

/// A second look at the pair as everybody else will read it.
fn finish(
    path: &Path<'_>,
    leaf: &Certificate,
    key: &SigningKey,
    content: &Content,
    root: String,
) -> Result<IssuedPair, IssueError> {
    if let Some(finding) = lint::findings(leaf, path.issuer)
        .into_iter()
        .find(lint::Finding::is_fault)
    {
        return Err(IssueError::SelfCheck(finding.to_string()));
    }
    let chain = std::iter::once(leaf).chain(path.intermediates);
    let certificate = pem::encode(chain.map(|it| &it.der))?;
    let key = key.to_pem();
    let leaf = inspect(certificate.as_bytes(), key.as_bytes())
        .map_err(|error| IssueError::SelfCheck(error.to_string()))?;
    if leaf.content.as_ref() != Some(content) {
        return Err(IssueError::SelfCheck(
            "it does not hold what was asked for".to_owned(),
        ));
    }
    Ok(IssuedPair {
        certificate,
        key,
        root,
        leaf,
    })
}
