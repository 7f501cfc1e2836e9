//! Files: whether they are where coturn looks, and who may read the keys.

use coturn::{ListenerKind, Service};
use deployed::{Entry, Place};

use crate::{
    facts::{Facts, File, Presence, Process},
    finding::{Finding, Id},
};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let of_files = facts.files.iter().flat_map(|file| {
        [
            misplaced(file),
            missing(file),
            frozen(file),
            of_key(file, facts.process),
        ]
    });
    of_files.chain([no_certificate(facts)]).flatten().collect()
}

fn seen(file: &File) -> String {
    format!("{}: {}={}", file.source, file.option, file.path)
}

/// A CA file may well come with the image: the system's bundle does.
fn misplaced(file: &File) -> Option<Finding> {
    let is_own = !["CA-file", "dh-file"].contains(&file.option);
    let (what, set) = match &file.place {
        Place::Image if is_own => (
            "no volume is mounted there".to_owned(),
            format!(
                "mount the Secret's volume, and give {} a path in it",
                file.option
            ),
        ),
        Place::LeftOut { volume, paths } => (
            format!("volume {volume} has only {}", paths.join(", ")),
            format!(
                "add the file to the volume's items, or give {} one of them",
                file.option
            ),
        ),
        Place::Image | Place::Secret(_) | Place::ConfigMap(_) | Place::Volume(_) => return None,
    };
    let seen = format!("{}; {what}", seen(file));
    Some(Finding::new(Id::PathMissesMount, seen, set))
}

fn missing(file: &File) -> Option<Finding> {
    let Presence::Missing(what) = &file.presence else {
        return None;
    };
    Some(Finding::new(
        Id::FileNotInVolume,
        format!("{}; {what}", seen(file)),
        format!(
            "put it there, or give {} the path of a file that is there",
            file.option
        ),
    ))
}

fn frozen(file: &File) -> Option<Finding> {
    let entry = entry(file)?;
    entry.is_frozen.then(|| {
        Finding::new(
            Id::FileNeverUpdated,
            format!("{}, key {} of {}", seen(file), entry.key, entry.object),
            "mount the whole volume at a folder, without `subPath`",
        )
    })
}

fn entry(file: &File) -> Option<&Entry> {
    match &file.place {
        Place::Secret(entry) | Place::ConfigMap(entry) => Some(entry),
        Place::Volume(_) | Place::LeftOut { .. } | Place::Image => None,
    }
}

/// Files of a Secret belong to root, and to the group `fsGroup` if there is one.
fn of_key(file: &File, process: Process) -> Option<Finding> {
    let entry = entry(file).filter(|_| file.is_key())?;
    let mode = format!("{}, mode {:04o}", seen(file), entry.mode);
    if entry.mode & 0o004 != 0 {
        return Some(Finding::new(
            Id::KeyReadableByOthers,
            format!("{mode}: others may read it"),
            "defaultMode: 0440 in the Secret's volume, and an `fsGroup` in the pod's securityContext",
        ));
    }
    let is_of_group = process.fs_group.is_some() && entry.mode & 0o040 != 0;
    let is_of_root = process.user? == 0;
    (!is_of_group && !is_of_root).then(|| {
        Finding::new(
            Id::KeyUnreadable,
            format!(
                "{mode}: of root, read by user {}",
                process.user.unwrap_or_default()
            ),
            "an `fsGroup` in the pod's securityContext: it gives the files to the group, readable",
        )
    })
}

fn no_certificate(facts: &Facts) -> Option<Finding> {
    let files = facts.configuration.as_ref()?.files();
    let kinds = [ListenerKind::Tls, ListenerKind::Dtls];
    let listens = |kind| {
        facts
            .listener(kind)
            .is_some_and(|it| it.service == Service::On)
    };
    let named = [("cert", files.certificate), ("pkey", files.key)];
    let missing: Vec<_> = named
        .iter()
        .filter(|(_, setting)| setting.is_none())
        .map(|(option, _)| *option)
        .collect();
    (kinds.into_iter().any(listens) && !missing.is_empty()).then(|| {
        Finding::new(
            Id::NoCertificate,
            format!(
                "neither the file nor the command line has {}",
                missing.join(" and ")
            ),
            "cert and pkey, or `no-tls` (and up to 4.16 `no-dtls`) if TLS is not wanted",
        )
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::rules::testing::{World, ids};

    fn found(world: &World) -> Vec<Id> {
        ids(&judge(&world.facts))
    }

    #[rstest]
    #[case::all_may_read(0o644, None, Some(31338), &[Id::KeyReadableByOthers])]
    #[case::all_may_read_whoever_runs(0o644, None, None, &[Id::KeyReadableByOthers])]
    #[case::of_root_alone(0o400, None, Some(31338), &[Id::KeyUnreadable])]
    #[case::read_by_root(0o400, None, Some(0), &[])]
    #[case::of_the_group(0o440, Some(31338), Some(31338), &[])]
    #[case::of_roots_group(0o440, None, Some(31338), &[Id::KeyUnreadable])]
    #[case::whoever_the_image_says(0o400, None, None, &[])]
    fn a_keys_mode_and_owner_are_judged(
        #[case] mode: i32,
        #[case] fs_group: Option<i64>,
        #[case] user: Option<i64>,
        #[case] ids: &[Id],
    ) {
        let mut world = World::hardened().with_file("pkey", mode);
        world.facts.process = Process { user, fs_group };
        assert_eq!(found(&world), ids);
    }

    #[test]
    fn a_certificate_may_be_read_by_all() {
        assert_eq!(found(&World::hardened().with_file("cert", 0o644)), []);
    }

    #[rstest]
    #[case("pkey", &[Id::PathMissesMount])]
    #[case("federation-cert", &[Id::PathMissesMount])]
    #[case("CA-file", &[])]
    fn a_path_in_no_volume_is_found_unless_the_image_may_have_it(
        #[case] option: &'static str,
        #[case] ids: &[Id],
    ) {
        let mut world = World::hardened().with_file(option, 0o440);
        world.facts.files[0].place = Place::Image;
        assert_eq!(found(&world), ids);
    }

    #[test]
    fn a_path_that_the_items_leave_out_is_found_whosever_it_is() {
        let mut world = World::hardened().with_file("CA-file", 0o440);
        world.facts.files[0].place = Place::LeftOut {
            volume: "tls".to_owned(),
            paths: vec!["ca.pem".to_owned()],
        };
        assert_eq!(found(&world), [Id::PathMissesMount]);
    }

    #[test]
    fn a_key_that_a_secret_does_not_have_is_found() {
        let mut world = World::hardened().with_file("cert", 0o440);
        world.facts.files[0].presence =
            Presence::Missing("Secret coturn-tls has only a".to_owned());
        assert_eq!(found(&world), [Id::FileNotInVolume]);
    }

    #[test]
    fn a_sub_path_is_found() {
        let mut world = World::hardened().with_file("cert", 0o440);
        if let Place::Secret(entry) = &mut world.facts.files[0].place {
            entry.is_frozen = true;
        }
        assert_eq!(found(&world), [Id::FileNeverUpdated]);
    }

    #[rstest]
    #[case("cert=/a", &[Id::NoCertificate])]
    #[case("", &[Id::NoCertificate])]
    #[case("no-tls\nno-dtls", &[])]
    #[case("cert=/a\npkey=/b", &[])]
    fn tls_without_a_certificate_is_found(#[case] text: &str, #[case] ids: &[Id]) {
        assert_eq!(found(&World::of((4, 6, 1), text)), ids);
    }
}
