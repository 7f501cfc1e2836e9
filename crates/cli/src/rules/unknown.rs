//! What the facts do not tell of what the rules look at: it is said, and not assumed.

use coturn::Version;

use super::file::{Readable, is_used, readable};
use crate::{
    facts::{Extent, Facts},
    report::Gap,
};

/// What could not be judged.
#[must_use]
pub fn gaps(facts: &Facts) -> Vec<Gap> {
    let gaps = [unread(facts), version(facts), chain(facts), names(facts)];
    gaps.into_iter().flatten().chain(keys(facts)).collect()
}

fn unread(facts: &Facts) -> Option<Gap> {
    facts.configuration.as_ref()?;
    (facts.extent == Extent::Partial).then(|| {
        Gap::new(
            "what is not set",
            "not all of the configuration was read: nothing is said of what may be set in the rest, as \
             cert, CA-file, no-tcp-relay or who may relay",
        )
    })
}

/// Of the fork all releases are of one version.
fn version(facts: &Facts) -> Option<Gap> {
    let is_exact = |version: Version| version.patch.is_some();
    let is_known = facts.build.is_fork || facts.build.version.is_some_and(is_exact);
    (!is_known).then(|| {
        Gap::new(
            "what depends on the exact version",
            format!(
                "{} is all that is known: name it by --coturn-version",
                facts.build
            ),
        )
    })
}

fn chain(facts: &Facts) -> Option<Gap> {
    (serves_certificates(facts) && facts.trusted.is_none()).then(|| {
        Gap::new(
            "whether the chain leads to what clients and partners trust",
            "name a file with their roots by --trusted",
        )
    })
}

fn names(facts: &Facts) -> Option<Gap> {
    (serves_certificates(facts) && facts.names.is_empty()).then(|| {
        Gap::new(
            "whether the certificate has the names that clients and partners look for",
            "name them by --name",
        )
    })
}

fn serves_certificates(facts: &Facts) -> bool {
    let mut versions = facts.heard.iter().flat_map(|heard| &heard.scan.versions);
    versions.any(|spoken| !spoken.chain.is_empty())
}

fn keys(facts: &Facts) -> impl Iterator<Item = Gap> {
    let is_unknown = move |file: &&crate::facts::File| {
        file.is_key() && is_used(facts, file) && readable(file, &facts.process) == Readable::Unknown
    };
    facts.files.iter().filter(is_unknown).map(|file| {
        Gap::new(
            format!("whether coturn can read {}={}", file.option, file.path),
            "the image or the volume decides that; `runAsUser` and an `fsGroup` in the pod's securityContext \
             would",
        )
    })
}

#[cfg(test)]
mod tests {
    use coturn::{Build, ListenerKind};
    use probe::{Certificate, Version as Protocol};

    use super::*;
    use crate::{facts::Process, rules::testing::World};

    fn told(world: &World) -> Vec<String> {
        gaps(&world.facts).into_iter().map(|gap| gap.what).collect()
    }

    #[test]
    fn what_may_be_set_where_nobody_read_is_told() {
        let mut world = World::hardened();
        assert_eq!(told(&world), [""; 0]);
        world.facts.extent = Extent::Partial;
        assert_eq!(told(&world), ["what is not set"]);
    }

    #[test]
    fn a_version_that_is_told_in_part_is_told_to_be() {
        let mut world = World::hardened();
        for (image, is_told) in [
            ("coturn:4.6-alpine", true),
            ("coturn:latest", true),
            ("coturn:4.6.2", false),
            ("coturn:4.6-federation", false),
        ] {
            world.facts.build = Build::of_image(image);
            assert_eq!(!told(&world).is_empty(), is_told, "{image}");
        }
    }

    #[test]
    fn roots_and_names_that_nobody_named_are_asked_for_once_there_is_a_chain() {
        let mut world = World::hardened().hears(ListenerKind::Tls, Protocol::Tls12, &[]);
        assert_eq!(told(&world), [""; 0]);
        world.facts.heard[0].scan.versions[0].chain = vec![Certificate {
            fingerprint: api::Fingerprint::from_digest([0; 32]),
            der: Vec::new(),
        }];
        assert_eq!(told(&world).len(), 2);
        world.facts.names = vec!["coturn.example.com".to_owned()];
        let root = pki::testing::TestCa::example().root();
        world.facts.trusted = pki::Roots::parse(root.as_bytes()).ok();
        assert_eq!(told(&world), [""; 0]);
    }

    #[test]
    fn a_key_that_may_or_may_not_be_read_is_told() {
        let mut world = World::hardened().with_file("pkey", 0o440);
        world.facts.process = Process {
            user: Some(31338),
            ..Process::default()
        };
        assert_eq!(told(&world), ["whether coturn can read pkey=/tls/tls.key"]);
        world.facts.process.fs_group = Some(1);
        assert_eq!(told(&world), [""; 0]);
    }
}
