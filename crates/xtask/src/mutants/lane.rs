//! Where a mutant is built and tested: a copy of the tree, beside others.

use std::{
    fs, io,
    os::unix::fs::symlink,
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
    /// One whose folder of builds is there goes on with it; a new one begins with what is compiled below
    /// `built`.
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
            // The tree after what is compiled: what is edited meanwhile is newer, and compiled again.
            copy_compiled(built, &lane.target)?;
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

/// Cargo's folders of what is compiled. Its records first: an older one than the library beside it has the
/// library compiled again, a newer one would not.
const COMPILED: [&str; 3] = [".fingerprint", "deps", "build"];

/// Libraries that hold in which folder they were compiled, by the beginning of their records. So do test
/// binaries and programs, which have no extension. What lacks its record or its file is compiled again.
const PLACED: [&str; 2] = ["cluster-", "e2e-"];

/// Whether a lane may go on with it.
fn is_of_any_place(folder: &str, path: &Path) -> bool {
    match folder {
        ".fingerprint" => !path.components().any(|part| {
            let name = part.as_os_str().to_string_lossy();
            PLACED.iter().any(|placed| name.starts_with(placed))
        }),
        "deps" => path.extension().is_some(),
        _ => true,
    }
}

/// What is compiled is compiled once: cargo takes it up by its own records.
fn copy_compiled(from: &Path, to: &Path) -> anyhow::Result<()> {
    eprintln!("copying what is compiled to {}", to.display());
    let draft = to.with_extension("draft");
    remove(&draft)?;
    fs::create_dir_all(&draft)?;
    let [from, into] = [from, &draft].map(|target| target.join("debug"));
    for folder in COMPILED {
        let source = from.join(folder);
        // Cargo's configuration may have it elsewhere.
        if source.exists() {
            copy_folder(&source, &into.join(folder), &|path| {
                is_of_any_place(folder, path.strip_prefix(&source).unwrap_or(path))
            })?;
        }
    }
    Ok(fs::rename(&draft, to)?)
}

/// Copies what is wanted, with its times.
fn copy_folder(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&source, &copy, wanted)?;
        } else if wanted(&source) && kind.is_symlink() {
            symlink(fs::read_link(&source)?, &copy)?;
        } else if wanted(&source) {
            copy_file(&source, &copy, Times::Kept)?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Copies what git knows of the working tree.
fn copy_tree(copy: &Path, times: Times) -> anyhow::Result<()> {
    remove(copy)?;
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "compiled").unwrap();
    }

    #[test]
    fn what_holds_its_place_is_left_to_be_compiled_again() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["target", "lane"].map(|name| folder.path().join(name));
        let kept = [
            ".fingerprint/tokio-1/lib-tokio",
            "deps/libtokio-1.rlib",
            "build/openssl-sys-1/out/lib.a",
        ];
        let left = [
            ".fingerprint/e2e-1/lib-e2e",
            ".fingerprint/cluster-1/lib-cluster",
            "deps/plan-1",
        ];
        for file in kept.iter().chain(&left) {
            write(&from.join("debug").join(file));
        }
        copy_compiled(&from, &to).unwrap();
        assert!(kept.iter().all(|file| to.join("debug").join(file).exists()));
        assert!(!left.iter().any(|file| to.join("debug").join(file).exists()));
    }

    #[test]
    fn half_a_copy_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["target", "lane"].map(|name| folder.path().join(name));
        write(&from.join("debug/.fingerprint/tokio-1/lib-tokio"));
        write(&from.join("debug/deps"));
        assert!(copy_compiled(&from, &to).is_err());
        assert!(!to.exists());
    }

    #[test]
    fn what_is_compiled_keeps_its_time_and_what_half_a_copy_left_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["target", "lane"].map(|name| folder.path().join(name));
        let library = from.join("debug/deps/libtokio-1.rlib");
        write(&library);
        let before = SystemTime::now() - Duration::from_hours(1);
        fs::File::open(&library)
            .unwrap()
            .set_modified(before)
            .unwrap();
        write(&to.with_extension("draft").join("debug/deps/half.rlib"));

        copy_compiled(&from, &to).unwrap();

        let copied = fs::metadata(to.join("debug/deps/libtokio-1.rlib")).unwrap();
        assert_eq!(copied.modified().unwrap(), before);
        assert!(!to.join("debug/deps/half.rlib").exists());
    }
}
