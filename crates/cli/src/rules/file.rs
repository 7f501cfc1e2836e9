//! Files: whether they are where coturn looks, and who may read the keys.

use coturn::{ListenerKind, Service};
use deployed::{Entry, Place};

use crate::{
    facts::{Facts, File, Presence, Process},
    finding::{Finding, Id},
};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let used = facts.files.iter().filter(|file| is_used(facts, file));
    let of_files = used.flat_map(|file| {
        [
            misplaced(file),
            missing(file),
            frozen(file),
            of_key(file, &facts.process),
        ]
    });
    of_files.chain([no_certificate(facts)]).flatten().collect()
}

/// Whether coturn may open a file: only what a listener needs it does. Of what was not all read, it may.
pub(super) fn is_used(facts: &Facts, file: &File) -> bool {
    let is_partial = facts.whole().is_none();
    let federates = facts.listener(ListenerKind::Federation).is_some();
    match file.option {
        "federation-cert" | "federation-pkey" => facts.build.is_fork && (is_partial || federates),
        "CA-file" => is_partial || federates || facts.encrypts(),
        _ => is_partial || facts.encrypts(),
    }
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
        Place::Image
        | Place::Secret(_)
        | Place::ConfigMap(_)
        | Place::Projected(_)
        | Place::Volume(_) => return None,
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
        Place::Projected(_) | Place::Volume(_) | Place::LeftOut { .. } | Place::Image => None,
    }
}

/// Whether coturn can read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readable {
    ByAll,
    Yes,
    No,
    Unknown,
}

/// Files of a Secret belong to root, and to the group `fsGroup`, or to root's if there is none. Whom the image
/// lets coturn run as may be of root's group: a runtime takes that one for a user that the image does not
/// have.
pub(super) fn readable(file: &File, process: &Process) -> Readable {
    let Some(entry) = entry(file) else {
        return Readable::Unknown;
    };
    let is_of_group = entry.mode & 0o040 != 0;
    if entry.mode & 0o004 != 0 {
        return Readable::ByAll;
    }
    if process.user == Some(0) || (is_of_group && process.fs_group.is_some()) {
        return Readable::Yes;
    }
    let is_member = if is_of_group {
        process.is_of_roots_group()
    } else {
        Some(false)
    };
    match (process.user, is_member) {
        (_, Some(true)) => Readable::Yes,
        (Some(_), Some(false)) => Readable::No,
        (None, Some(false)) | (_, None) => Readable::Unknown,
    }
}

fn of_key(file: &File, process: &Process) -> Option<Finding> {
    let entry = entry(file).filter(|_| file.is_key())?;
    let mode = format!("{}, mode {:04o}", seen(file), entry.mode);
    match readable(file, process) {
        Readable::ByAll => Some(Finding::new(
            Id::KeyReadableByOthers,
            format!("{mode}: others may read it"),
            "defaultMode: 0440 in the Secret's volume, and an `fsGroup` in the pod's securityContext",
        )),
        Readable::No => Some(Finding::new(
            Id::KeyUnreadable,
            format!(
                "{mode}: of root, read by user {}",
                process.user.unwrap_or_default()
            ),
            "an `fsGroup` in the pod's securityContext: it gives the files to the group, readable",
        )),
        Readable::Yes | Readable::Unknown => None,
    }
}

fn no_certificate(facts: &Facts) -> Option<Finding> {
    let files = facts.whole()?.files();
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
    use crate::{
        facts::Extent,
        rules::testing::{World, ids},
    };

    fn found(world: &World) -> Vec<Id> {
        ids(&judge(&world.facts))
    }

    #[rstest]
    #[case::all_may_read(0o644, None, Some(31338), &[Id::KeyReadableByOthers])]
    #[case::all_may_read_whoever_runs(0o644, None, None, &[Id::KeyReadableByOthers])]
    #[case::of_root_alone(0o400, None, Some(31338), &[Id::KeyUnreadable])]
    #[case::read_by_root(0o400, None, Some(0), &[])]
    #[case::of_the_group(0o440, Some(31338), Some(31338), &[])]
    #[case::whoever_the_image_says(0o400, None, None, &[])]
    fn a_keys_mode_and_owner_are_judged(
        #[case] mode: i32,
        #[case] fs_group: Option<i64>,
        #[case] user: Option<i64>,
        #[case] ids: &[Id],
    ) {
        let mut world = World::hardened().with_file("pkey", mode);
        world.facts.process = Process {
            user,
            fs_group,
            ..Process::default()
        };
        assert_eq!(found(&world), ids);
    }

    #[rstest]
    #[case::that_nobody_named(0o440, None, &[], Readable::Unknown)]
    #[case::of_root(0o440, Some(0), &[], Readable::Yes)]
    #[case::of_root_among_others(0o440, Some(7), &[8, 0], Readable::Yes)]
    #[case::of_others(0o440, Some(7), &[8], Readable::No)]
    #[case::that_may_not_read(0o400, Some(0), &[0], Readable::No)]
    fn a_group_may_read_a_key_of_roots_group(
        #[case] mode: i32,
        #[case] group: Option<i64>,
        #[case] more_groups: &[i64],
        #[case] is_readable: Readable,
    ) {
        let mut world = World::hardened().with_file("pkey", mode);
        world.facts.process = Process {
            user: Some(31338),
            group,
            more_groups: more_groups.to_vec(),
            fs_group: None,
        };
        let file = &world.facts.files[0];
        assert_eq!(readable(file, &world.facts.process), is_readable);
        let unreadable: &[Id] = match is_readable {
            Readable::No => &[Id::KeyUnreadable],
            Readable::ByAll | Readable::Yes | Readable::Unknown => &[],
        };
        assert_eq!(found(&world), unreadable);
    }

    #[test]
    fn a_certificate_may_be_read_by_all() {
        assert_eq!(found(&World::hardened().with_file("cert", 0o644)), []);
    }

    #[rstest]
    #[case(World::hardened(), "pkey", &[Id::PathMissesMount])]
    #[case(World::federating(""), "federation-cert", &[Id::PathMissesMount])]
    #[case(World::hardened(), "CA-file", &[])]
    fn a_path_in_no_volume_is_found_unless_the_image_may_have_it(
        #[case] world: World,
        #[case] option: &'static str,
        #[case] ids: &[Id],
    ) {
        let mut world = world.with_file(option, 0o440);
        world.facts.files[0].place = Place::Image;
        assert_eq!(found(&world), ids);
    }

    #[rstest]
    #[case::without_tls("no-tls\nno-dtls", "cert", false)]
    #[case::with_dtls_alone("no-tls", "pkey", true)]
    #[case::without_any_listener("no-tls\nno-dtls", "CA-file", false)]
    #[case::with_tls("no-dtls", "CA-file", true)]
    #[case::of_another_build("", "federation-cert", false)]
    fn a_file_that_coturn_never_opens_is_not_judged(
        #[case] text: &str,
        #[case] option: &'static str,
        #[case] is_judged: bool,
    ) {
        let mut world = World::of((4, 6, 1), &format!("cert=/a\npkey=/b\n{text}"));
        world = world.with_file(option, 0o440);
        world.facts.files[0].presence = Presence::Missing("no".to_owned());
        assert_eq!(found(&world).contains(&Id::FileNotInVolume), is_judged);
        world.facts.extent = Extent::Partial;
        let is_of_fork = option.starts_with("federation");
        assert_eq!(found(&world).contains(&Id::FileNotInVolume), !is_of_fork);
    }

    #[rstest]
    #[case::that_federates("", "federation-pkey", true)]
    #[case::that_federates_with_its_partners_ca("", "CA-file", true)]
    #[case::that_needs_no_turn_over_tls("", "pkey", false)]
    #[case::in_the_clear("federation-no-dtls=true", "federation-pkey", false)]
    fn a_file_of_a_fork_is_judged_by_what_listens(
        #[case] text: &str,
        #[case] option: &'static str,
        #[case] is_judged: bool,
    ) {
        let mut world = World::federating(text).with_file(option, 0o440);
        world.facts.files[0].presence = Presence::Missing("no".to_owned());
        assert_eq!(found(&world).contains(&Id::FileNotInVolume), is_judged);
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
