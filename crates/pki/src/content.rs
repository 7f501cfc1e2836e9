//! From a certificate back to the content that a spec would have to ask for to get it.

use std::{collections::BTreeSet, net::IpAddr};

use api::{Content, Usage};
use x509_cert::ext::pkix::name::GeneralName;

use crate::{
    certificate::Certificate,
    leaf::{USAGES, key_usage, purpose},
    name,
};

/// None if the certificate holds something that no spec can ask for: another type of name, another
/// usage, another key, a CA flag. Extensions that say nothing of these (where to find the issuer
/// or a CRL, policies, transparency) do not count.
pub(crate) fn of(certificate: &Certificate) -> Option<Content> {
    if certificate.is_ca() {
        return None;
    }
    let (subject, common_name) = name::to_request(certificate.subject())?;
    let (dns_names, ip_addresses) = names(certificate)?;
    Some(Content {
        dns_names,
        ip_addresses,
        common_name,
        subject,
        usages: usages(certificate)?,
        key: certificate.key_algorithm().kind()?,
    })
}

fn names(certificate: &Certificate) -> Option<(BTreeSet<String>, BTreeSet<IpAddr>)> {
    let (mut dns_names, mut ip_addresses) = (BTreeSet::new(), BTreeSet::new());
    for name in certificate
        .subject_alt_name
        .iter()
        .flat_map(|(_, names)| &names.0)
    {
        match name {
            GeneralName::DnsName(name) => dns_names.insert(name.as_str().to_ascii_lowercase()),
            GeneralName::IpAddress(octets) => ip_addresses.insert(address(octets.as_bytes())?),
            _ => return None,
        };
    }
    Some((dns_names, ip_addresses))
}

pub(crate) fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

fn usages(certificate: &Certificate) -> Option<BTreeSet<Usage>> {
    let bits = certificate
        .key_usage
        .map(|usage| usage.0)
        .unwrap_or_default();
    let purposes: &[_] = certificate
        .extended_key_usage
        .as_ref()
        .map_or(&[], |usage| &usage.0);
    let has = |usage: &Usage| {
        key_usage(*usage).is_some_and(|bit| bits.contains(bit))
            || purpose(*usage).is_some_and(|oid| purposes.contains(&oid))
    };
    let usages: BTreeSet<_> = USAGES.into_iter().filter(has).collect();
    let known_bits = usages
        .iter()
        .copied()
        .filter_map(key_usage)
        .fold(der::flagset::FlagSet::default(), |bits, bit| bits | bit);
    let known_purposes: Vec<_> = USAGES.into_iter().filter_map(purpose).collect();
    let known = bits == known_bits && purposes.iter().all(|oid| known_purposes.contains(oid));
    known.then_some(usages)
}
