//! The cluster's control group, one in each mounted hierarchy. It names the cluster's processes
//! beyond doubt, whatever becomes of the records, and is the root that its pods see.

use std::{
    fs,
    os::unix,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_move, unmount},
    process::{Pid, Signal, kill_process},
};

use crate::{Error, layout, wait};

const MOUNTED: &str = "/sys/fs/cgroup";
const STAGING: &str = "/run/cgroup";
/// The group of the components themselves in a version 2 hierarchy, where a group with groups
/// below it must hold no process.
const COMPONENTS: &str = "components";

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    mounted: PathBuf,
    unified: bool,
}

impl Hierarchy {
    fn group(&self, id: &str) -> PathBuf {
        self.mounted.join(format!("coturn-cert-{id}"))
    }
}

/// Makes the cluster's groups and moves this process there.
pub(crate) fn enter(id: &str) -> Result<(), Error> {
    let hierarchies = mounted()?;
    if hierarchies.is_empty() {
        return Err(Error::NoCgroups);
    }
    for hierarchy in hierarchies {
        let group = hierarchy.group(id);
        delegate_controllers(&hierarchy.mounted);
        layout::create(&group)?;
        inherit_cpuset(&hierarchy.mounted, &group);
        layout::write(&group.join("cgroup.procs"), "0")?;
    }
    Ok(())
}

/// Replaces `/sys` and what is mounted there by the cluster's own view. Call it inside the new
/// mount, control group and network namespaces.
pub(crate) fn mount_own(id: &str) -> Result<(), Error> {
    let hierarchies = mounted()?;
    let staging = Path::new(STAGING);
    layout::create(staging)?;
    if hierarchies
        .iter()
        .all(|hierarchy| hierarchy.mounted != Path::new(MOUNTED))
    {
        tmpfs(staging)?;
        copy_links(Path::new(MOUNTED), staging)?;
    }
    for hierarchy in &hierarchies {
        let relative = hierarchy
            .mounted
            .strip_prefix(MOUNTED)
            .unwrap_or(Path::new(""));
        let target = staging.join(relative);
        layout::create(&target)?;
        mount_bind(hierarchy.group(id), &target).map_err(failed(&target))?;
    }
    unmount("/sys", UnmountFlags::DETACH).map_err(|source| failed(Path::new("/sys"))(source))?;
    mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None)
        .map_err(failed(Path::new("/sys")))?;
    mount_move(STAGING, MOUNTED).map_err(failed(Path::new(MOUNTED)))?;
    hierarchies
        .iter()
        .filter(|hierarchy| hierarchy.unified)
        .try_for_each(|hierarchy| {
            let group = hierarchy.mounted.join(COMPONENTS);
            layout::create(&group)?;
            layout::write(&group.join("cgroup.procs"), "0")?;
            delegate_controllers(&hierarchy.mounted);
            Ok(())
        })
}

/// Ends every process in the cluster's groups and removes them.
pub(crate) fn remove(id: &str, log: &Path) -> Result<(), Error> {
    for hierarchy in mounted()? {
        let group = hierarchy.group(id);
        let gone = format!("the end of the control group {}", group.display());
        wait::until(&gone, Duration::from_secs(20), log, || {
            kill_members(&group);
            remove_tree(&group);
            Ok((!group.exists()).then_some(()))
        })?;
    }
    Ok(())
}

/// Whether the cluster has a control group.
pub(crate) fn exists(id: &str) -> Result<bool, Error> {
    Ok(mounted()?
        .iter()
        .any(|hierarchy| hierarchy.group(id).exists()))
}

fn mounted() -> Result<Vec<Hierarchy>, Error> {
    let path = "/proc/self/mounts";
    Ok(hierarchies(
        &fs::read_to_string(path).map_err(Error::file("read", path))?,
    ))
}

fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (mounted, kind) = (PathBuf::from(fields.next()?), fields.next()?);
            let known = matches!(kind, "cgroup" | "cgroup2") && mounted.starts_with(MOUNTED);
            known.then(|| Hierarchy {
                mounted,
                unified: kind == "cgroup2",
            })
        })
        .collect()
}

/// Lets groups below this one use its controllers. Version 1 has no such file, and some machines
/// delegate less than all; then pods do without limits.
fn delegate_controllers(group: &Path) {
    let Ok(controllers) = fs::read_to_string(group.join("cgroup.controllers")) else {
        return;
    };
    for controller in controllers.split_whitespace() {
        let _ = fs::write(
            group.join("cgroup.subtree_control"),
            format!("+{controller}"),
        );
    }
}

/// A version 1 cpuset group takes no process before it has processors and memory.
fn inherit_cpuset(from: &Path, to: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read(from.join(file)) {
            let _ = fs::write(to.join(file), value);
        }
    }
}

fn tmpfs(target: &Path) -> Result<(), Error> {
    mount("tmpfs", target, "tmpfs", MountFlags::empty(), None).map_err(failed(target))
}

/// Joined controllers have links under their single names.
fn copy_links(from: &Path, to: &Path) -> Result<(), Error> {
    for child in fs::read_dir(from)
        .map_err(Error::file("list", from))?
        .flatten()
    {
        if let Ok(target) = fs::read_link(child.path()) {
            let link = to.join(child.file_name());
            unix::fs::symlink(target, &link).map_err(Error::file("make", &link))?;
        }
    }
    Ok(())
}

fn failed(target: &Path) -> impl FnOnce(rustix::io::Errno) -> Error {
    let target = target.to_owned();
    move |source| Error::Mount {
        target,
        source: source.into(),
    }
}

fn kill_members(group: &Path) {
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in members
        .lines()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
    {
        let _ = kill_process(pid, Signal::KILL);
    }
    for child in groups_below(group) {
        kill_members(&child);
    }
}

/// Groups still in use stay; the next try may find them empty.
fn remove_tree(group: &Path) {
    for child in groups_below(group) {
        remove_tree(&child);
    }
    let _ = fs::remove_dir(group);
}

fn groups_below(group: &Path) -> Vec<PathBuf> {
    let children = fs::read_dir(group).into_iter().flatten().flatten();
    children
        .map(|child| child.path())
        .filter(|path| path.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let mounts = "\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup /elsewhere/cpu cgroup rw,relatime,cpu 0 0
";
        let of = |path: &str, unified| Hierarchy {
            mounted: path.into(),
            unified,
        };
        let expected = [
            of("/sys/fs/cgroup/cpu,cpuacct", false),
            of("/sys/fs/cgroup/unified", true),
        ];
        assert_eq!(hierarchies(mounts), expected);
    }
}
