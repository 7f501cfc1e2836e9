//! A patch of tests/mutants: what it says of itself, and how a tree is changed by it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::shell;

/// A patch and what it says of itself.
pub struct Mutant {
    path: PathBuf,
    /// The patch's file name, without its extension.
    pub name: String,
    /// The number in the design's list.
    pub guarantee: String,
    /// Each a test command, by its arguments for cargo.
    pub runs: Vec<Vec<String>>,
    /// Whether CI applies it.
    pub quick: bool,
}

/// All of them, by name.
pub fn read_all() -> anyhow::Result<Vec<Mutant>> {
    let folder = shell::root().join("tests/mutants");
    let mut paths: Vec<_> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "patch")
    });
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> anyhow::Result<Mutant> {
    let text = fs::read_to_string(path)?;
    let headers = |key: &'static str| {
        let lines = text.lines().take_while(|line| line.starts_with('#'));
        lines.filter_map(move |line| line.strip_prefix(key))
    };
    let missing = |key: &str| format!("{} lacks a line `{key}`", path.display());
    let words = |command: &str| command.split_whitespace().map(str::to_owned).collect();
    let runs: Vec<_> = headers("# run: cargo ").map(words).collect();
    ensure!(!runs.is_empty(), missing("# run: cargo …"));
    Ok(Mutant {
        path: path.to_owned(),
        name: path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        guarantee: headers("# guarantee: ")
            .next()
            .with_context(|| missing("# guarantee: …"))?
            .to_owned(),
        runs,
        quick: headers("# quick").next().is_some(),
    })
}

impl Mutant {
    /// Changes the tree by the patch, and sees that it did.
    pub fn apply(&self, tree: &Path) -> anyhow::Result<()> {
        self.git_apply(tree, &[])
            .and_then(|()| self.git_apply(tree, &["--reverse", "--check"]))
            .with_context(|| format!("{} does not apply any more", self.name))
    }

    /// Changes the tree back.
    pub fn take_back(&self, tree: &Path) -> anyhow::Result<()> {
        self.git_apply(tree, &["--reverse"])
            .and_then(|()| self.git_apply(tree, &["--check"]))
            .with_context(|| format!("{} cannot be taken back", self.name))
    }

    fn git_apply(&self, tree: &Path, options: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new("git");
        command.args(["apply", "--whitespace=nowarn"]).args(options);
        command.arg(&self.path).current_dir(tree);
        // The copy lies in the repository's folder and is no part of it.
        command.env(
            "GIT_CEILING_DIRECTORIES",
            tree.parent().context("the copy lies in no folder")?,
        );
        command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
        shell::read(&mut command).map(drop)
    }
}
