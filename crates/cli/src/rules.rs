//! The rules, pure: facts in, findings out.

mod access;
mod certificate;
mod cipher;
mod federation;
mod file;
mod modern;
mod option;
#[cfg(test)]
pub(crate) mod testing;
mod unknown;
mod version;

pub(crate) use cipher::cipher_list;
pub use unknown::gaps;
pub(crate) use version::{SPEAKS_TLS_13, is_old};

use coturn::Version;

use crate::{facts::Facts, finding::Finding};

/// The first version whose options and defaults are known well: before it, loopback peers and the web
/// administration are on unless they are switched off.
const SECURE_BY_DEFAULT: Version = Version::new(4, 5, 1).with_revision(0);

/// All findings, the worst first.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let rules = [
        version::judge,
        modern::judge,
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
