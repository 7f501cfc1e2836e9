//! The Debian packages that a node needs, and others that a caller names. Root has them installed
//! on the first run; nothing that they bring is started as a service.

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
/// What tells this crate's policy from one that the machine has for reasons of its own; the id of
/// the process that wrote it follows.
const MARK: &str = "# No service starts while coturn-cert-operator installs packages: process ";
/// How long another program that installs packages is waited for.
const LOCK_WAIT: &str = "DPkg::Lock::Timeout=120";

/// Installs what a node needs and is missing, or says what has to be installed.
pub(crate) fn provide(progress: &dyn Progress) -> Result<(), Error> {
    provide_missing(&missing(is_installed), progress)
}

/// Installs those of the Debian packages that are missing, or says what has to be installed.
///
/// # Errors
/// [`Error::PackagesMissing`] for a user who cannot install them, [`Error::Command`] if that fails.
pub fn provide_packages(packages: &[&str], progress: &dyn Progress) -> Result<(), Error> {
    let missing: Vec<_> = packages
        .iter()
        .copied()
        .filter(|package| !is_package(package))
        .collect();
    provide_missing(&missing, progress)
}

fn provide_missing(missing: &[&str], progress: &dyn Progress) -> Result<(), Error> {
    Policy::remove_abandoned(Path::new(POLICY));
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || !is_installed("apt-get") {
        return Err(Error::PackagesMissing {
            packages: missing.join(" "),
        });
    }
    let name = format!("installing {} (once)", missing.join(", "));
    step(progress, &name, || install(missing))
}

fn is_package(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    output(&mut query).is_ok_and(|status| status == "installed")
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
    apt.args(["--option", LOCK_WAIT]).args(arguments);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
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
        layout::write(Path::new(POLICY), Self::text(std::process::id()))?;
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(POLICY, executable).map_err(Error::file("make executable", POLICY))?;
        Ok(Self { own: true })
    }

    fn text(process: u32) -> String {
        format!("#!/bin/sh\n{MARK}{process}\nexit 101\n")
    }

    /// Removes what a run that was killed while it installed packages left behind; nothing else.
    fn remove_abandoned(path: &Path) {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        let Some(process) = lines.find_map(|line| line.strip_prefix(MARK)) else {
            return;
        };
        if !Path::new("/proc").join(process).exists() {
            // Whoever may not remove it may not install packages either.
            let _ = fs::remove_file(path);
        }
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

    #[test]
    fn only_an_abandoned_policy_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let removed = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Policy::remove_abandoned(&path);
            !path.exists()
        };

        assert!(removed("of-the-dead", &Policy::text(u32::MAX)));
        assert!(!removed("in-use", &Policy::text(std::process::id())));
        assert!(!removed("foreign", "#!/bin/sh\nexit 101\n"));
    }
}
