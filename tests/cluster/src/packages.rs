//! The Debian packages that a node needs. Root has them installed on the first run; nothing that
//! they bring is started as a service.

use std::{env, fs, path::Path, process::Command};

use crate::{Error, Progress, command::output, layout, progress::step};

/// A file that tells that a package is there, and the package. A bare name is looked for on the
/// `PATH`.
const NEEDED: [(&str, &str); 8] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("unshare", "util-linux"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("mmdebstrap", "mmdebstrap"),
];

/// Package scripts ask this program whether they may start a service; 101 means no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing, or says what has to be installed.
pub(crate) fn provide(progress: &dyn Progress) -> Result<(), Error> {
    let missing = missing(is_installed);
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !is_installed("apt-get") {
        return Err(Error::PackagesMissing {
            packages: missing.join(" "),
        });
    }
    let name = format!("installing {} (once)", missing.join(", "));
    step(progress, &name, || install(&missing))
}

fn missing(installed: impl Fn(&str) -> bool) -> Vec<&'static str> {
    NEEDED
        .iter()
        .filter(|(probe, _)| !installed(probe))
        .map(|(_, package)| *package)
        .collect()
}

fn is_installed(probe: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(probe).exists())
}

fn install(packages: &[&str]) -> Result<(), Error> {
    let _no_service_starts = Policy::forbid()?;
    output(&mut apt(&["update", "-qq"]))?;
    output(apt(&["install", "-y", "-qq", "--no-install-recommends"]).args(packages)).map(drop)
}

fn apt(arguments: &[&str]) -> Command {
    let mut apt = Command::new("apt-get");
    apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    // Scripts that do not ask for the policy take the machine for one without services.
    apt.env("RUNLEVEL", "1");
    apt
}

/// While it lives, packages start no services. A policy that the machine has already is kept.
struct Policy {
    own: bool,
}

impl Policy {
    fn forbid() -> Result<Self, Error> {
        use std::os::unix::fs::PermissionsExt as _;
        if Path::new(POLICY).exists() {
            return Ok(Self { own: false });
        }
        layout::write(Path::new(POLICY), "#!/bin/sh\nexit 101\n")?;
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(POLICY, executable).map_err(Error::file("make executable", POLICY))?;
        Ok(Self { own: true })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.own {
            let _ = fs::remove_file(POLICY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        assert_eq!(
            missing(|probe| probe != "ip" && probe != "runc"),
            ["runc", "iproute2"]
        );
    }

    #[test]
    fn a_probe_may_be_a_name_or_a_path() {
        assert!(is_installed("sh") && is_installed("/bin/sh"));
        assert!(!is_installed("no-such-program"));
    }
}
