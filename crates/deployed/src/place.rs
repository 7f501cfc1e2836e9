//! Where a path of a container lies: in which volume, under which key, with which mode and owner.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, Container, KeyToPath, PodSpec, SecretProjection,
    SecretVolumeSource, Volume, VolumeMount,
};

use crate::{Origin, expanded};

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
    /// In a projected volume, in whichever of its sources has it.
    Projected(Projected),
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

/// A file of a projected volume, of which the specification does not say what has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projected {
    /// The volume.
    pub volume: String,
    /// What may have it. Of several that do, the last one counts.
    pub candidates: Vec<Origin>,
    /// Whether nothing else may have it: no source of another kind.
    pub is_all: bool,
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
    /// Whether the pod starts without the object: its files are missing then.
    pub is_optional: bool,
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
    let added = fs_group(pod).map_or(0, |_| FS_GROUP_MODE);
    let is_frozen = sub_path(container, mount).is_some();
    // A variable whose value is not known here stands for the rest.
    if within.contains("$(") {
        return Place::Volume(volume.name.clone());
    }
    let sources = sources(volume);
    let mut origins: Vec<_> = sources
        .iter()
        .filter_map(|source| Some(source.origin(source.key(&within)?, added, is_frozen)))
        .collect();
    let has_others = has_others(volume);
    let is_one = origins.len() == 1 && !has_others;
    match origins.pop() {
        Some(origin) if is_one => origin.into(),
        Some(origin) => Place::Projected(Projected {
            volume: volume.name.clone(),
            candidates: origins.into_iter().chain([origin]).collect(),
            is_all: !has_others,
        }),
        None if sources.is_empty() || has_others => Place::Volume(volume.name.clone()),
        None => Place::LeftOut {
            volume: volume.name.clone(),
            paths: sources.iter().flat_map(Source::paths).collect(),
        },
    }
}

impl From<Origin> for Place {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Secret(entry) => Self::Secret(entry),
            Origin::ConfigMap(entry) => Self::ConfigMap(entry),
        }
    }
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
        let sub_path = sub_path(container, mount);
        is_within.then(|| (mount, within(sub_path, rest.trim_start_matches('/'))))
    };
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .filter_map(covered)
        .max_by_key(|(mount, _)| mount.mount_path.trim_end_matches('/').len())
}

/// The part of a volume that is mounted alone: `subPath`, or `subPathExpr` with what is known of its
/// variables.
fn sub_path(container: &Container, mount: &VolumeMount) -> Option<String> {
    let expression = mount.sub_path_expr.as_slice();
    let expanded = expanded(container, expression).pop();
    mount.sub_path.clone().or(expanded)
}

/// The path by which another container has a file of a volume that both mount.
pub(crate) fn counterpart(container: &Container, path: &str, other: &Container) -> Option<String> {
    let (mount, within) = mount_of(container, path)?;
    let mut mounts = other.volume_mounts.iter().flatten();
    mounts.find_map(|it| {
        let root = it.mount_path.trim_end_matches('/');
        let path = match sub_path(other, it) {
            None => format!("{root}/{within}"),
            Some(sub_path) if sub_path == within => root.to_owned(),
            Some(sub_path) => format!("{root}/{}", within.strip_prefix(&(sub_path + "/"))?),
        };
        (it.name == mount.name).then_some(path)
    })
}

fn within(sub_path: Option<String>, rest: &str) -> String {
    match sub_path {
        None => rest.to_owned(),
        Some(sub_path) if rest.is_empty() => sub_path,
        Some(sub_path) => format!("{sub_path}/{rest}"),
    }
}

/// Whether other sources than Secrets and ConfigMaps are projected into a volume.
fn has_others(volume: &Volume) -> bool {
    let projected = volume.projected.iter();
    let mut sources = projected.flat_map(|projected| projected.sources.iter().flatten());
    sources.any(|source| source.secret.is_none() && source.config_map.is_none())
}

/// An object whose data a volume shows as files.
struct Source<'a> {
    kind: Kind,
    object: String,
    items: Option<&'a [KeyToPath]>,
    mode: Option<i32>,
    is_optional: bool,
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

    fn origin(&self, (key, mode): (String, Option<i32>), added: i32, is_frozen: bool) -> Origin {
        let entry = Entry {
            object: self.object.clone(),
            key,
            mode: mode.or(self.mode).unwrap_or(DEFAULT_MODE) | added,
            is_frozen,
            is_optional: self.is_optional,
        };
        match self.kind {
            Kind::Secret => Origin::Secret(entry),
            Kind::ConfigMap => Origin::ConfigMap(entry),
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
        is_optional: source.optional == Some(true),
    }
}

fn of_config_map(source: &ConfigMapVolumeSource) -> Source<'_> {
    Source {
        kind: Kind::ConfigMap,
        object: source.name.clone(),
        items: source.items.as_deref(),
        mode: source.default_mode,
        is_optional: source.optional == Some(true),
    }
}

fn projected_secret(source: &SecretProjection) -> Source<'_> {
    Source {
        kind: Kind::Secret,
        object: source.name.clone(),
        items: source.items.as_deref(),
        mode: None,
        is_optional: source.optional == Some(true),
    }
}

fn projected_config_map(source: &ConfigMapProjection) -> Source<'_> {
    Source {
        kind: Kind::ConfigMap,
        object: source.name.clone(),
        items: source.items.as_deref(),
        mode: None,
        is_optional: source.optional == Some(true),
    }
}

#[cfg(test)]
mod tests;
