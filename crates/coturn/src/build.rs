//! Which coturn it is.

use std::fmt;

/// A version of coturn. A fourth number, as in 4.5.1.3, is dropped: no option came or went with it
/// that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Always 4 so far.
    pub major: u16,
    /// 5 to 17.
    pub minor: u16,
    /// Zero where it is not named.
    pub patch: u16,
}

impl Version {
    /// This version.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads what a text begins with: `4.6`, `4.6.2-r5-alpine`, `4.5.1.3`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|it: char| !it.is_ascii_digit() && it != '.');
        let mut numbers = text[..end.unwrap_or(text.len())].split('.').map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (major, minor) = (next()?, next()?);
        Some(Self::new(major, minor, next().unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
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

    /// Whether it is this version or a later one; none if the version is not known.
    #[must_use]
    pub fn is_at_least(&self, version: Version) -> Option<bool> {
        self.version.map(|own| own >= version)
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
    #[case("coturn/coturn:4.6.2-r5-alpine", Some((4, 6, 2)), false)]
    #[case("docker.io/coturn/coturn:4.17.1", Some((4, 17, 1)), false)]
    #[case("quay.io/wire/coturn:4.6.2-federation-wireapp.49", Some((4, 6, 2)), true)]
    #[case("registry.example.com:5000/coturn", None, false)]
    #[case("registry.example.com:5000/coturn:v4.9", Some((4, 9, 0)), false)]
    #[case("coturn:latest", None, false)]
    #[case("coturn:dev", None, false)]
    #[case("coturn:2024-01", None, false)]
    #[case("coturn@sha256:4464", None, false)]
    #[case("coturn:4.5.1.3@sha256:4464", Some((4, 5, 1)), false)]
    fn an_image_tells_its_version(
        #[case] image: &str,
        #[case] version: Option<(u16, u16, u16)>,
        #[case] is_fork: bool,
    ) {
        let version = version.map(|(major, minor, patch)| Version::new(major, minor, patch));
        assert_eq!(Build::of_image(image), Build { version, is_fork });
    }

    #[test]
    fn a_server_tells_its_version() {
        let version = Build::version_of_software("Coturn-4.6.1 'Gorst'");
        assert_eq!(version, Some(Version::new(4, 6, 1)));
        assert_eq!(Build::version_of_software("None"), None);
    }
}
