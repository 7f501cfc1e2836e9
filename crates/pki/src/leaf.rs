//! The profile of a leaf: which extensions it bears, and what of them a spec decides.

use api::{Content, Usage};
use der::{
    asn1::{Ia5String, ObjectIdentifier, OctetString},
    flagset::FlagSet,
};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::ext::{
    Extension,
    pkix::{
        AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
        SubjectAltName, SubjectKeyIdentifier, name::GeneralName,
    },
};

use crate::{IssueError, builder::extension, certificate::Certificate};

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// anyExtendedKeyUsage.
pub(crate) const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// Every usage that a spec can ask for.
pub(crate) const USAGES: [Usage; 5] = [
    Usage::DigitalSignature,
    Usage::KeyEncipherment,
    Usage::KeyAgreement,
    Usage::ServerAuth,
    Usage::ClientAuth,
];

/// The extendedKeyUsage that a usage stands for.
pub(crate) fn purpose(usage: Usage) -> Option<ObjectIdentifier> {
    match usage {
        Usage::ServerAuth => Some(SERVER_AUTH),
        Usage::ClientAuth => Some(CLIENT_AUTH),
        Usage::DigitalSignature | Usage::KeyEncipherment | Usage::KeyAgreement => None,
    }
}

/// The bit of keyUsage that a usage stands for.
pub(crate) fn key_usage(usage: Usage) -> Option<KeyUsages> {
    match usage {
        Usage::DigitalSignature => Some(KeyUsages::DigitalSignature),
        Usage::KeyEncipherment => Some(KeyUsages::KeyEncipherment),
        Usage::KeyAgreement => Some(KeyUsages::KeyAgreement),
        Usage::ServerAuth | Usage::ClientAuth => None,
    }
}

/// The extensions of a leaf with this content and key; `issuer` identifies the key that signs it.
pub(crate) fn extensions(
    content: &Content,
    public_key: &SubjectPublicKeyInfoOwned,
    issuer: &AuthorityKeyIdentifier,
    subject_is_empty: bool,
) -> Result<Vec<Extension>, IssueError> {
    let mut extensions = vec![extension(
        true,
        &BasicConstraints {
            ca: false,
            path_len_constraint: None,
        },
    )?];
    let bits = content.usages.iter().copied().filter_map(key_usage);
    let bits = bits.fold(FlagSet::default(), |bits, bit| bits | bit);
    if !bits.is_empty() {
        extensions.push(extension(true, &KeyUsage(bits))?);
    }
    let purposes: Vec<_> = content.usages.iter().copied().filter_map(purpose).collect();
    if !purposes.is_empty() {
        extensions.push(extension(false, &ExtendedKeyUsage(purposes))?);
    }
    extensions.push(extension(false, &key_id(public_key)?)?);
    extensions.push(extension(false, issuer)?);
    // An empty one must not be (RFC 5280 §4.2.1.6): it is left out.
    if !content.is_nameless() {
        extensions.push(extension(subject_is_empty, &subject_alt_name(content)?)?);
    }
    Ok(extensions)
}

/// The identifier of a key: SHA-1 of its bits (RFC 5280 §4.2.1.2, method 1), as OpenSSL makes it.
pub(crate) fn key_id(
    public_key: &SubjectPublicKeyInfoOwned,
) -> Result<SubjectKeyIdentifier, der::Error> {
    use der::referenced::OwnedToRef;
    SubjectKeyIdentifier::try_from(public_key.owned_to_ref())
}

/// The issuer's own subjectKeyIdentifier, whatever method made it; only where it has none, one
/// computed from its key.
pub(crate) fn authority_key_id(issuer: &Certificate) -> Result<AuthorityKeyIdentifier, der::Error> {
    let key_id: OctetString = match &issuer.subject_key_id {
        Some(own) => own.0.clone(),
        None => key_id(issuer.public_key())?.0,
    };
    Ok(identified_by(key_id))
}

/// The key itself, for a certificate that it signs for itself.
pub(crate) fn own_key_id(
    public_key: &SubjectPublicKeyInfoOwned,
) -> Result<AuthorityKeyIdentifier, der::Error> {
    Ok(identified_by(key_id(public_key)?.0))
}

fn identified_by(key_id: OctetString) -> AuthorityKeyIdentifier {
    AuthorityKeyIdentifier {
        key_identifier: Some(key_id),
        ..Default::default()
    }
}

fn subject_alt_name(content: &Content) -> Result<SubjectAltName, IssueError> {
    let mut names = Vec::new();
    for name in &content.dns_names {
        let text = Ia5String::new(name).map_err(|_| IssueError::DnsName(name.clone()))?;
        names.push(GeneralName::DnsName(text));
    }
    names.extend(content.ip_addresses.iter().copied().map(GeneralName::from));
    Ok(SubjectAltName(names))
}
