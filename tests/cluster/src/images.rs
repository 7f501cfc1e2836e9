//! The images that every cluster has: a pause container and coturn as Debian ships it, with the
//! tools that tests run inside its pods. Both are kept as docker-archives.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Error, Progress,
    command::output,
    digest,
    docker_archive::{Image, docker_archive},
    layer::Layer,
    layout::{self, Cache},
    progress::step,
};

/// The image of coturn: entrypoint `turnserver`, runs as any user, holds `sh`, `cat`, `openssl`,
/// `pkill` and the rest of busybox.
pub const COTURN_IMAGE: &str = "docker.io/local/coturn:dev";
/// The image that holds a pod's namespaces.
pub(crate) const PAUSE_IMAGE: &str = "docker.io/local/pause:dev";

/// What the image of coturn is made of; the rest of a Debian system is left out.
const PACKAGES: &str = "coturn,openssl,procps,busybox-static";
const PROGRAMS: [&str; 4] = ["openssl", "pgrep", "pkill", "ps"];
/// Tools of busybox that get a name of their own, so that `kubectl exec` finds them.
const TOOLS: [&str; 22] = [
    "awk", "cat", "cp", "date", "env", "grep", "head", "hostname", "id", "ip", "kill", "ls",
    "mkdir", "nc", "rm", "sed", "sh", "sleep", "tail", "test", "touch", "true",
];
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The archives of the images.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    pub(crate) pause: PathBuf,
    pub(crate) coturn: PathBuf,
}

impl Images {
    /// Finds the archives and builds them if the recipe in this file has changed.
    pub(crate) fn provide(progress: &dyn Progress) -> Result<Self, Error> {
        let key: String = digest::hex(include_bytes!("images.rs"))
            .chars()
            .take(12)
            .collect();
        let archive = |name| Cache::new().image(name, &key);
        let images = Self {
            pause: archive("pause"),
            coturn: archive("coturn"),
        };
        if !images.exist() {
            let _one_at_a_time = layout::lock(&images.folder()?.join("lock"))?;
            if !images.exist() {
                step(progress, "building the coturn image (once)", || {
                    images.build()
                })?;
            }
        }
        Ok(images)
    }

    fn exist(&self) -> bool {
        self.pause.exists() && self.coturn.exists()
    }

    fn folder(&self) -> Result<&Path, Error> {
        let folder = self.coturn.parent().unwrap_or(Path::new("."));
        layout::create(folder)?;
        Ok(folder)
    }

    /// Archives of earlier recipes are of no use to anybody.
    fn remove_others(&self) -> Result<(), Error> {
        let folder = self.folder()?;
        let children = fs::read_dir(folder).map_err(Error::file("list", folder))?;
        let mut others = children.flatten().map(|child| child.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("coturn-") || name.starts_with("pause-")
        });
        others.try_for_each(|path| layout::remove(&path))
    }

    fn build(&self) -> Result<(), Error> {
        self.remove_others()?;
        let root = Root::extract(&self.coturn.with_extension("root"))?;
        docker_archive(&pause(&root.folder), &self.pause)?;
        docker_archive(&coturn(&root.folder)?, &self.coturn)
    }
}

/// A folder with the files of Debian packages, removed in the end.
struct Root {
    folder: PathBuf,
}

impl Root {
    /// Unpacks the packages without running their scripts: nothing is installed, nothing started.
    fn extract(folder: &Path) -> Result<Self, Error> {
        layout::remove(folder)?;
        layout::create(folder)?;
        let root = Self {
            folder: folder.to_owned(),
        };
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap.args(["--mode=root", "--variant=extract", "--format=directory"]);
        mmdebstrap
            .arg(format!("--include={PACKAGES}"))
            .arg(suite()?)
            .arg(folder)
            .args(sources());
        output(&mut mmdebstrap)?;
        Ok(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// This machine's own release: its package sources and keys are at hand.
fn suite() -> Result<String, Error> {
    let path = "/etc/os-release";
    let release = fs::read_to_string(path).map_err(Error::file("read", path))?;
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.unwrap_or("stable").trim_matches('"').to_owned())
}

/// The files that name the distribution's own package sources on this machine.
fn sources() -> Vec<&'static str> {
    [
        "/etc/apt/sources.list.d/debian.sources",
        "/etc/apt/sources.list.d/ubuntu.sources",
        "/etc/apt/sources.list",
    ]
    .into_iter()
    .filter(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0))
    .take(1)
    .collect()
}

fn pause(root: &Path) -> Image {
    Image {
        tag: PAUSE_IMAGE.to_owned(),
        user: "65535:65535".to_owned(),
        entrypoint: ["/busybox", "sleep", "2147483647"]
            .map(str::to_owned)
            .to_vec(),
        layer: Layer::default().copy(
            "busybox",
            0o755,
            root.join(busybox_folder(root)).join("busybox"),
        ),
        ..Image::default()
    }
}

/// Where busybox lies: Debian 13 has all programs in `usr/bin`, earlier releases have some in `bin`.
fn busybox_folder(root: &Path) -> &'static str {
    if root.join("usr/bin/busybox").exists() {
        "usr/bin"
    } else {
        "bin"
    }
}

fn coturn(root: &Path) -> Result<Image, Error> {
    let mut layer = Layer::default().tree(root, &is_kept)?;
    for folder in ["bin", "lib", "lib64"] {
        // Where these are links, it is not the unpacked packages that bring them.
        if !root.join(folder).exists() && root.join("usr").join(folder).exists() {
            layer = layer.link(folder, format!("usr/{folder}"));
        }
    }
    let tools = busybox_folder(root);
    for tool in TOOLS {
        layer = layer.link(format!("{tools}/{tool}"), "busybox");
    }
    layer = layer
        .bytes(
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
        )
        .bytes("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n")
        .link("var/run", "/run");
    // Where coturn keeps its database, its process id and its log, as whatever user it runs.
    for folder in ["tmp", "run", "var/tmp", "var/log", "var/lib/turn"] {
        layer = layer.folder(folder, 0o1777);
    }
    Ok(Image {
        tag: COTURN_IMAGE.to_owned(),
        user: "65534:65534".to_owned(),
        entrypoint: vec!["turnserver".to_owned()],
        env: vec![PATH.to_owned()],
        layer,
        ..Image::default()
    })
}

/// Programs that are asked for and the libraries they need; no documentation, no package
/// management, no Perl.
fn is_kept(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["bin" | "lib" | "lib64" | "usr" | "etc" | "var"]
        | ["usr", "bin" | "lib"]
        | ["usr", "lib", _]
        | ["usr", "lib64", ..]
        | ["lib" | "lib64", ..]
        | ["etc", "ssl", ..]
        | ["bin", "busybox"]
        | ["usr", "bin", "busybox"] => true,
        ["usr", "lib", _, library, ..] => !library.starts_with("perl") && *library != "gconv",
        ["usr", "bin", program] => PROGRAMS.contains(program) || program.starts_with("turn"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::layer::Entry;

    #[rstest]
    #[case("usr/bin/turnserver", true)]
    #[case("usr/bin/openssl", true)]
    #[case("usr/bin/perl", false)]
    #[case("bin/busybox", true)]
    #[case("usr/bin/busybox", true)]
    #[case("bin/tar", false)]
    #[case("lib64/ld-linux-x86-64.so.2", true)]
    #[case("usr/lib64/ld-linux-x86-64.so.2", true)]
    #[case("usr/lib/x86_64-linux-gnu/libssl.so.3", true)]
    #[case("usr/lib/x86_64-linux-gnu/perl/5.36", false)]
    #[case("usr/share/doc", false)]
    #[case("etc/ssl/openssl.cnf", true)]
    #[case("etc/turnserver.conf", false)]
    fn the_image_holds_programs_and_libraries(#[case] path: &str, #[case] kept: bool) {
        assert_eq!(is_kept(Path::new(path)), kept);
    }

    /// The packages' files as Debian 12 unpacks them, and as Debian 13 does.
    #[rstest]
    #[case::apart(&["bin/busybox", "lib64/ld-linux-x86-64.so.2", "usr/bin/turnserver"], &[])]
    #[case::merged(
        &["usr/bin/busybox", "usr/lib64/ld-linux-x86-64.so.2", "usr/bin/turnserver"],
        &["bin", "lib64"]
    )]
    fn programs_find_their_loader_and_busybox_in_either_place(
        #[case] files: &[&str],
        #[case] links: &[&str],
    ) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }

        let layer = coturn(root.path()).unwrap().layer;
        for path in files.iter().chain(links) {
            assert!(layer.at(path).is_some(), "{path} is missing");
        }
        for folder in ["bin", "lib", "lib64"] {
            let is_link = matches!(layer.at(folder), Some(Entry::Link { .. }));
            assert_eq!(is_link, links.contains(&folder), "{folder}");
            // Whoever unpacks the layer may not have what the link leads to yet.
            let through = layer.at(&format!("{folder}/sh")).is_some();
            assert!(!(is_link && through), "{folder}");
        }
    }
}
