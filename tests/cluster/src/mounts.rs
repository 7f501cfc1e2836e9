//! The cluster's own view of the file system. Programs that insist on fixed paths find private
//! folders there, so nothing of theirs reaches this machine's.

use std::{fs, path::Path};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};

use crate::{Error, cgroup, layout, layout::Layout};

/// Folders that the cluster covers; a state folder below one of them would vanish.
pub(crate) const COVERED: [&str; 4] = ["/run", "/var/run", "/var/log", "/var/lib"];

/// Kernel settings that the kubelet insists on. It reads them from here and leaves the machine's
/// alone.
const TUNABLES: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Lays the private mounts. Call it inside the new namespaces, in a process that is the first of
/// its process namespace.
pub(crate) fn lay(layout: &Layout) -> Result<(), Error> {
    special("proc", "/proc", None)?;
    // Sockets of containerd and of the proxy's lock, which two clusters must not share.
    special("tmpfs", "/run", Some("mode=755"))?;
    // The kubelet links container logs here.
    special("tmpfs", "/var/log", Some("mode=755"))?;
    cover_var_lib(layout)?;
    cgroup::mount_own(&layout.id())?;
    for (name, value) in TUNABLES {
        pin(layout, name, value)?;
    }
    // Containers may ask to see mounts that are made after their start.
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    mount_change("/", shared).map_err(|source| failed("/", source))?;
    let hostname = "/proc/sys/kernel/hostname";
    layout::write(Path::new(hostname), crate::node::NODE)
}

/// The kubelet's device plugins and the CNI's cache have fixed places below `/var/lib`.
fn cover_var_lib(layout: &Layout) -> Result<(), Error> {
    let (upper, work) = (
        layout.run("overlay").join("upper"),
        layout.run("overlay").join("work"),
    );
    layout::create(&upper)?;
    layout::create(&work)?;
    let options = format!(
        "lowerdir=/var/lib,upperdir={},workdir={}",
        upper.display(),
        work.display()
    );
    special("overlay", "/var/lib", Some(&options))
}

fn special(kind: &str, target: &str, options: Option<&str>) -> Result<(), Error> {
    let options = options
        .map(std::ffi::CString::new)
        .transpose()
        .unwrap_or_default();
    mount(kind, target, kind, MountFlags::empty(), options.as_deref())
        .map_err(|source| failed(target, source))
}

fn pin(layout: &Layout, name: &str, value: &str) -> Result<(), Error> {
    let setting = Path::new("/proc/sys").join(name);
    if !fs::exists(&setting).unwrap_or(false) {
        return Ok(());
    }
    let file = layout.run("overlay").join(name.replace('/', "."));
    layout::write(&file, value)?;
    mount_bind(&file, &setting).map_err(|source| failed(&setting.to_string_lossy(), source))
}

fn failed(target: &str, source: rustix::io::Errno) -> Error {
    Error::Mount {
        target: target.into(),
        source: source.into(),
    }
}
