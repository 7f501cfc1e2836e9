//! The options of turnserver, since which version and until when: `long_options` in `mainrelay.c` of
//! each release from 4.5.0.8 to 4.17.1, and of Wire's fork, which left upstream at 4.6.2.

mod table;

use crate::{Build, Version};
use table::{DEPRECATED, ERAS, REQUIRED_SINCE, SECRET, SHORT};

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// Nothing, or a boolean that is glued to it.
    Switch,
    /// Nothing, or a value that is glued to it.
    Optional,
    /// A value, glued to it or after it.
    Required,
}

/// An option of some version.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its long name.
    pub name: &'static str,
    pub(crate) argument: Argument,
    since: Version,
    until: Option<Version>,
    is_of_fork: bool,
}

/// What a build makes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It honours it, as far as is known.
    Honoured,
    /// It takes it, but says that it is deprecated or does nothing.
    Deprecated {
        /// Since this version.
        since: Version,
        /// What to do instead.
        instead: &'static str,
    },
    /// It came with a later version.
    NotYet(Version),
    /// It is gone since this version.
    NoMore(Version),
    /// Only Wire's fork has it.
    OfFork,
}

impl Known {
    /// Whether its value is a secret, or may hold one.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        SECRET.contains(&self.name)
    }

    /// Since when it takes a value, and no more may have one or not.
    pub(crate) fn required_since(&self) -> Option<Version> {
        let mut rows = REQUIRED_SINCE.iter();
        let (_, since) = rows.find(|(name, _)| *name == self.name)?;
        Some(*since)
    }

    /// What a build makes of it. Where it depends on a version that is not known, nothing is held
    /// against it.
    #[must_use]
    pub fn support(&self, build: Build) -> Support {
        if self.is_of_fork {
            return if build.is_fork {
                Support::Honoured
            } else {
                Support::OfFork
            };
        }
        if build.is_at_least(self.since) == Some(false) {
            return Support::NotYet(self.since);
        }
        match self.until {
            Some(until) if build.is_at_least(until) == Some(true) => Support::NoMore(until),
            _ => self.deprecation(build).unwrap_or(Support::Honoured),
        }
    }

    fn deprecation(&self, build: Build) -> Option<Support> {
        let mut rows = DEPRECATED.iter();
        let (_, since, instead) = rows.find(|(name, since, _)| {
            *name == self.name && build.is_at_least(*since) == Some(true)
        })?;
        Some(Support::Deprecated {
            since: *since,
            instead,
        })
    }
}

/// The option of this long name, of whichever version.
#[must_use]
pub fn known(name: &str) -> Option<Known> {
    all().find(|option| option.name == name)
}

/// The options whose long names begin so; one that is spelled out is the only one (`getopt_long`).
pub(crate) fn abbreviated(beginning: &str) -> Vec<Known> {
    match known(beginning) {
        Some(exact) => vec![exact],
        None => all()
            .filter(|option| option.name.starts_with(beginning))
            .collect(),
    }
}

/// The option of this letter.
pub(crate) fn short(letter: char) -> Option<Short> {
    let mut rows = SHORT.iter();
    rows.find(|short| short.letter == letter).copied()
}

/// An option of one letter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short {
    pub(crate) letter: char,
    pub(crate) name: &'static str,
    pub(crate) takes_value: bool,
}

fn all() -> impl Iterator<Item = Known> {
    ERAS.iter().flat_map(|era| {
        let of = |names: &'static [&'static str], argument| {
            names.iter().map(move |name| Known {
                name,
                argument,
                since: era.since,
                until: era.until,
                is_of_fork: era.is_of_fork,
            })
        };
        of(era.switches, Argument::Switch)
            .chain(of(era.optional, Argument::Optional))
            .chain(of(era.required, Argument::Required))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn upstream(major: u16, minor: u16, patch: u16) -> Build {
        Build {
            version: Some(Version::new(major, minor, patch)),
            is_fork: false,
        }
    }

    #[test]
    fn each_option_stands_in_the_table_once() {
        let names: Vec<_> = all().map(|option| option.name).collect();
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), unique.len());
        assert_eq!(names.len(), 166);
    }

    #[test]
    fn every_letter_secret_and_deprecation_is_of_an_option_in_the_table() {
        for short in SHORT {
            let is_special = ["config", "help", "no-config"].contains(&short.name);
            assert!(is_special || known(short.name).is_some(), "{short:?}");
        }
        for name in SECRET {
            assert!(known(name).is_some(), "{name}");
        }
        for (name, _, _) in DEPRECATED {
            assert!(known(name).is_some(), "{name}");
        }
        for (name, _) in REQUIRED_SINCE {
            let argument = known(name).unwrap().argument;
            assert_eq!(argument, Argument::Optional, "{name}");
        }
    }

    #[test]
    fn what_comes_and_goes_is_told_by_version() {
        let support = |name: &str, build| known(name).unwrap().support(build);
        assert_eq!(support("no-tlsv1", upstream(4, 6, 3)), Support::Honoured);
        let gone = Support::NoMore(Version::new(4, 7, 0));
        assert_eq!(support("no-tlsv1", upstream(4, 7, 0)), gone);
        let later = Support::NotYet(Version::new(4, 17, 0));
        assert_eq!(support("dtls", upstream(4, 16, 0)), later);
        assert_eq!(support("dtls", upstream(4, 17, 1)), Support::Honoured);
        assert_eq!(support("no-dtls", upstream(4, 16, 0)), Support::Honoured);
        assert!(matches!(
            support("no-dtls", upstream(4, 17, 0)),
            Support::Deprecated { .. }
        ));
        assert_eq!(support("dtls", Build::default()), Support::Honoured);
    }

    #[test]
    fn an_option_that_some_releases_of_a_minor_version_have_is_not_held_against_it() {
        let of_tag = |name: &str, tag: &str| {
            let build = Build::of_image(&format!("coturn:{tag}"));
            known(name).unwrap().support(build)
        };
        assert_eq!(of_tag("prometheus", "4.5"), Support::Honoured);
        assert_eq!(of_tag("raw-public-keys", "4.6"), Support::Honoured);
        let later = Support::NotYet(Version::new(4, 6, 3));
        assert_eq!(of_tag("raw-public-keys", "4.6.2"), later);
        assert_eq!(of_tag("dh2066", "4.5.1"), Support::Honoured);
        assert_eq!(of_tag("dh2066", "4.5.1.1"), Support::Honoured);
        let gone = Support::NoMore(Version::new(4, 5, 1).with_revision(2));
        assert_eq!(of_tag("dh2066", "4.5.1.2"), gone);
        assert_eq!(of_tag("allow-loopback-peers", "4.5.1.0"), Support::Honoured);
    }

    #[test]
    fn federation_is_the_forks() {
        let whitelist = known("federation-remote-whitelist").unwrap();
        assert_eq!(whitelist.support(upstream(4, 17, 1)), Support::OfFork);
        let fork = Build::of_image("coturn:4.6.2-federation-wireapp.49");
        assert_eq!(whitelist.support(fork), Support::Honoured);
        assert_eq!(known("no-tlsv1").unwrap().support(fork), Support::Honoured);
    }

    #[test]
    fn an_abbreviation_stands_for_all_that_begin_so_unless_it_is_one_itself() {
        let names = |beginning| {
            let options = abbreviated(beginning);
            options.iter().map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names("user"), ["user"]);
        assert_eq!(names("cipher"), ["cipher-list"]);
        assert_eq!(names("pkey-"), ["pkey-pwd"]);
        assert!(names("no-tls").len() == 1 && names("no-tlsv").len() > 1);
        assert!(names("nonsense").is_empty());
    }
}
