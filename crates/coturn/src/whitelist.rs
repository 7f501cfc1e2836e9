//! Whom Wire's fork lets federate: `federation-remote-whitelist`, and how the fork holds a peer's
//! certificate against it (`federation_cert_verify` and `wildcard_hostcheck` there).
//!
//! The fork looks at the list after OpenSSL has verified the peer's chain against `CA-file`. Without
//! a `CA-file` it verifies nothing and never looks at the list.

mod hostname;

use std::fmt;

/// One value of `federation-remote-whitelist`: `<host>[,<issuer CN>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A name that the peer's certificate has to carry. A wildcard here means nothing.
    pub host: String,
    /// Common name of an issuer in the peer's chain, byte for byte; none: any trusted CA will do.
    pub issuer: Option<String>,
}

impl Entry {
    /// Reads one value, as it stands in `turnserver.conf` or on the command line. The first comma
    /// divides, and nothing is trimmed.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let (host, issuer) = value.split_once(',').unwrap_or((value, ""));
        Self {
            host: host.to_owned(),
            issuer: (!issuer.is_empty()).then(|| issuer.to_owned()),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match &self.issuer {
            Some(issuer) => write!(f, ",{issuer}"),
            None => Ok(()),
        }
    }
}

/// The values of `federation-remote-whitelist`, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whitelist(Vec<Entry>);

/// What the whitelist looks at in a peer's certificate and in the chain that was built for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerNames {
    /// DNS names of the leaf's subjectAltName, in their order. IP addresses there count for nothing.
    pub dns_names: Vec<String>,
    /// The first common name of the leaf's subject.
    pub common_name: Option<String>,
    /// Whether the leaf has a subjectAltName at all, whatever is in it. The common name is looked at
    /// only if not.
    pub has_san: bool,
    /// The first common name of the issuer of each certificate in the verified chain, the root included.
    pub issuers: Vec<String>,
}

/// Whether the fork lets a peer in whose chain it trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The list is empty: whoever holds a certificate of a trusted CA federates.
    AnyTrusted,
    /// A name is on the list, and so is the issuer where one is asked for.
    Listed {
        /// The certificate's name.
        name: String,
        /// What it matched.
        entry: Entry,
    },
    /// It is turned away, with the alert `certificate_unknown`.
    Refused(Refusal),
}

impl Verdict {
    /// Whether the peer is let in.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        match self {
            Self::AnyTrusted | Self::Listed { .. } => true,
            Self::Refused(_) => false,
        }
    }
}

/// Why a peer is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None of the names that were looked at is on the list.
    NotListed {
        /// The names: those of subjectAltName, or the common name where there is none.
        names: Vec<String>,
    },
    /// The first name that matches is listed with another issuer. The fork looks no further: neither at
    /// other names nor at other values of the list.
    OtherIssuer {
        /// The certificate's name.
        name: String,
        /// What it matched.
        entry: Entry,
        /// The issuers in the peer's chain.
        issuers: Vec<String>,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed { names } if names.is_empty() => {
                f.write_str("its certificate has no DNS name that a whitelist could list")
            }
            Self::NotListed { names } => {
                write!(
                    f,
                    "none of its names is on the whitelist: {}",
                    names.join(", ")
                )
            }
            Self::OtherIssuer {
                name,
                entry,
                issuers,
            } => write!(
                f,
                "its name {name} is on the whitelist with another issuer ({entry}) than its chain has: {}",
                issuers.join(", ")
            ),
        }
    }
}

impl Whitelist {
    /// A list of these values.
    #[must_use]
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// Its values, in their order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Whether anyone of a trusted CA is let in.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Judges a peer whose chain is trusted, as the fork does: the first name that matches a value
    /// decides, by the first value that it matches.
    #[must_use]
    pub fn judge(&self, peer: &PeerNames) -> Verdict {
        if self.is_empty() {
            return Verdict::AnyTrusted;
        }
        let names = peer.compared();
        let matched = names
            .iter()
            .find_map(|name| Some((*name, self.entry_of(name)?)));
        match matched {
            None => Verdict::Refused(Refusal::NotListed {
                names: names.into_iter().map(str::to_owned).collect(),
            }),
            Some((name, entry)) => by_issuer(name, entry, &peer.issuers),
        }
    }

    fn entry_of(&self, name: &str) -> Option<&Entry> {
        let mut entries = self.0.iter();
        entries.find(|entry| hostname::matches(&entry.host, name))
    }
}

impl FromIterator<Entry> for Whitelist {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl PeerNames {
    /// The names that are held against the list.
    fn compared(&self) -> Vec<&str> {
        if self.has_san {
            self.dns_names.iter().map(String::as_str).collect()
        } else {
            self.common_name.as_deref().into_iter().collect()
        }
    }
}

fn by_issuer(name: &str, entry: &Entry, issuers: &[String]) -> Verdict {
    let is_met = |wanted| issuers.iter().any(|issuer| c_string(issuer) == wanted);
    let (name, entry) = (name.to_owned(), entry.clone());
    match &entry.issuer {
        Some(wanted) if !is_met(wanted.as_str()) => Verdict::Refused(Refusal::OtherIssuer {
            name,
            entry,
            issuers: issuers.to_vec(),
        }),
        _ => Verdict::Listed { name, entry },
    }
}

/// What C takes of a text: all up to a zero byte.
fn c_string(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
