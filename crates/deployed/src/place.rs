//! Where a path of a container lies: in which volume, under which key, with which mode and owner.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, Container, KeyToPath, PodSpec, SecretProjection,
    SecretVolumeSource, Volume, VolumeMount,
};

/// Mode of the files of a Secret or ConfigMap volume that says nothing of it.
const DEFAULT_MODE: i32 = 0o644;
/// What `fsGroup` adds to the mode of files in a read-only volume, as those of Secrets are.
const FS_GROUP_MODE: i32 = 0o440;

/// Where a path lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a Secret's volume.
    Secret(Entry),
    /// In a ConfigMap's volume.
    ConfigMap(Entry),
    /// In a volume of this name, of another kind.
    Volume(String),
    /// In a volume of a Secret or ConfigMap that leaves this file out: its `items` have another path.
    LeftOut {
        /// The volume.
        volume: String,
        /// The paths that it has.
        paths: Vec<String>,
    },
    /// In no volume.
    Image,
}

/// A file in the volume of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object's name.
    pub object: String,
    /// The key of its data.
    pub key: String,
    /// The file's mode, with what `fsGroup` adds. The owner is root, the group `fsGroup` or root's.
    pub mode: i32,
    /// Whether it is mounted by `subPath`, and never updated.
    pub is_frozen: bool,
}

/// Where a path of a container lies.
#[must_use]
pub fn place(pod: &PodSpec, container: &Container, path: &str) -> Place {
    let Some((mount, within)) = mount_of(container, path) else {
        return Place::Image;
    };
    let mut volumes = pod.volumes.iter().flatten();
    let Some(volume) = volumes.find(|volume| volume.name == mount.name) else {
        return Place::Volume(mount.name.clone());
    };
    let sources = sources(volume);
    if sources.is_empty() {
        return Place::Volume(volume.name.clone());
    }
    let added = fs_group(pod).map_or(0, |_| FS_GROUP_MODE);
    let found = sources.iter().find_map(|source| {
        let key = source.key(&within)?;
        Some(source.place(key, added, mount.sub_path.is_some()))
    });
    found.unwrap_or_else(|| Place::LeftOut {
        volume: volume.name.clone(),
        paths: sources.iter().flat_map(Source::paths).collect(),
    })
}

fn fs_group(pod: &PodSpec) -> Option<i64> {
    pod.security_context.as_ref()?.fs_group
}

/// The mount that covers a path, the innermost one, and the path within its volume.
fn mount_of<'a>(container: &'a Container, path: &str) -> Option<(&'a VolumeMount, String)> {
    let covered = |mount: &'a VolumeMount| {
        let root = mount.mount_path.trim_end_matches('/');
        let rest = path.strip_prefix(root)?;
        let is_within = rest.is_empty() || rest.starts_with('/');
        is_within.then(|| (mount, within(mount, rest.trim_start_matches('/'))))
    };
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .filter_map(covered)
        .max_by_key(|(mount, _)| mount.mount_path.trim_end_matches('/').len())
}

fn within(mount: &VolumeMount, rest: &str) -> String {
    match mount.sub_path.as_deref() {
        None => rest.to_owned(),
        Some(sub_path) if rest.is_empty() => sub_path.to_owned(),
        Some(sub_path) => format!("{sub_path}/{rest}"),
    }
}

/// An object whose data a volume shows as files.
struct Source<'a> {
    kind: Kind,
    object: String,
    items: Option<&'a [KeyToPath]>,
    mode: Option<i32>,
}

#[derive(Clone, Copy)]
enum Kind {
    Secret,
    ConfigMap,
}

impl Source<'_> {
    /// The key that stands behind a path, and the mode that its item has. Without items every key is a
    /// file of its name.
    fn key(&self, path: &str) -> Option<(String, Option<i32>)> {
        match self.items {
            None => (!path.is_empty() && !path.contains('/')).then(|| (path.to_owned(), None)),
            Some(items) => {
                let item = items.iter().find(|item| item.path == path)?;
                Some((item.key.clone(), item.mode))
            }
        }
    }

    fn paths(&self) -> Vec<String> {
        let items = self.items.into_iter().flatten();
        items.map(|item| item.path.clone()).collect()
    }

    fn place(&self, (key, mode): (String, Option<i32>), added: i32, is_frozen: bool) -> Place {
        let entry = Entry {
            object: self.object.clone(),
            key,
            mode: mode.or(self.mode).unwrap_or(DEFAULT_MODE) | added,
            is_frozen,
        };
        match self.kind {
            Kind::Secret => Place::Secret(entry),
            Kind::ConfigMap => Place::ConfigMap(entry),
        }
    }
}

/// The Secrets and ConfigMaps of a volume: one, or those that are projected into it.
fn sources(volume: &Volume) -> Vec<Source<'_>> {
    let secret = volume.secret.iter().map(of_secret);
    let config_map = volume.config_map.iter().map(of_config_map);
    let projected = volume.projected.iter().flat_map(|projected| {
        let sources = projected.sources.iter().flatten();
        sources.flat_map(|source| {
            let secret = source.secret.iter().map(projected_secret);
            let config_map = source.config_map.iter().map(projected_config_map);
            secret.chain(config_map).map(|source| Source {
                mode: projected.default_mode,
                ..source
            })
        })
    });
    secret.chain(config_map).chain(projected).collect()
}

fn of_secret(source: &SecretVolumeSource) -> Source<'_> {
    Source {
        kind: Kind::Secret,
        object: source.secret_name.clone().unwrap_or_default(),
        items: source.items.as_deref(),
        mode: source.default_mode,
    }
}

fn of_config_map(source: &ConfigMapVolumeSource) -> Source<'_> {
    Source {
        kind: Kind::ConfigMap,
        object: source.name.clone(),
        items: source.items.as_deref(),
        mode: source.default_mode,
    }
}

fn projected_secret(source: &SecretProjection) -> Source<'_> {
    Source {
        kind: Kind::Secret,
        object: source.name.clone(),
        items: source.items.as_deref(),
        mode: None,
    }
}

fn projected_config_map(source: &ConfigMapProjection) -> Source<'_> {
    Source {
        kind: Kind::ConfigMap,
        object: source.name.clone(),
        items: source.items.as_deref(),
        mode: None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A pod with a volume, and a container that mounts it at `/tls` (or as told).
    fn placed(volume: &str, mount: &str, pod: &str, path: &str) -> Place {
        let pod: PodSpec = serde_saphyr::from_str(&format!(
            "{{containers: [], volumes: [{{name: v, {volume}}}], {pod}}}"
        ))
        .unwrap();
        let container: Container = serde_saphyr::from_str(&format!(
            "{{name: coturn, volumeMounts: [{{name: v, {mount}}}]}}"
        ))
        .unwrap();
        place(&pod, &container, path)
    }

    fn entry(key: &str, mode: i32) -> Entry {
        Entry {
            object: "s".to_owned(),
            key: key.to_owned(),
            mode,
            is_frozen: false,
        }
    }

    const SECRET: &str = "secret: {secretName: s}";
    const AT_TLS: &str = "mountPath: /tls/";

    #[test]
    fn a_key_of_a_secret_is_a_file_that_all_may_read() {
        let place = placed(SECRET, AT_TLS, "", "/tls/tls.key");
        assert_eq!(place, Place::Secret(entry("tls.key", 0o644)));
    }

    #[rstest]
    #[case("secret: {secretName: s, defaultMode: 0o400}", "", 0o400)]
    #[case(
        "secret: {secretName: s, defaultMode: 0o400}",
        "securityContext: {fsGroup: 7}",
        0o440
    )]
    #[case("secret: {secretName: s}", "securityContext: {fsGroup: 7}", 0o644)]
    #[case(
        "secret: {secretName: s, items: [{key: tls.key, path: tls.key, mode: 0o440}]}",
        "",
        0o440
    )]
    #[case(
        "projected: {sources: [{secret: {name: s}}], defaultMode: 0o440}",
        "",
        0o440
    )]
    fn the_mode_is_the_items_or_the_volumes_and_what_fs_group_adds(
        #[case] volume: &str,
        #[case] pod: &str,
        #[case] mode: i32,
    ) {
        let place = placed(volume, AT_TLS, pod, "/tls/tls.key");
        assert_eq!(place, Place::Secret(entry("tls.key", mode)));
    }

    #[test]
    fn items_name_files_and_leave_others_out() {
        let volume = "secret: {secretName: s, items: [{key: tls.key, path: key.pem}]}";
        let place = |path| placed(volume, AT_TLS, "", path);
        assert_eq!(
            place("/tls/key.pem"),
            Place::Secret(entry("tls.key", 0o644))
        );
        let left_out = Place::LeftOut {
            volume: "v".to_owned(),
            paths: vec!["key.pem".to_owned()],
        };
        assert_eq!(place("/tls/tls.key"), left_out);
    }

    #[test]
    fn a_sub_path_is_one_file_that_stays_as_it_is() {
        let place = placed(
            SECRET,
            "mountPath: /a/key.pem, subPath: tls.key",
            "",
            "/a/key.pem",
        );
        let frozen = Entry {
            is_frozen: true,
            ..entry("tls.key", 0o644)
        };
        assert_eq!(place, Place::Secret(frozen));
    }

    #[rstest]
    #[case("/etc/ssl/tls.key", Place::Image)]
    #[case("/tls-other/tls.key", Place::Image)]
    #[case("tls.key", Place::Image)]
    fn a_path_beside_the_mount_is_in_no_volume(#[case] path: &str, #[case] place: Place) {
        assert_eq!(placed(SECRET, AT_TLS, "", path), place);
    }

    #[test]
    fn other_volumes_are_told_by_their_names() {
        let place = placed("emptyDir: {}", AT_TLS, "", "/tls/tls.key");
        assert_eq!(place, Place::Volume("v".to_owned()));
    }

    #[test]
    fn a_config_map_is_told_from_a_secret() {
        let place = placed("configMap: {name: s}", AT_TLS, "", "/tls/turnserver.conf");
        assert_eq!(place, Place::ConfigMap(entry("turnserver.conf", 0o644)));
    }
}
