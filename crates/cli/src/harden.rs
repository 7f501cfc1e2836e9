//! `harden`: the lines of turnserver.conf for a policy, with the reason of each.

use std::fmt::Write as _;

use coturn::{Build, Version};

use crate::{
    guideline::Policy,
    rules::{SPEAKS_TLS_13, cipher_list},
};

/// The first version that speaks TLS 1.0 and 1.1 only on request, and tells its version only so.
const QUIET: Version = Version::new(4, 7, 0);
/// The first version whose command-line interface is off unless it is asked for.
const CLI_BY_REQUEST: Version = Version::new(4, 10, 0);
/// The first version whose DTLS listeners start on request only.
const DTLS_BY_REQUEST: Version = Version::new(4, 17, 0);

/// The lines.
#[must_use]
pub fn harden(policy: Policy, build: Build) -> String {
    let mut lines = Lines {
        text: String::new(),
        policy,
        build,
    };
    lines.head();
    lines.versions();
    lines.ciphers();
    lines.access();
    lines.federation();
    lines.text
}

struct Lines {
    text: String,
    policy: Policy,
    build: Build,
}

impl Lines {
    fn push(&mut self, line: &str) {
        // A String takes all.
        let _ = writeln!(self.text, "{line}");
    }

    fn because(&mut self, reason: &str, lines: &[&str]) {
        self.push("");
        self.push(&format!("# {reason}"));
        for line in lines {
            self.push(line);
        }
    }

    /// The fork has the options of 4.6.2. What only some releases of a minor version have, it is not asked
    /// to have.
    fn is_from(&self, version: Version) -> bool {
        !self.build.is_fork && self.build.is_at_least(version) == Some(true)
    }

    fn head(&mut self) {
        self.push(&format!("# For {}: {}.", self.build, self.policy));
        self.push(&format!(
            "# Leaves out clients older than {}.",
            self.policy.oldest_clients()
        ));
    }

    fn versions(&mut self) {
        match (self.policy, self.is_from(QUIET)) {
            (Policy::Old, true) => self.because(
                "TLS 1.0 and 1.1 for clients that speak nothing else; deprecated (RFC 8996).",
                &["tlsv1"],
            ),
            (Policy::Old, false) => {
                self.because(
                    "TLS 1.0 and 1.1 stay on: neither no-tlsv1 nor no-tlsv1_1.",
                    &[],
                );
            }
            (_, true) => {
                self.because(
                    "TLS 1.0 and 1.1 are off: neither tlsv1 nor tlsv1_1 may be set.",
                    &[],
                );
            }
            (_, false) => self.because(
                "TLS 1.0, TLS 1.1 and DTLS 1.0 are deprecated (RFC 8996).",
                &["no-tlsv1", "no-tlsv1_1"],
            ),
        }
        if self.policy == Policy::Modern {
            self.without_tls_12();
        }
    }

    fn without_tls_12(&mut self) {
        if !self.build.is_fork && !self.is_from(SPEAKS_TLS_13) {
            let reason = "Before 4.6.2 coturn speaks no TLS 1.3: TLS 1.2 stays on, and the policy is not met.";
            self.because(reason, &[]);
            return;
        }
        self.because("TLS 1.3 alone.", &["no-tlsv1_2"]);
        let reason =
            "coturn has no DTLS 1.3: with no-tlsv1_2 a DTLS listener would fall back to 1.0.";
        if self.is_from(DTLS_BY_REQUEST) {
            self.because(&format!("{reason} So dtls must not be set."), &[]);
        } else {
            self.because(reason, &["no-dtls"]);
        }
    }

    fn ciphers(&mut self) {
        let list = format!("cipher-list={}", cipher_list(self.policy));
        let reason = match self.policy {
            Policy::Modern => {
                "Suites before TLS 1.3 that no listener should come to; TLS 1.3 has its own."
            }
            Policy::Intermediate => {
                "Forward secrecy and authenticated encryption. TLS 1.3 has its own suites."
            }
            Policy::Old => {
                "Weak suites for old clients. SECLEVEL=0: OpenSSL 3 has no TLS 1.0 without it."
            }
        };
        self.because(reason, &[&list]);
        self.because(
            "No dh566 and no dh1066: the group that is built in has 2066 bits.",
            &[],
        );
    }

    fn access(&mut self) {
        self.because(
            "Users could open TCP connections from this server into its network (RFC 6062).",
            &["no-tcp-relay"],
        );
        self.because("Nor reach groups of it.", &["no-multicast-peers"]);
        if !self.is_from(CLI_BY_REQUEST) {
            self.because("The command-line interface is Telnet.", &["no-cli"]);
        }
        if !self.is_from(QUIET) {
            self.because(
                "The version is nobody's business.",
                &["no-software-attribute"],
            );
        }
        self.because(
            "No web-admin; no allow-loopback-peers; no no-auth, but a mechanism, as lt-cred-mech or \
             use-auth-secret.",
            &[],
        );
    }

    fn federation(&mut self) {
        if !self.build.is_fork {
            self.because(
                "No CA-file: with it, TURN over TLS would demand client certificates.",
                &[],
            );
            return;
        }
        self.because(
            "Federation: put your values here. Without CA-file anybody federates, and the list is not \
             looked at; with an empty list, whoever has a certificate of a trusted CA. The list compares \
             names as they stand: no wildcards, no blanks, the first entry of a host decides.",
            &[
                "#CA-file=/secrets-ca/ca.crt",
                "#federation-no-dtls=false",
                "#federation-cert=/coturn-dtls-certificate/tls.crt",
                "#federation-pkey=/coturn-dtls-certificate/tls.key",
                "#federation-remote-whitelist=coturn.partner.example,Partner CA",
            ],
        );
        self.because(
            "CA-file makes TURN over TLS and DTLS demand client certificates too: with it, both off.",
            &["#no-tls", "#no-dtls"],
        );
    }
}

#[cfg(test)]
mod tests {
    use coturn::Configuration;
    use rstest::rstest;

    use super::*;
    use crate::{
        finding::Id,
        rules::{judge, testing::World},
    };

    fn build(version: (u16, u16, u16), is_fork: bool) -> Build {
        let (major, minor, patch) = version;
        Build {
            version: Some(Version::new(major, minor, patch)),
            is_fork,
        }
    }

    #[test]
    fn the_lines_of_4_6() {
        insta::assert_snapshot!(harden(Policy::Intermediate, build((4, 6, 0), false)));
    }

    #[test]
    fn the_lines_of_4_17_for_clients_of_today() {
        insta::assert_snapshot!(harden(Policy::Modern, build((4, 17, 0), false)));
    }

    #[test]
    fn the_lines_of_the_fork() {
        insta::assert_snapshot!(harden(Policy::Intermediate, build((4, 6, 2), true)));
    }

    #[rstest]
    fn nothing_is_found_in_what_is_told_to_be_set(
        #[values(Policy::Modern, Policy::Intermediate, Policy::Old)] policy: Policy,
        #[values((4, 5, 2), (4, 6, 1), (4, 7, 0), (4, 10, 0), (4, 17, 1))] version: (u16, u16, u16),
    ) {
        let mut world = World::of(version, "");
        let lines = harden(policy, world.facts.build);
        let rest = "cert=/tls/tls.crt\npkey=/tls/tls.key\nlt-cred-mech\nrealm=example.com\n";
        let text = format!("{lines}{rest}");
        world.facts.policy = policy;
        world.facts.configuration = Some(Configuration::read(&[("f", &text)], &[]));
        let found: Vec<Id> = judge(&world.facts).iter().map(|it| it.id).collect();
        assert_eq!(found, []);
    }

    #[test]
    fn nothing_is_found_in_the_forks_once_its_values_are_put_in() {
        let mut world = World::federating("");
        let lines = harden(Policy::Intermediate, world.facts.build);
        let values = lines
            .replace("#CA-file", "CA-file")
            .replace("#no-", "no-")
            .replace("#federation", "federation");
        let rest = "federation-listening-ip=192.0.2.1\nfederation-listening-port=9191\nzrest\n";
        let text = format!("{values}{rest}");
        world.facts.configuration = Some(Configuration::read(&[("f", &text)], &[]));
        let found: Vec<Id> = judge(&world.facts).iter().map(|it| it.id).collect();
        assert_eq!(found, []);
    }
}
