//! Issuing: a fresh key, a leaf, and every check of it before anybody else sees it.

use std::{fmt, net::IpAddr, time::Duration};

use api::{Content, Usage};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use zeroize::Zeroizing;

use crate::{
    Authority, IssueError, Leaf, Validity,
    builder::{Template, random_serial},
    certificate::Certificate,
    constraints, inspect,
    key::SigningKey,
    leaf, lint, name, pem, validity,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct LeafRequest {
    /// What the certificate shall hold.
    pub content: Content,
    /// How long it shall be valid from the time of signing; the authority may cut it.
    pub duration: SignedDuration,
}

/// A certificate that passed every check, and its key.
pub struct IssuedPair {
    /// PEM: the leaf, then the intermediates, without the root.
    pub certificate: String,
    /// PEM, PKCS#8.
    pub key: Zeroizing<String>,
    /// PEM: the authority's root, then the further roots that its Secret publishes.
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
    let content = &request.content;
    let validity = usable_validity(authority, request.duration, now)?;
    check_names(content)?;
    constraints::check_names(authority.chain(), content)?;
    constraints::check_usages(authority.chain(), content)?;
    let key = SigningKey::generate(content.key)
        .map_err(|_| IssueError::Signing(format!("no {} key could be made", content.key)))?;
    let leaf = sign(authority, content, validity, &key)?;
    check_path(authority, &leaf, content, now)?;
    finish(authority, &leaf, &key, content)
}

fn usable_validity(
    authority: &Authority,
    duration: SignedDuration,
    now: Timestamp,
) -> Result<Validity, IssueError> {
    let facts = authority.facts();
    if duration.as_secs() <= 0 {
        return Err(IssueError::Duration(duration.as_secs()));
    }
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
    if content.dns_names.is_empty() && content.ip_addresses.is_empty() {
        return Err(IssueError::NoNames);
    }
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
    authority: &Authority,
    content: &Content,
    validity: Validity,
    key: &SigningKey,
) -> Result<Certificate, IssueError> {
    let issuer = authority.chain().signing();
    let subject = name::from_request(&content.subject, content.common_name.as_deref())?;
    let failed = |error: x509_cert::builder::Error| IssueError::Signing(error.to_string());
    let template = Template {
        extensions: leaf::extensions(content, key.public_key(), issuer, subject.is_empty())?,
        issuer: issuer.subject().clone(),
        subject,
        serial: random_serial().map_err(failed)?,
        validity,
        public_key: key.public_key().clone(),
    };
    let der = template.sign(authority.key()).map_err(failed)?;
    Certificate::parse(der).map_err(IssueError::SelfCheck)
}

/// Path validation to the root by rustls-webpki, for each purpose asked for, and for each name.
fn check_path(
    authority: &Authority,
    leaf: &Certificate,
    content: &Content,
    now: Timestamp,
) -> Result<(), IssueError> {
    let wrong = |error: webpki::Error| IssueError::SelfCheck(error.to_string());
    let chain = authority.chain();
    let anchors = [webpki::anchor_from_trusted_cert(&chain.root().der).map_err(wrong)?];
    let signing = webpki::anchor_from_trusted_cert(&chain.signing().der).map_err(wrong)?;
    let intermediates: Vec<CertificateDer<'_>> = chain
        .intermediates()
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
    authority: &Authority,
    leaf: &Certificate,
    key: &SigningKey,
    content: &Content,
) -> Result<IssuedPair, IssueError> {
    let issuer = authority.chain().signing();
    if let Some(finding) = lint::findings(leaf, issuer)
        .into_iter()
        .find(lint::Finding::is_fault)
    {
        return Err(IssueError::SelfCheck(finding.to_string()));
    }
    let intermediates = authority.chain().intermediates();
    let certificate = pem::encode(std::iter::once(leaf).chain(intermediates).map(|it| &it.der))?;
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
        root: authority.roots().to_owned(),
        leaf,
    })
}
