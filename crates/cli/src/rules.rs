//! The rules, pure: facts in, findings out.

mod access;
mod certificate;
mod cipher;
mod federation;
mod file;
mod option;
#[cfg(test)]
pub(crate) mod testing;
mod version;

pub(crate) use cipher::cipher_list;
pub(crate) use version::SPEAKS_TLS_13;

use crate::{facts::Facts, finding::Finding};

/// All findings, the worst first.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let rules = [
        version::judge,
        cipher::judge,
        certificate::judge,
        federation::judge,
        file::judge,
        option::judge,
        access::judge,
    ];
    let mut findings: Vec<_> = rules.iter().flat_map(|rule| rule(facts)).collect();
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.id.severity()), finding.id));
    findings
}
