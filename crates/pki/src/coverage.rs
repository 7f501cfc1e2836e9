//! What a certificate of whatever origin is good for.

use std::{collections::BTreeSet, net::IpAddr};

use api::{Coverage, Usage};
use x509_cert::ext::pkix::name::GeneralName;

use crate::{
    certificate::Certificate,
    content,
    leaf::{USAGES, key_usage, purpose},
};

/// None for a CA certificate. Names and usages that no spec can ask for are passed over.
pub(crate) fn of(certificate: &Certificate) -> Option<Coverage> {
    (!certificate.is_ca()).then(|| regardless(certificate))
}

/// The same, also of a CA certificate: `openssl req -x509` makes such ones, and servers serve them.
pub(crate) fn regardless(certificate: &Certificate) -> Coverage {
    let names = || {
        let extension = certificate.subject_alt_name.iter();
        extension.flat_map(|(_, names)| &names.0)
    };
    Coverage {
        dns_names: names().filter_map(dns_name).collect(),
        ip_addresses: names().filter_map(ip_address).collect(),
        usages: usages(certificate),
        key: certificate.key_algorithm().strength(),
    }
}

fn dns_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    }
}

fn ip_address(name: &GeneralName) -> Option<IpAddr> {
    match name {
        GeneralName::IpAddress(octets) => content::address(octets.as_bytes()),
        _ => None,
    }
}

fn usages(certificate: &Certificate) -> BTreeSet<Usage> {
    let admits = |usage: &Usage| {
        let key_usages = certificate.key_usage.as_ref().map(|usage| usage.0);
        let purposes = certificate.extended_key_usage.as_ref();
        let bit = key_usage(*usage)
            .is_none_or(|bit| key_usages.is_none_or(|admitted| admitted.contains(bit)));
        let oid = purpose(*usage)
            .is_none_or(|oid| purposes.is_none_or(|admitted| admitted.0.contains(&oid)));
        bit && oid
    };
    USAGES.into_iter().filter(admits).collect()
}
