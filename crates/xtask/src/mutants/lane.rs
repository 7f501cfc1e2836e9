//! Where a mutant is built and tested: a copy of the tree, beside others.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::shell;

/// A copy of the tree, and where it is built.
pub struct Lane {
    /// Where mutants are applied.
    pub tree: PathBuf,
    /// Cargo's folder for it.
    pub target: PathBuf,
}

impl Lane {
    /// Starts with what is compiled below `built`.
    pub fn new(number: usize, built: &Path) -> anyhow::Result<Self> {
        let folder = shell::target().join("mutants");
        let lane = Self {
            tree: folder.join(format!("tree-{number}")),
            target: folder.join(format!("target-{number}")),
        };
        if lane.target.exists() {
            // An earlier run may have ended between a mutant's build and its way back: with new times
            // cargo compiles the tree's own crates again.
            copy_tree(&lane.tree, Times::New)?;
        } else {
            copy_compiled(&built.join("debug"), &lane.target.join("debug"))?;
            copy_tree(&lane.tree, Times::Kept)?;
        }
        Ok(lane)
    }
}

/// When a copied file was last written, by which cargo knows what is fresh.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    Kept,
    New,
}

/// What is compiled is compiled once: cargo takes it up by its own records.
fn copy_compiled(from: &Path, to: &Path) -> anyhow::Result<()> {
    // Programs and test binaries have no extension, and nothing depends on them.
    let is_library = |path: &Path| path.extension().is_some();
    copy_folder(&from.join("deps"), &to.join("deps"), is_library)?;
    for folder in ["build", ".fingerprint"] {
        copy_folder(&from.join(folder), &to.join(folder), |_| true)?;
    }
    Ok(())
}

/// Copies the files that are wanted.
fn copy_folder(from: &Path, to: &Path, wanted: fn(&Path) -> bool) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&source, &copy, wanted)?;
        } else if kind.is_file() && wanted(&source) {
            copy_file(&source, &copy, Times::Kept)?;
        }
    }
    Ok(())
}

/// Copies what git knows of the working tree.
fn copy_tree(copy: &Path, times: Times) -> anyhow::Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    let root = shell::root();
    let listed = shell::read(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(&root),
    )?;
    for file in listed.lines().filter(|file| root.join(file).is_file()) {
        let to = copy.join(file);
        fs::create_dir_all(to.parent().context("a file without a folder")?)?;
        copy_file(&root.join(file), &to, times)?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, times: Times) -> anyhow::Result<()> {
    let copied = || {
        fs::copy(from, to)?;
        if times == Times::Kept {
            fs::File::open(to)?.set_modified(fs::metadata(from)?.modified()?)?;
        }
        Ok::<_, io::Error>(())
    };
    copied().with_context(|| format!("cannot copy {}", from.display()))
}
