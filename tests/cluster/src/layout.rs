//! Where a cluster keeps its files: all below one state folder, and what clusters share below a
//! cache folder. No path is put together anywhere else.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{Error, command::output};

/// The files of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    state: PathBuf,
}

impl Layout {
    /// The layout below `state`, which becomes absolute.
    pub(crate) fn new(state: &Path) -> Result<Self, Error> {
        let state = std::path::absolute(state).map_err(Error::file("find", state))?;
        Ok(Self { state })
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Held while the cluster is started or ended.
    pub(crate) fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.state.join("cluster.json")
    }

    pub(crate) fn supervision(&self) -> PathBuf {
        self.state.join("supervisor.json")
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.state.join("audit.log")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    pub(crate) fn log(&self, component: &str) -> PathBuf {
        self.logs().join(format!("{component}.log"))
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.state.join("pki")
    }

    pub(crate) fn config(&self, file: &str) -> PathBuf {
        self.state.join("config").join(file)
    }

    /// What components write while they run; worthless after their end.
    pub(crate) fn run(&self, folder: &str) -> PathBuf {
        self.state.join("run").join(folder)
    }

    /// A component whose hold file exists is not restarted when it ends.
    pub(crate) fn hold(&self, component: &str) -> PathBuf {
        self.run("hold").join(component)
    }

    /// Where the process id of a component is written that ends with another process.
    pub(crate) fn leashed_pid(&self, component: &str) -> PathBuf {
        self.run("leash").join(component)
    }

    /// Images and snapshots: the one thing that outlives the cluster, so that no image is loaded twice.
    pub(crate) fn containerd(&self) -> PathBuf {
        self.state.join("containerd")
    }

    /// Which archives containerd has; lies in its root because it must vanish with it.
    pub(crate) fn loaded_images(&self) -> PathBuf {
        self.containerd().join("loaded-images.json")
    }

    /// Eight hexadecimal digits that name this cluster on this machine.
    pub(crate) fn id(&self) -> String {
        let digest = crate::digest::hex(self.state.as_os_str().as_encoded_bytes());
        digest.chars().take(8).collect()
    }

    /// Removes what is worthless once the cluster has ended. The records go last.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        let worthless = [
            self.state.join("run"),
            self.state.join("pki"),
            self.kubeconfig(),
        ];
        let records = [self.supervision(), self.record()];
        worthless
            .iter()
            .chain(&records)
            .try_for_each(|path| remove(path))
    }

    /// Removes what an earlier run left and makes the folders of the next one.
    pub(crate) fn renew(&self) -> Result<(), Error> {
        for folder in ["logs", "pki", "config", "run"] {
            remove(&self.state.join(folder))?;
            create(&self.state.join(folder))?;
        }
        for file in [self.audit_log(), self.kubeconfig(), self.supervision()] {
            remove(&file)?;
        }
        for folder in [
            "hold",
            "leash",
            "kubelet",
            "kubelet-pki",
            "pod-logs",
            "plugins",
            "cni",
        ] {
            create(&self.run(folder))?;
        }
        Ok(())
    }
}

/// What all clusters of a checkout share: compiled components and image archives. It lies in
/// `COTURN_CERT_CACHE`, else in the target folder.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            root: env::var_os(crate::CACHE_VARIABLE)
                .map_or_else(|| target().join("cluster"), PathBuf::from),
        }
    }

    pub(crate) fn components(&self, key: &str) -> PathBuf {
        self.root.join(format!("bin-{key}"))
    }

    pub(crate) fn image(&self, name: &str, key: &str) -> PathBuf {
        self.root.join("images").join(format!("{name}-{key}.tar"))
    }
}

/// The state folder of a cluster that was given none: `COTURN_CERT_CLUSTER`, else one in the
/// target folder.
pub fn default_state() -> PathBuf {
    env::var_os(crate::STATE_VARIABLE)
        .map_or_else(|| target().join("cluster").join("default"), PathBuf::from)
}

/// The workspace's target folder, wherever cargo's configuration puts it.
pub fn target() -> PathBuf {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET
        .get_or_init(|| {
            let package = Path::new(env!("CARGO_MANIFEST_DIR"));
            let workspace = package.ancestors().nth(2).unwrap_or(package);
            // Without cargo nobody can have told it to use another.
            configured_target(workspace).unwrap_or_else(|| workspace.join("target"))
        })
        .clone()
}

fn configured_target(workspace: &Path) -> Option<PathBuf> {
    let mut metadata = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = output(metadata.current_dir(workspace)).ok()?;
    let metadata: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(metadata["target_directory"].as_str()?.into())
}

/// Makes a folder and those above it.
pub(crate) fn create(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("make", folder))
}

/// Removes a file, or a folder with all it holds, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let outcome = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    outcome.map_err(Error::file("remove", path))
}

/// Writes a file.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    fs::write(path, content).map_err(Error::file("write", path))
}

/// Writes a file that others read meanwhile: they see the whole of the old or of the new content.
pub(crate) fn replace(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    let draft = path.with_extension("draft");
    write(&draft, content)?;
    fs::rename(&draft, path).map_err(Error::file("replace", path))
}

/// Waits for the lock file at `path` and holds it until the returned file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::file("make", path))?;
    file.lock().map_err(Error::file("lock", path))?;
    Ok(file)
}
