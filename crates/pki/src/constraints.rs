//! What the certificates of a chain allow below them: path length, name constraints, extended key
//! usages. The names of what is forbidden come from here; path validation has the last word.

use std::net::IpAddr;

use api::{Content, Usage};
use x509_cert::ext::pkix::{constraints::name::GeneralSubtrees, name::GeneralName};

use crate::{
    AuthorityError, IssueError,
    certificate::Certificate,
    chain::Chain,
    leaf::{ANY_PURPOSE, purpose},
};

/// Refuses what path validation cannot process, and would therefore refuse for every leaf.
pub(crate) fn check_supported(certificate: &Certificate) -> Result<(), AuthorityError> {
    let refuse = |what| {
        Err(AuthorityError::UnsupportedExtension {
            subject: certificate.shown(),
            what,
        })
    };
    match webpki::EndEntityCert::try_from(&certificate.der) {
        Err(webpki::Error::UnsupportedCriticalExtension) => {
            return refuse("a critical extension other than those of RFC 5280 §4.2.1");
        }
        Err(_) => return refuse("an extension of invalid form"),
        Ok(_) => {}
    }
    let directory = |subtrees: &GeneralSubtrees| {
        subtrees
            .iter()
            .any(|subtree| matches!(subtree.base, GeneralName::DirectoryName(_)))
    };
    let constraints = certificate.name_constraints.iter();
    let mut subtrees = constraints
        .flat_map(|constraints| {
            [
                &constraints.permitted_subtrees,
                &constraints.excluded_subtrees,
            ]
        })
        .flatten();
    if subtrees.any(directory) {
        refuse("name constraints on directory names")
    } else {
        Ok(())
    }
}

/// RFC 5280 §4.2.1.9: the constraint counts the CA certificates between its own and the leaf,
/// self-issued ones left out.
pub(crate) fn check_path_length(chain: &Chain) -> Result<(), AuthorityError> {
    let mut present = 0;
    for certificate in chain.certificates() {
        let allowed = certificate
            .basic_constraints
            .as_ref()
            .and_then(|it| it.path_len_constraint);
        if let Some(allowed) = allowed.filter(|allowed| present > usize::from(*allowed)) {
            return Err(AuthorityError::PathLength {
                subject: certificate.shown(),
                allowed,
                present,
            });
        }
        present += usize::from(!certificate.is_self_issued());
    }
    Ok(())
}

/// OpenSSL checks the purpose for every certificate of the chain, the root included.
pub(crate) fn check_usages(chain: &Chain, content: &Content) -> Result<(), IssueError> {
    for certificate in chain.certificates() {
        let Some(allowed) = &certificate.extended_key_usage else {
            continue;
        };
        let forbids = |usage: &&Usage| {
            let forbidden = |oid| !allowed.0.contains(&oid) && !allowed.0.contains(&ANY_PURPOSE);
            purpose(**usage).is_some_and(forbidden)
        };
        if let Some(usage) = content.usages.iter().find(forbids) {
            return Err(IssueError::UsageForbidden {
                authority: certificate.shown(),
                usage: usage.as_str(),
            });
        }
    }
    Ok(())
}

/// Names the first name that a certificate of the chain forbids.
pub(crate) fn check_names(chain: &Chain, content: &Content) -> Result<(), IssueError> {
    let constrained = |certificate: &Certificate| {
        certificate
            .name_constraints
            .clone()
            .map(|constraints| (certificate.shown(), constraints))
    };
    for (authority, constraints) in chain.certificates().iter().filter_map(constrained) {
        let permitted = constraints.permitted_subtrees.unwrap_or_default();
        let excluded = constraints.excluded_subtrees.unwrap_or_default();
        for name in names(content) {
            if let Some(rule) = name.violates(&permitted, &excluded) {
                let name = name.to_string();
                return Err(IssueError::NameForbidden {
                    authority,
                    name,
                    rule,
                });
            }
        }
    }
    Ok(())
}

enum Name<'a> {
    Dns(&'a str),
    Ip(IpAddr),
}

/// OpenSSL takes the common name for a DNS name where the subjectAltName holds none.
fn names(content: &Content) -> Vec<Name<'_>> {
    let common_name = content.common_name.as_deref();
    let common_name = common_name.filter(|name| content.dns_names.is_empty() && name.contains('.'));
    let dns = content
        .dns_names
        .iter()
        .map(String::as_str)
        .chain(common_name)
        .map(Name::Dns);
    dns.chain(content.ip_addresses.iter().copied().map(Name::Ip))
        .collect()
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl Name<'_> {
    /// The rule that forbids the name, in words.
    fn violates(&self, permitted: &GeneralSubtrees, excluded: &GeneralSubtrees) -> Option<String> {
        let rules = |subtrees: &GeneralSubtrees| -> Vec<(bool, String)> {
            subtrees
                .iter()
                .filter_map(|subtree| self.judged_by(&subtree.base))
                .collect()
        };
        let mut excluded = excluded.iter().filter_map(|subtree| {
            let (matches, rule) = self.judged_by(&subtree.base)?;
            (matches || self.may_stand_for(&subtree.base)).then_some(rule)
        });
        if let Some(rule) = excluded.next() {
            return Some(format!("excluded: {rule}"));
        }
        let permitted = rules(permitted);
        if permitted.is_empty() || permitted.iter().any(|(matches, _)| *matches) {
            return None;
        }
        let rules: Vec<_> = permitted.into_iter().map(|(_, rule)| rule).collect();
        Some(format!("permitted: {}", rules.join(", ")))
    }

    /// Whether a wildcard stands for the excluded domain itself, one label in front of its own.
    fn may_stand_for(&self, base: &GeneralName) -> bool {
        let (Self::Dns(name), GeneralName::DnsName(excluded)) = (self, base) else {
            return false;
        };
        let Some(domain) = name.strip_prefix('*') else {
            return false;
        };
        let excluded = excluded.as_str().to_ascii_lowercase();
        excluded
            .strip_suffix(domain)
            .is_some_and(|label| !label.is_empty() && !label.contains('.'))
    }

    /// Whether a constraint matches and how it is shown; None if it is for another type of name.
    fn judged_by(&self, base: &GeneralName) -> Option<(bool, String)> {
        match (self, base) {
            (Self::Dns(name), GeneralName::DnsName(domain)) => {
                let domain = domain.as_str().to_ascii_lowercase();
                Some((is_within(name, &domain), domain))
            }
            (Self::Ip(address), GeneralName::IpAddress(network)) => {
                let (base, mask) = network.as_bytes().split_at(network.as_bytes().len() / 2);
                let octets = octets(*address);
                Some((lies_within(&octets, base, mask), shown_network(base, mask)))
            }
            _ => None,
        }
    }
}

/// RFC 5280 §4.2.1.10: any labels may be added in front. A leading dot, as OpenSSL reads it,
/// leaves the domain itself out.
fn is_within(name: &str, domain: &str) -> bool {
    let Some(front) = name.strip_suffix(domain) else {
        return false;
    };
    domain.is_empty() || domain.starts_with('.') || front.is_empty() || front.ends_with('.')
}

/// RFC 5280 §4.2.1.10, in the style of RFC 4632: what stands beyond the mask does not count.
fn lies_within(address: &[u8], base: &[u8], mask: &[u8]) -> bool {
    address.len() == base.len()
        && address
            .iter()
            .zip(base)
            .zip(mask)
            .all(|((octet, base), mask)| (octet ^ base) & mask == 0)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn shown_network(base: &[u8], mask: &[u8]) -> String {
    let prefix: u32 = mask.iter().map(|octet| octet.leading_ones()).sum();
    match (<[u8; 4]>::try_from(base), <[u8; 16]>::try_from(base)) {
        (Ok(v4), _) => format!("{}/{prefix}", IpAddr::from(v4)),
        (_, Ok(v6)) => format!("{}/{prefix}", IpAddr::from(v6)),
        _ => "an address range of invalid form".to_owned(),
    }
}
