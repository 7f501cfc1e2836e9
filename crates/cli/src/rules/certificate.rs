//! The certificates that listeners serve.

use api::Usage;
use coturn::{ListenerKind, Value};
use jiff::{SignedDuration, Timestamp};
use pki::{Concern, Served, is_in_order, leads_to};
use probe::Certificate;

use crate::{
    facts::{Facts, Heard, name},
    finding::{Finding, Id},
};

/// How long before its end a certificate wants to be replaced, unless it lives for less than three times as
/// long.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut judged: Vec<(bool, &[Certificate])> = Vec::new();
    for heard in &facts.heard {
        let is_federation = heard.kind == ListenerKind::Federation;
        for spoken in &heard.scan.versions {
            let is_new = !judged.contains(&(is_federation, &spoken.chain));
            if !spoken.chain.is_empty() && is_new {
                judged.push((is_federation, &spoken.chain));
                findings.extend(of_chain(facts, heard, &spoken.chain));
            }
        }
    }
    findings
}

/// A chain, and where it was served.
struct Chain<'a> {
    facts: &'a Facts,
    heard: &'a Heard,
    der: Vec<Vec<u8>>,
    certificates: Vec<Served>,
}

fn of_chain(facts: &Facts, heard: &Heard, chain: &[Certificate]) -> Vec<Finding> {
    let der: Vec<_> = chain.iter().map(|it| it.der.clone()).collect();
    let certificates = der.iter().map(|der| Served::parse(der)).collect();
    match certificates {
        // What OpenSSL took and the stricter reader does not: clients may do either.
        Err(reason) => vec![Finding::new(
            Id::ChainOutOfOrder,
            format!("{} at {}: {reason}", name(heard.kind), heard.at),
            "a certificate that every library can read",
        )],
        Ok(certificates) => Chain {
            facts,
            heard,
            der,
            certificates,
        }
        .judge(),
    }
}

impl Chain<'_> {
    fn judge(&self) -> Vec<Finding> {
        let Some(leaf) = self.certificates.first() else {
            return Vec::new();
        };
        let findings = [
            self.validity(),
            self.key(),
            self.signature(),
            self.order(),
            self.completeness(),
            self.root(),
            self.staple(leaf),
            self.usage(leaf),
            self.names(leaf),
            self.realm(leaf),
        ];
        findings.into_iter().flatten().collect()
    }

    fn finding(&self, id: Id, seen: impl std::fmt::Display, set: &str) -> Finding {
        let place = format!("{} at {}", name(self.heard.kind), self.heard.at);
        Finding::new(id, format!("{place}: {seen}"), set)
    }

    /// All but the root, of which only what is trusted counts, and not what is served.
    fn below_root(&self) -> impl Iterator<Item = &Served> {
        let (leaf, above) = self.certificates.split_at(1.min(self.certificates.len()));
        leaf.iter()
            .chain(above.iter().filter(|it| !it.is_self_issued))
    }

    /// The first that is over, or else the first that soon will be.
    fn validity(&self) -> Option<Finding> {
        let over = self.below_root().find_map(|it| self.over(it));
        over.or_else(|| self.below_root().find_map(|it| self.soon_over(it)))
    }

    fn over(&self, served: &Served) -> Option<Finding> {
        let now = self.facts.now;
        let seen = if now < served.not_before {
            format!("{} is valid from {}", served.subject, served.not_before)
        } else if now >= served.not_after {
            format!("{} expired on {}", served.subject, served.not_after)
        } else {
            return None;
        };
        Some(self.finding(Id::CertificateExpired, seen, RENEW))
    }

    fn soon_over(&self, served: &Served) -> Option<Finding> {
        let lifetime = served.not_after.duration_since(served.not_before);
        let soon = SOON.min(lifetime / 3);
        let is_soon = ends_within(self.facts.now, served.not_after, soon);
        is_soon.then(|| {
            let seen = format!("{} is valid until {}", served.subject, served.not_after);
            self.finding(Id::CertificateExpiresSoon, seen, RENEW)
        })
    }

    fn key(&self) -> Option<Finding> {
        let is_weak = |it: &&Served| it.concerns.contains(&Concern::WeakKey);
        let weak = self.below_root().find(is_weak)?;
        Some(self.finding(
            Id::WeakKey,
            format!("{} of {}", weak.key, weak.subject),
            "a certificate with an ECDSA key of 256 bits, or RSA of 2048 or more",
        ))
    }

    fn signature(&self) -> Option<Finding> {
        let is_weak = |it: &&Served| it.concerns.contains(&Concern::WeakSignature);
        let weak = self.certificates.iter().find(is_weak)?;
        Some(self.finding(
            Id::WeakSignature,
            format!("the one of {}", weak.subject),
            "a certificate signed with SHA-256 or better",
        ))
    }

    fn order(&self) -> Option<Finding> {
        match is_in_order(&self.der) {
            Ok(true) => None,
            Ok(false) => Some(self.finding(Id::ChainOutOfOrder, self.subjects(), LEAF_FIRST)),
            Err(reason) => Some(self.finding(Id::ChainOutOfOrder, reason, LEAF_FIRST)),
        }
    }

    fn subjects(&self) -> String {
        let subjects: Vec<_> = self
            .certificates
            .iter()
            .map(|it| it.subject.as_str())
            .collect();
        subjects.join("; then ")
    }

    /// Whether a chain is complete depends on what its reader trusts.
    fn completeness(&self) -> Option<Finding> {
        let trusted = self.facts.trusted.as_ref()?;
        let last = self.certificates.last()?;
        match leads_to(&self.der, trusted) {
            Ok(true) => None,
            Ok(false) => Some(self.finding(
                Id::ChainIncomplete,
                format!(
                    "the last one is of {}, issued by {}",
                    last.subject, last.issuer
                ),
                "put the certificates in between into the certificate's file, after the leaf",
            )),
            Err(reason) => Some(self.finding(Id::ChainIncomplete, reason, LEAF_FIRST)),
        }
    }

    fn root(&self) -> Option<Finding> {
        let last = self.certificates.last()?;
        let is_root = self.certificates.len() > 1 && last.is_self_issued;
        is_root.then(|| {
            self.finding(
                Id::RootServed,
                &last.subject,
                "take the last certificate out of the file",
            )
        })
    }

    fn staple(&self, leaf: &Served) -> Option<Finding> {
        let demands = leaf.concerns.contains(&Concern::MustStaple);
        demands.then(|| {
            self.finding(
                Id::MustStaple,
                &leaf.subject,
                "a certificate without the TLS feature status_request",
            )
        })
    }

    fn usage(&self, leaf: &Served) -> Option<Finding> {
        let needed: &[Usage] = match self.heard.kind {
            ListenerKind::Federation => &Usage::DEFAULT,
            ListenerKind::Tls | ListenerKind::Dtls => &[Usage::DigitalSignature, Usage::ServerAuth],
        };
        let missing: Vec<_> = needed
            .iter()
            .filter(|usage| !leaf.usages.contains(usage))
            .map(|usage| usage.as_str())
            .collect();
        (!missing.is_empty()).then(|| {
            self.finding(
                Id::UsageMissing,
                format!("no {}", missing.join(", ")),
                "a certificate with digital signature, server auth and client auth, as a \
                 CoturnCertificate has by default",
            )
        })
    }

    fn names(&self, leaf: &Served) -> Option<Finding> {
        let missing = |wanted: &&String| !covers(leaf, wanted);
        let missing: Vec<_> = self.facts.names.iter().filter(missing).cloned().collect();
        if !leaf.has_san {
            return Some(self.finding(Id::NameMissing, "it has no subjectAltName", NAMES));
        }
        (!missing.is_empty())
            .then(|| self.finding(Id::NameMissing, format!("no {}", missing.join(", ")), NAMES))
    }

    /// A realm is covered also by a name below it.
    fn realm(&self, leaf: &Served) -> Option<Finding> {
        let setting = self.facts.configuration.as_ref()?.last("realm")?;
        let Value::Text(realm) = &setting.value else {
            return None;
        };
        let realm = realm.to_ascii_lowercase();
        let is_below = |name: &String| {
            name.strip_suffix(&realm)
                .is_some_and(|it| it.ends_with('.'))
        };
        let is_name = realm.contains('.') && self.heard.kind != ListenerKind::Federation;
        let is_covered = covers(leaf, &realm) || leaf.dns_names.iter().any(is_below);
        (is_name && !is_covered).then(|| {
            self.finding(
                Id::RealmNotCovered,
                format!("{}: realm={realm}", setting.source),
                "a certificate with the name, if clients look for it",
            )
        })
    }
}

const RENEW: &str = "a new certificate";
const LEAF_FIRST: &str = "one PEM file with the leaf first, and each issuer after what it issued";
const NAMES: &str = "a certificate whose subjectAltName has the names";

fn ends_within(now: Timestamp, end: Timestamp, span: SignedDuration) -> bool {
    now.checked_add(span).is_ok_and(|soon| end <= soon)
}

/// Whether a certificate has a name (RFC 6125, section 6.4.3: a star is one whole label), or an address.
fn covers(leaf: &Served, wanted: &str) -> bool {
    if let Ok(address) = wanted.parse() {
        return leaf.ip_addresses.contains(&address);
    }
    let wanted = wanted.to_ascii_lowercase();
    let by_star = |name: &String| {
        let rest = name.strip_prefix('*');
        let parent = wanted.find('.').map(|at| &wanted[at..]);
        rest.is_some() && rest == parent
    };
    leaf.dns_names.contains(&wanted) || leaf.dns_names.iter().any(by_star)
}

#[cfg(test)]
mod tests;
