//! Which coturn it is.

use std::fmt;

/// A version of coturn, as far as it is told: `4.6` may be any of 4.6.0 to 4.6.3. Up to 4.5.1 releases
/// have a fourth number, on which options and defaults depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Always 4 so far.
    pub major: u16,
    /// 5 to 17.
    pub minor: u16,
    /// None where it is not told.
    pub patch: Option<u16>,
    /// None where it is not told, or there is none.
    pub revision: Option<u16>,
}

impl Version {
    /// This version, by three numbers.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch: Some(patch),
            revision: None,
        }
    }

    /// This version, by four numbers.
    #[must_use]
    pub const fn with_revision(self, revision: u16) -> Self {
        Self {
            revision: Some(revision),
            ..self
        }
    }

    /// Reads what a text begins with: `4.6`, `4.6.2-r5-alpine`, `4.5.1.3`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|it: char| !it.is_ascii_digit() && it != '.');
        let mut numbers = text[..end.unwrap_or(text.len())].split('.').map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (major, minor) = (next()?, next()?);
        let patch = next();
        Some(Self {
            major,
            minor,
            patch,
            revision: patch.and_then(|_| next()),
        })
    }

    /// Whether it is this version or a later one; none if that depends on a number that is not told.
    #[must_use]
    pub fn is_at_least(self, bound: Self) -> Option<bool> {
        let bound = bound.numbers(0);
        if self.numbers(0) >= bound {
            Some(true)
        } else if self.numbers(u16::MAX) < bound {
            Some(false)
        } else {
            None
        }
    }

    /// Whether both may be the same, as far as they are told.
    #[must_use]
    pub fn may_be(self, other: Self) -> bool {
        self.numbers(0) <= other.numbers(u16::MAX) && other.numbers(0) <= self.numbers(u16::MAX)
    }

    /// All four, with this one in place of what is not told.
    fn numbers(self, untold: u16) -> [u16; 4] {
        let patch = self.patch.unwrap_or(untold);
        let revision = self.revision.unwrap_or(untold);
        [self.major, self.minor, patch, revision]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        let rest = self.patch.into_iter().chain(self.revision);
        rest.into_iter()
            .try_for_each(|number| write!(f, ".{number}"))
    }
}

/// A version, if it is known, of upstream or of Wire's fork.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The version of upstream that it is or was forked from.
    pub version: Option<Version>,
    /// Whether it is Wire's fork, which federates.
    pub is_fork: bool,
}

/// Images that upstream makes.
const UPSTREAM: [&str; 2] = ["coturn/coturn", "ghcr.io/coturn/coturn"];

impl Build {
    /// What an image's reference tells: the version that its tag begins with, and `federation` in the
    /// tag of the fork's images (`quay.io/wire/coturn:4.6.2-federation-wireapp.49`).
    #[must_use]
    pub fn of_image(reference: &str) -> Self {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let name = name.split('@').next().unwrap_or_default();
        let tag = name.split_once(':').map_or("", |(_, tag)| tag);
        let digits = tag.find(|it: char| it.is_ascii_digit()).unwrap_or(0);
        let is_prefixed = tag[..digits].chars().all(|it| "v-".contains(it));
        Self {
            version: Version::parse(&tag[digits..])
                .filter(|version| is_prefixed && version.major == 4),
            is_fork: tag.contains("federation"),
        }
    }

    /// What the server says of itself: the STUN attribute SOFTWARE, `Coturn-4.6.1 'Gorst'`.
    #[must_use]
    pub fn version_of_software(software: &str) -> Option<Version> {
        Version::parse(software.strip_prefix("Coturn-")?)
    }

    /// Whether an image may hold the fork although its tag does not say so: upstream's own images do not,
    /// nor does any whose tag tells another version than the one that the fork left upstream at.
    #[must_use]
    pub fn may_be_fork(reference: &str) -> bool {
        let is_upstream = UPSTREAM.iter().any(|name| {
            let rest = reference.strip_prefix("docker.io/").unwrap_or(reference);
            rest.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
        });
        let version = Self::of_image(reference).version;
        !is_upstream && version.is_none_or(|version| version.may_be(Self::FORKED))
    }

    /// The version at which Wire's fork left upstream.
    pub const FORKED: Version = Version::new(4, 6, 2);

    /// Whether it is this version or a later one; none if that is not known.
    #[must_use]
    pub fn is_at_least(&self, version: Version) -> Option<bool> {
        self.version?.is_at_least(version)
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.version, self.is_fork) {
            (Some(version), false) => write!(f, "coturn {version}"),
            (Some(version), true) => write!(f, "Wire's fork of coturn {version}"),
            (None, false) => f.write_str("coturn of an unknown version"),
            (None, true) => f.write_str("Wire's fork of coturn"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("coturn/coturn:4.6.2-r5-alpine", Some("4.6.2"), false)]
    #[case("docker.io/coturn/coturn:4.17.1", Some("4.17.1"), false)]
    #[case("quay.io/wire/coturn:4.6.2-federation-wireapp.49", Some("4.6.2"), true)]
    #[case("registry.example.com:5000/coturn", None, false)]
    #[case("registry.example.com:5000/coturn:v4.9", Some("4.9"), false)]
    #[case("coturn:latest", None, false)]
    #[case("coturn:dev", None, false)]
    #[case("coturn:2024-01", None, false)]
    #[case("coturn@sha256:4464", None, false)]
    #[case("coturn:4.5.1.3@sha256:4464", Some("4.5.1.3"), false)]
    fn an_image_tells_its_version(
        #[case] image: &str,
        #[case] version: Option<&str>,
        #[case] is_fork: bool,
    ) {
        let build = Build::of_image(image);
        let told = build.version.map(|version| version.to_string());
        assert_eq!((told.as_deref(), build.is_fork), (version, is_fork));
    }

    #[rstest]
    #[case("coturn/coturn:4.6.2-r5-alpine", false)]
    #[case("docker.io/coturn/coturn@sha256:4464", false)]
    #[case("mirror.example.com/coturn:4.6.1", false)]
    #[case("mirror.example.com/coturn:4.17", false)]
    #[case("mirror.example.com/coturn:4.6", true)]
    #[case("mirror.example.com/coturn:4.6.2", true)]
    #[case("mirror.example.com/coturn:latest", true)]
    fn what_tells_another_version_or_is_upstreams_own_is_not_the_fork(
        #[case] image: &str,
        #[case] may_be: bool,
    ) {
        assert_eq!(Build::may_be_fork(image), may_be);
    }

    #[rstest]
    #[case("4.6", "4.6.2", None)]
    #[case("4.6", "4.6.0", Some(true))]
    #[case("4.6", "4.7.0", Some(false))]
    #[case("4.6.3", "4.6.2", Some(true))]
    #[case("4.5.1", "4.5.1.2", None)]
    #[case("4.5.1.1", "4.5.1.2", Some(false))]
    #[case("4.5.1.3", "4.5.1.2", Some(true))]
    #[case("4.5.2", "4.5.1.2", Some(true))]
    #[case("4.5.0.8", "4.5.1.0", Some(false))]
    fn what_depends_on_a_number_that_is_not_told_is_not_known(
        #[case] own: &str,
        #[case] bound: &str,
        #[case] is_from: Option<bool>,
    ) {
        let [own, bound] = [own, bound].map(|text| Version::parse(text).unwrap());
        assert_eq!(own.is_at_least(bound), is_from);
    }

    #[test]
    fn versions_that_differ_in_what_both_tell_are_not_the_same() {
        let may_be = |one, other| {
            let [one, other] = [one, other].map(|text| Version::parse(text).unwrap());
            one.may_be(other)
        };
        assert!(may_be("4.6", "4.6.3") && may_be("4.6.3", "4.6") && may_be("4.5.1", "4.5.1.3"));
        assert!(!may_be("4.6.1", "4.6.3") && !may_be("4.5", "4.6.0"));
    }

    #[test]
    fn a_server_tells_its_version() {
        let version = Build::version_of_software("Coturn-4.6.1 'Gorst'");
        assert_eq!(version, Some(Version::new(4, 6, 1)));
        assert_eq!(Build::version_of_software("None"), None);
    }
}
