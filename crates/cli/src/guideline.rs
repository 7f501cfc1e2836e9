//! Mozilla's guideline for TLS on servers: a dated copy of what it recommends, in this crate's words.
//!
//! Guideline 6.0 knows the policies modern and intermediate; old was in it up to 5.8.

use std::fmt;

use jiff::{ToSpan as _, civil::Date};

/// How old clients may be.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// TLS 1.3 alone.
    Modern,
    /// TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3.
    #[default]
    Intermediate,
    /// TLS 1.0 and everything since, for what cannot be renewed.
    Old,
}

/// A cipher suite by its two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cipher {
    /// As IANA registers it.
    pub standard: &'static str,
    /// As OpenSSL, and with it `cipher-list`, calls it.
    pub openssl: &'static str,
}

/// The version of the guideline that has a policy, and its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Its version.
    pub version: &'static str,
    /// When it was published.
    pub date: Date,
}

/// After so long a copy may have been overtaken.
const FRESH_MONTHS: i32 = 6;

const CURRENT: Edition = Edition {
    version: "6.0",
    date: jiff::civil::date(2026, 4, 6),
};

/// Published on the same day as the one that has the policy no more.
const LAST_WITH_OLD: Edition = Edition {
    version: "5.8",
    date: jiff::civil::date(2026, 4, 6),
};

impl Policy {
    /// The edition that has it.
    #[must_use]
    pub const fn edition(self) -> Edition {
        match self {
            Self::Modern | Self::Intermediate => CURRENT,
            Self::Old => LAST_WITH_OLD,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Intermediate => "intermediate",
            Self::Old => "old",
        }
    }

    /// The suites up to TLS 1.2, in no order of preference but the guideline's.
    #[must_use]
    pub const fn ciphers(self) -> &'static [Cipher] {
        match self {
            Self::Modern => &[],
            Self::Intermediate => INTERMEDIATE,
            Self::Old => OLD,
        }
    }

    /// Whether it has a suite, of whichever version.
    #[must_use]
    pub fn has(self, standard: &str) -> bool {
        let mut ciphers = self.ciphers().iter();
        TLS13.contains(&standard) || ciphers.any(|cipher| cipher.standard == standard)
    }

    /// The oldest clients that it lets in: whatever is older is left out.
    #[must_use]
    pub const fn oldest_clients(self) -> &'static str {
        match self {
            Self::Modern => {
                "Firefox 63, Android 10.0, Chrome 70, Edge 75, Java 11, OpenSSL 1.1.1, Opera 57, \
                 Safari 12.1"
            }
            Self::Intermediate => {
                "Firefox 31.3.0, Android 4.4.2, Chrome 49, Edge 15 on Windows 10, Internet Explorer 11 \
                 on Windows 10, Java 8u161, OpenSSL 1.0.1l, Opera 20, Safari 9"
            }
            Self::Old => {
                "Firefox 1, Android 2.3, Chrome 1, Edge 12, Internet Explorer 8 on Windows XP, Java 6, \
                 OpenSSL 0.9.8, Opera 5, Safari 1"
            }
        }
    }

    /// A warning where the copy is older than six months.
    #[must_use]
    pub fn warning(self, today: Date) -> Option<String> {
        let edition = self.edition();
        let stale = edition.date.checked_add(FRESH_MONTHS.months()).ok()?;
        (today > stale).then(|| {
            format!(
                "this copy of Mozilla's guideline is of {}, more than six months ago: look whether \
                 there is a newer one than {}, and for a newer version of this plugin",
                edition.date, edition.version
            )
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edition = self.edition();
        write!(
            f,
            "{} of Mozilla's guideline for TLS on servers, version {} of {}",
            self.name(),
            edition.version,
            edition.date
        )
    }
}

const TLS13: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

const fn cipher(standard: &'static str, openssl: &'static str) -> Cipher {
    Cipher { standard, openssl }
}

const INTERMEDIATE: &[Cipher] = &[ECDHE[0], ECDHE[1], ECDHE[2], ECDHE[3], ECDHE[4], ECDHE[5]];

const ECDHE: [Cipher; 6] = [
    cipher(
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    cipher(
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    cipher(
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    cipher(
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    cipher(
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ),
    cipher(
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
];

const OLD: &[Cipher] = &[
    ECDHE[0],
    ECDHE[1],
    ECDHE[2],
    ECDHE[3],
    ECDHE[4],
    ECDHE[5],
    cipher(
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "ECDHE-ECDSA-AES128-SHA256",
    ),
    cipher(
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "ECDHE-RSA-AES128-SHA256",
    ),
    cipher(
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "ECDHE-ECDSA-AES128-SHA",
    ),
    cipher("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"),
    cipher(
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
        "ECDHE-ECDSA-AES256-SHA384",
    ),
    cipher(
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        "ECDHE-RSA-AES256-SHA384",
    ),
    cipher(
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "ECDHE-ECDSA-AES256-SHA",
    ),
    cipher("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
    cipher("TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
    cipher("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
    cipher("TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"),
    cipher("TLS_RSA_WITH_AES_256_CBC_SHA256", "AES256-SHA256"),
    cipher("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
    cipher("TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"),
    cipher("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "DES-CBC3-SHA"),
];

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_copy_older_than_six_months_warns() {
        let policy = Policy::Intermediate;
        assert_eq!(policy.warning(date(2026, 10, 6)), None);
        let warning = policy.warning(date(2026, 10, 7)).unwrap();
        assert!(warning.contains("2026-04-06"), "{warning}");
    }

    #[test]
    fn both_names_of_a_suite_are_those_of_openssl() {
        for policy in [Policy::Intermediate, Policy::Old] {
            for cipher in policy.ciphers() {
                let name = openssl::ssl::cipher_name(cipher.standard);
                // This OpenSSL was built without triple DES.
                let is_missing = name == "(NONE)" && cipher.openssl == "DES-CBC3-SHA";
                assert!(is_missing || name == cipher.openssl, "{cipher:?}: {name}");
            }
        }
    }

    #[test]
    fn each_policy_has_as_many_suites_as_its_edition() {
        let policies = [Policy::Modern, Policy::Intermediate, Policy::Old];
        assert_eq!(policies.map(|policy| policy.ciphers().len()), [0, 6, 21]);
        let mut old = Policy::Old.ciphers().iter();
        assert!(!old.any(|cipher| cipher.standard.starts_with("TLS_DHE_")));
    }

    #[test]
    fn every_policy_has_the_suites_of_tls_13_and_a_stricter_one_no_others_than_a_laxer() {
        for policy in [Policy::Modern, Policy::Intermediate, Policy::Old] {
            assert!(policy.has("TLS_AES_128_GCM_SHA256"));
            assert!(!policy.has("TLS_AES_128_CCM_SHA256"));
        }
        for cipher in Policy::Intermediate.ciphers() {
            assert!(Policy::Old.has(cipher.standard));
            assert!(!Policy::Modern.has(cipher.standard));
        }
    }
}
