//! The programs a cluster consists of: compiled once from the pinned Go module beside this crate
//! and kept until its pins change.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, NodeMode, Progress,
    command::output,
    digest,
    layout::{self, Cache},
    progress::step,
};

/// A program and the Go package it is compiled from.
#[derive(Debug, Clone, Copy)]
struct Component {
    name: &'static str,
    package: &'static str,
    /// Whether only clusters with a node need it.
    node: bool,
}

/// The folder of the Go module that pins them, beside this crate's sources.
const MODULE: &str = "components";

const COMPONENTS: [Component; 9] = [
    Component {
        name: "etcd",
        package: "go.etcd.io/etcd/server/v3",
        node: false,
    },
    Component {
        name: "kube-apiserver",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        node: false,
    },
    Component {
        name: "kube-controller-manager",
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        node: false,
    },
    Component {
        name: "kubectl",
        package: "k8s.io/kubernetes/cmd/kubectl",
        node: false,
    },
    Component {
        name: "helm",
        package: "helm.sh/helm/v3/cmd/helm",
        node: false,
    },
    // Helm 3 is not `helm4`: each is called by a name of its own.
    Component {
        name: "helm4",
        package: "helm.sh/helm/v4/cmd/helm",
        node: true,
    },
    Component {
        name: "kube-scheduler",
        package: "k8s.io/kubernetes/cmd/kube-scheduler",
        node: true,
    },
    Component {
        name: "kubelet",
        package: "k8s.io/kubernetes/cmd/kubelet",
        node: true,
    },
    Component {
        name: "kube-proxy",
        package: "k8s.io/kubernetes/cmd/kube-proxy",
        node: true,
    },
];

/// Nobody debugs these programs: what a debugger reads is left out by the linker, and takes a fifth of
/// the compiler's time.
const COMPILER_FLAGS: &str = "-gcflags=all=-dwarf=false";

/// Where the programs are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Binaries(BTreeMap<String, PathBuf>);

impl Binaries {
    /// The program's path. A program that this kind of cluster does not have is looked for on the
    /// `PATH`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0
            .get(name)
            .cloned()
            .unwrap_or_else(|| PathBuf::from(name))
    }

    /// Finds the programs that `mode` needs and compiles those that are missing.
    pub(crate) fn provide(mode: NodeMode, progress: &dyn Progress) -> Result<Self, Error> {
        let wanted: Vec<_> = COMPONENTS
            .iter()
            .filter(|component| mode == NodeMode::Real || !component.node)
            .collect();
        Ok(Self(Module::read()?.provide(&wanted, progress)?))
    }
}

fn find(component: &Component, folders: &[PathBuf]) -> Option<PathBuf> {
    let mut paths = folders.iter().map(|folder| folder.join(component.name));
    paths.find(|path| path.is_file())
}

/// `KUBEBUILDER_ASSETS` is where Kubernetes developers keep etcd and the API server, of whatever
/// version they work with: it is used if that is the pinned one.
fn assets(module: &Module, progress: &dyn Progress) -> Option<PathBuf> {
    let pinned = kubernetes_version(&module.requirements)?;
    let folder = PathBuf::from(env::var_os("KUBEBUILDER_ASSETS")?);
    let found = output(Command::new(folder.join("kube-apiserver")).arg("--version"));
    let found = found.map_or_else(|error| error.to_string(), |text| text.trim().to_owned());
    if is_of_minor(&found, pinned) {
        return Some(folder);
    }
    progress.note(&format!(
        "KUBEBUILDER_ASSETS is not used: its kube-apiserver is not of the minor version of {pinned}: {found}"
    ));
    None
}

/// Whether what `kube-apiserver --version` says, as `Kubernetes v1.36.0`, is of the minor version
/// of `pinned`, as `v1.36.3`.
fn is_of_minor(told: &str, pinned: &str) -> bool {
    let minor = |version: &str| -> Option<(String, String)> {
        let mut numbers = version.strip_prefix('v')?.split('.');
        Some((numbers.next()?.to_owned(), numbers.next()?.to_owned()))
    };
    let told = told.strip_prefix("Kubernetes ").and_then(minor);
    told.is_some() && told == minor(pinned)
}

/// The Go module that pins the components.
struct Module {
    folder: PathBuf,
    requirements: String,
    sums: String,
}

impl Module {
    fn read() -> Result<Self, Error> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(MODULE);
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(Error::file("read", path))
        };
        let (requirements, sums) = (read("go.mod")?, read("go.sum")?);
        Ok(Self {
            folder,
            requirements,
            sums,
        })
    }

    /// The paths of the components, by name; those that are missing are compiled.
    fn provide(
        &self,
        wanted: &[&Component],
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, PathBuf>, Error> {
        let folder = Cache::new().components(&self.key());
        let folders: Vec<PathBuf> = assets(self, progress)
            .into_iter()
            .chain([folder.clone()])
            .collect();
        let (found, missing): (Vec<_>, Vec<_>) = wanted
            .iter()
            .map(|component| (**component, find(component, &folders)))
            .partition(|(_, path)| path.is_some());
        let missing: Vec<_> = missing
            .into_iter()
            .map(|(component, _)| component)
            .collect();
        let compiled = self.compile(&missing, &folder, progress)?;
        let named = |component: Component, path| (component.name.to_owned(), path);
        let found = found
            .into_iter()
            .filter_map(|(component, path)| Some(named(component, path?)));
        let compiled = missing.iter().copied().zip(compiled);
        Ok(found
            .chain(compiled.map(|(component, path)| named(component, path)))
            .collect())
    }

    /// Changes with every pin and every flag.
    fn key(&self) -> String {
        let flags = [COMPILER_FLAGS, &self.linker_flags()].concat();
        let material = [&*self.requirements, &self.sums, &flags].concat();
        digest::hex(material.as_bytes()).chars().take(16).collect()
    }

    /// Without these the API server says it is v0.0.0 and clients misbehave.
    fn linker_flags(&self) -> String {
        let version = kubernetes_version(&self.requirements).unwrap_or("v0.0.0");
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
        let set = "-X k8s.io/component-base/version";
        format!("-s -w {set}.gitVersion={version} {set}.gitMajor={major} {set}.gitMinor={minor}")
    }

    fn compile(
        &self,
        components: &[Component],
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Vec<PathBuf>, Error> {
        if components.is_empty() {
            return Ok(Vec::new());
        }
        if output(Command::new("go").arg("version")).is_err() {
            let names: Vec<_> = components.iter().map(|component| component.name).collect();
            return Err(Error::GoMissing {
                components: names.join(", "),
            });
        }
        layout::create(folder)?;
        let _one_at_a_time = layout::lock(&folder.join("lock"))?;
        components
            .iter()
            .map(|component| {
                let path = folder.join(component.name);
                if !path.is_file() {
                    let name = format!("compiling {} (once)", component.name);
                    step(progress, &name, || self.build(component, &path))?;
                }
                Ok(path)
            })
            .collect()
    }

    fn build(&self, component: &Component, path: &Path) -> Result<(), Error> {
        let draft = path.with_extension("draft");
        let mut go = Command::new("go");
        go.current_dir(&self.folder)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .args([
                "build",
                "-mod=readonly",
                "-buildvcs=false",
                "-trimpath",
                COMPILER_FLAGS,
                "-ldflags",
            ])
            .arg(self.linker_flags())
            .arg("-o")
            .arg(&draft)
            .arg(component.package);
        output(&mut go)?;
        fs::rename(&draft, path).map_err(Error::file("write", path))
    }
}

fn kubernetes_version(requirements: &str) -> Option<&str> {
    let mut lines = requirements.lines().map(str::split_whitespace);
    lines.find_map(|mut words| (words.next() == Some("k8s.io/kubernetes")).then(|| words.next())?)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_server_reports_the_pinned_version() {
        let flags = Module::read().unwrap().linker_flags();
        assert!(
            flags.contains(".gitVersion=v1.") && flags.contains(".gitMajor=1 "),
            "{flags}"
        );
    }

    #[rstest]
    #[case("Kubernetes v1.36.3", true)]
    #[case("Kubernetes v1.36.0-rc.1", true)]
    #[case("Kubernetes v1.35.4", false)]
    #[case("Kubernetes v1.3.6", false)]
    #[case("Kubernetes v0.0.0", false)]
    #[case("cannot run kube-apiserver", false)]
    #[case("", false)]
    fn programs_of_the_pinned_minor_version_are_taken(#[case] told: &str, #[case] taken: bool) {
        assert_eq!(is_of_minor(told, "v1.36.3"), taken);
    }

    #[test]
    fn every_component_is_a_tool_of_the_module() {
        let module = Module::read().unwrap();
        let mut words = module.requirements.split_whitespace();
        for component in COMPONENTS {
            let is_pinned = words.clone().any(|word| word == component.package);
            assert!(is_pinned, "{} is not pinned", component.name);
        }
        assert!(words.any(|word| word == "tool"));
    }
}
