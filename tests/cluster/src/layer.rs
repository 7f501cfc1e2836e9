//! The files of an image and how they are written to a tar: sorted, with times at zero, all of
//! root, so that the same content gives the same bytes.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tar::{Builder, EntryType, Header};

use crate::Error;

/// The files of an image by their path, without a leading slash.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    entries: BTreeMap<PathBuf, Entry>,
}

/// One path of a layer.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Folder { mode: u32 },
    Bytes { mode: u32, content: Vec<u8> },
    Copy { mode: u32, source: PathBuf },
    Link { target: PathBuf },
}

impl Layer {
    /// Adds a folder.
    #[must_use]
    pub fn folder(self, path: impl Into<PathBuf>, mode: u32) -> Self {
        self.entry(path, Entry::Folder { mode })
    }

    /// Adds a file with this content.
    #[must_use]
    pub fn bytes(self, path: impl Into<PathBuf>, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        self.entry(
            path,
            Entry::Bytes {
                mode,
                content: content.into(),
            },
        )
    }

    /// Adds a file with the content that `source` has when the archive is written.
    #[must_use]
    pub fn copy(self, path: impl Into<PathBuf>, mode: u32, source: impl Into<PathBuf>) -> Self {
        self.entry(
            path,
            Entry::Copy {
                mode,
                source: source.into(),
            },
        )
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.entry(
            path,
            Entry::Link {
                target: target.into(),
            },
        )
    }

    /// Adds what lies below `root` and what `keep` wants; `keep` gets paths relative to `root`.
    /// A folder that is not kept is not entered. Devices and sockets are left out.
    ///
    /// # Errors
    /// [`Error::File`] if something below `root` cannot be read.
    pub fn tree(mut self, root: &Path, keep: &dyn Fn(&Path) -> bool) -> Result<Self, Error> {
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let absolute = root.join(&folder);
            for child in fs::read_dir(&absolute).map_err(Error::file("list", &absolute))? {
                let name = child.map_err(Error::file("list", &absolute))?.file_name();
                let path = folder.join(name);
                if !keep(&path) {
                    continue;
                }
                let Some(entry) = Entry::read(&root.join(&path))? else {
                    continue;
                };
                if matches!(entry, Entry::Folder { .. }) {
                    folders.push(path.clone());
                }
                self.entries.insert(path, entry);
            }
        }
        Ok(self)
    }

    fn entry(mut self, path: impl Into<PathBuf>, entry: Entry) -> Self {
        self.entries.insert(path.into(), entry);
        self
    }

    /// What lies at a path.
    #[cfg(test)]
    pub(crate) fn at(&self, path: &str) -> Option<&Entry> {
        self.entries.get(Path::new(path))
    }

    /// Writes the layer as a tar.
    pub(crate) fn write(&self, to: impl Write) -> io::Result<()> {
        let mut tar = Builder::new(to);
        for (path, entry) in &self.entries {
            entry.append(path, &mut tar)?;
        }
        tar.into_inner()?.flush()
    }
}

impl Entry {
    fn read(path: &Path) -> Result<Option<Self>, Error> {
        let metadata = fs::symlink_metadata(path).map_err(Error::file("read", path))?;
        let mode = metadata.permissions().mode() & 0o7777;
        let kind = metadata.file_type();
        Ok(if kind.is_dir() {
            Some(Self::Folder { mode })
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(Error::file("read", path))?;
            Some(Self::Link { target })
        } else if kind.is_file() {
            Some(Self::Copy {
                mode,
                source: path.to_owned(),
            })
        } else {
            None
        })
    }

    /// Writes the entry to a tar.
    pub(crate) fn append(&self, path: &Path, tar: &mut Builder<impl Write>) -> io::Result<()> {
        match self {
            Self::Folder { mode } => {
                let mut header = header(EntryType::Directory, *mode, 0);
                tar.append_data(&mut header, path, io::empty())
            }
            Self::Bytes { mode, content } => {
                let mut header = header(EntryType::Regular, *mode, content.len() as u64);
                tar.append_data(&mut header, path, content.as_slice())
            }
            Self::Copy { mode, source } => {
                let file = File::open(source)?;
                let mut header = header(EntryType::Regular, *mode, file.metadata()?.len());
                tar.append_data(&mut header, path, file)
            }
            Self::Link { target } => {
                let mut header = header(EntryType::Symlink, 0o777, 0);
                tar.append_link(&mut header, path, target)
            }
        }
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(archive: &Path) -> Vec<String> {
        let mut tar = tar::Archive::new(File::open(archive).unwrap());
        let entries = tar.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn a_tree_is_taken_without_what_is_not_kept() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["kept", "dropped"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("file"), "").unwrap();
        }
        let layer = Layer::default()
            .tree(root.path(), &|path| !path.starts_with("dropped"))
            .unwrap();
        let tar = root.path().join("layer.tar");
        layer.write(File::create(&tar).unwrap()).unwrap();
        assert_eq!(names(&tar), ["kept", "kept/file"]);
    }
}
