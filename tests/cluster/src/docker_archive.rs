//! Writes images without a daemon: a docker-archive with one layer.
//!
//! The same content gives the same bytes, whoever builds it and when: entries are sorted, times
//! are zero and everything belongs to root.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::Builder;

use crate::{
    Error, digest,
    layer::{Entry, Layer},
    layout,
};

/// An image: how it is called, how it is run and what it holds.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// The full name, such as `docker.io/local/coturn:dev`.
    pub tag: String,
    /// `uid:gid` that the entrypoint runs as; empty for root.
    pub user: String,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Environment variables as `NAME=value`.
    pub env: Vec<String>,
    /// Where the entrypoint starts; empty for the root folder.
    pub working_dir: String,
    /// The files.
    pub layer: Layer,
}

/// Counts into a digest what passes through to a file.
struct Hashed<W> {
    inner: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes `image` as a docker-archive to `archive`, whole or not at all.
///
/// # Errors
/// [`Error::File`] if a source cannot be read or the archive not be written.
pub fn docker_archive(image: &Image, archive: &Path) -> Result<(), Error> {
    if let Some(folder) = archive.parent() {
        layout::create(folder)?;
    }
    let layer = beside(archive, "layer");
    let draft = beside(archive, "archive");
    let outcome = write_layer(&image.layer, &layer)
        .and_then(|digest| write_archive(image, &digest, &layer, &draft))
        .and_then(|()| fs::rename(&draft, archive));
    // Whether it went well or not, nothing half-written stays.
    let _ = fs::remove_file(&layer);
    let _ = fs::remove_file(&draft);
    outcome.map_err(Error::file("write", archive))
}

/// A file that whoever named the archive has not: it is written over, and removed in the end.
fn beside(archive: &Path, part: &str) -> PathBuf {
    let mut name = archive.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{part}-draft-of-process-{}", std::process::id()));
    archive.with_file_name(name)
}

fn write_layer(layer: &Layer, to: &Path) -> io::Result<String> {
    let file = BufWriter::new(File::create(to)?);
    let mut hashed = Hashed {
        inner: file,
        hasher: Sha256::new(),
    };
    layer.write(&mut hashed)?;
    Ok(digest::hex_of(hashed.hasher))
}

fn write_archive(image: &Image, digest: &str, layer: &Path, to: &Path) -> io::Result<()> {
    let config = config(image, digest).to_string();
    let config_name = format!("{}.json", digest::hex(config.as_bytes()));
    let layer_name = format!("{digest}.tar");
    let manifest = json!([{
        "Config": config_name,
        "RepoTags": [image.tag],
        "Layers": [layer_name],
    }]);
    let mut tar = Builder::new(BufWriter::new(File::create(to)?));
    let bytes = |content: String| Entry::Bytes {
        mode: 0o644,
        content: content.into_bytes(),
    };
    bytes(manifest.to_string()).append(Path::new("manifest.json"), &mut tar)?;
    bytes(config).append(Path::new(&config_name), &mut tar)?;
    let copy = Entry::Copy {
        mode: 0o644,
        source: layer.to_owned(),
    };
    copy.append(Path::new(&layer_name), &mut tar)?;
    tar.into_inner()?.flush()
}

/// The image configuration (OCI image specification, `config.md`).
fn config(image: &Image, layer: &str) -> serde_json::Value {
    json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": image.user,
            "Entrypoint": image.entrypoint,
            "Env": image.env,
            "WorkingDir": image.working_dir,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        "history": [{"created": "1970-01-01T00:00:00Z"}],
    })
}

/// This machine's architecture in the words of image configurations.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What an archive says it holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The names of its images.
    pub(crate) tags: Vec<String>,
    /// Changes whenever an image changes.
    pub(crate) identity: String,
}

#[derive(Deserialize)]
struct ManifestEntry {
    #[serde(rename = "RepoTags", default)]
    tags: Option<Vec<String>>,
}

/// Reads the manifest of a docker-archive.
pub(crate) fn contents(archive: &Path) -> Result<Contents, Error> {
    let manifest = read_manifest(archive).map_err(Error::file("read", archive))?;
    let broken = |reason: String| Error::Archive {
        path: archive.to_owned(),
        reason,
    };
    let manifest = manifest.ok_or_else(|| broken("it has no manifest.json".to_owned()))?;
    let images: Vec<ManifestEntry> =
        serde_json::from_slice(&manifest).map_err(|error| broken(error.to_string()))?;
    let tags: Vec<String> = images
        .into_iter()
        .flat_map(|image| image.tags.unwrap_or_default())
        .collect();
    if tags.is_empty() {
        return Err(broken("its image has no name".to_owned()));
    }
    // The manifest names the configuration by its digest, which names the layers by theirs.
    Ok(Contents {
        tags,
        identity: digest::hex(&manifest),
    })
}

fn read_manifest(archive: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut tar = tar::Archive::new(File::open(archive)?);
    for entry in tar.entries_with_seek()? {
        let mut entry = entry?;
        if entry.path()? == Path::new("manifest.json") {
            let mut content = Vec::new();
            io::copy(&mut entry, &mut content)?;
            return Ok(Some(content));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(layer: Layer) -> Image {
        Image {
            tag: "docker.io/local/thing:dev".to_owned(),
            layer,
            ..Image::default()
        }
    }

    fn written(image: &Image) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("image.tar");
        docker_archive(image, &archive).unwrap();
        (folder, archive)
    }

    #[test]
    fn the_order_in_which_files_are_added_does_not_matter() {
        let forth = Layer::default()
            .bytes("a", 0o644, "1")
            .folder("b", 0o755)
            .link("c", "a");
        let back = Layer::default()
            .link("c", "a")
            .folder("b", 0o755)
            .bytes("a", 0o644, "1");
        let ((_one, one), (_two, two)) = (written(&image(forth)), written(&image(back)));
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
    }

    #[test]
    fn a_changed_file_changes_the_identity() {
        let (_one, one) = written(&image(Layer::default().bytes("a", 0o644, "1")));
        let (_two, two) = written(&image(Layer::default().bytes("a", 0o644, "2")));
        assert_ne!(
            contents(&one).unwrap().identity,
            contents(&two).unwrap().identity
        );
    }

    #[test]
    fn an_archive_tells_its_name_and_leaves_no_draft() {
        let (folder, archive) = written(&image(Layer::default().bytes("a", 0o644, "1")));
        assert_eq!(
            contents(&archive).unwrap().tags,
            ["docker.io/local/thing:dev"]
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_of_similar_names_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let others = ["image.layer", "image.draft", "image.tar.layer"];
        for other in others {
            fs::write(folder.path().join(other), "theirs").unwrap();
        }

        let image = image(Layer::default().bytes("a", 0o644, "1"));
        docker_archive(&image, &folder.path().join("image.tar")).unwrap();

        for other in others {
            let content = fs::read_to_string(folder.path().join(other)).unwrap();
            assert_eq!(content, "theirs", "{other}");
        }
    }

    #[test]
    fn a_tar_without_a_manifest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tar = folder.path().join("other.tar");
        let layer = Layer::default().bytes("a", 0o644, "");
        layer.write(File::create(&tar).unwrap()).unwrap();
        assert!(
            contents(&tar)
                .unwrap_err()
                .to_string()
                .contains("no manifest.json")
        );
    }
}
