//! `cargo xtask mutants`: each patch of tests/mutants breaks a guarantee; the tests must notice.
//!
//! A patch begins with lines that tell what it breaks and which test goes red:
//! `# guarantee: 3`, `# run: cargo test … `, and `# quick` if CI applies it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, bail};

use crate::shell;

/// Options of `cargo xtask mutants`.
#[derive(clap::Args)]
pub struct Options {
    /// Only mutants whose file name contains this.
    filter: Option<String>,
    /// Only the quick set.
    #[arg(long)]
    quick: bool,
}

/// A patch and what it says of itself.
struct Mutant {
    path: PathBuf,
    name: String,
    guarantee: String,
    arguments: Vec<String>,
    quick: bool,
}

/// Runs the mutants that CI runs.
pub fn quick() -> anyhow::Result<()> {
    run(&Options {
        filter: None,
        quick: true,
    })
}

/// Runs the selected mutants; fails if one survives.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let mutants: Vec<_> = read_all()?
        .into_iter()
        .filter(|mutant| !options.quick || mutant.quick)
        .filter(|mutant| {
            options
                .filter
                .as_ref()
                .is_none_or(|part| mutant.name.contains(part))
        })
        .collect();
    if mutants.is_empty() {
        bail!("no mutant matches");
    }
    let copy = copy_of_the_tree()?;
    let mut survivors = Vec::new();
    for mutant in &mutants {
        let started = Instant::now();
        let caught_by = try_one(mutant, &copy)?;
        let seconds = started.elapsed().as_secs_f64();
        let told = format!(
            "{} (guarantee {}, {seconds:.0} s)",
            mutant.name, mutant.guarantee
        );
        if let Some(tests) = caught_by {
            eprintln!("caught   {told}: {tests}");
        } else {
            eprintln!("SURVIVED {told}");
            survivors.push(mutant.name.clone());
        }
    }
    if !survivors.is_empty() {
        bail!("no test noticed: {}", survivors.join(", "));
    }
    eprintln!("all {} mutants were caught", mutants.len());
    Ok(())
}

fn read_all() -> anyhow::Result<Vec<Mutant>> {
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
    let header = |key: &str| {
        text.lines()
            .take_while(|line| line.starts_with('#'))
            .find_map(|line| line.strip_prefix(key))
    };
    let missing = |key: &str| format!("{} lacks a line `{key}`", path.display());
    let command = header("# run: cargo ").with_context(|| missing("# run: cargo …"))?;
    Ok(Mutant {
        path: path.to_owned(),
        name: path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        guarantee: header("# guarantee: ")
            .with_context(|| missing("# guarantee: …"))?
            .to_owned(),
        arguments: command.split_whitespace().map(str::to_owned).collect(),
        quick: header("# quick").is_some(),
    })
}

/// A copy of what git knows of the working tree.
fn copy_of_the_tree() -> anyhow::Result<PathBuf> {
    let copy = shell::target().join("mutants").join("tree");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
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
        fs::copy(root.join(file), &to).with_context(|| format!("cannot copy {file}"))?;
    }
    Ok(copy)
}

/// Applies a mutant to the copy, runs its tests, takes it back. Returns the tests that went red.
fn try_one(mutant: &Mutant, copy: &Path) -> anyhow::Result<Option<String>> {
    patch(mutant, copy, &["--forward"])?;
    let outcome = run_tests(mutant, copy);
    patch(mutant, copy, &["--reverse"])?;
    let output = outcome?;
    let failed: Vec<_> = output
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
        .collect();
    if output.contains("error[E") || output.contains("could not compile") {
        bail!(
            "{} does not compile; a mutant must build:\n{output}",
            mutant.name
        );
    }
    Ok(failed.first().map(|first| match failed.len() - 1 {
        0 => (*first).to_owned(),
        more => format!("{first} and {more} more"),
    }))
}

fn patch(mutant: &Mutant, copy: &Path, direction: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("patch");
    command
        .args(["--strip=1", "--quiet", "--no-backup-if-mismatch", "--batch"])
        .args(direction);
    command.arg("--input").arg(&mutant.path).current_dir(copy);
    shell::read(&mut command)
        .map(drop)
        .with_context(|| format!("{} does not apply any more", mutant.name))
}

fn run_tests(mutant: &Mutant, copy: &Path) -> anyhow::Result<String> {
    let mut command = shell::cargo(&[]);
    command.args(&mutant.arguments).current_dir(copy);
    // A target folder of its own: the same crates at another path would be taken for these.
    command.env("CARGO_TARGET_DIR", shell::target().join("mutants").join("target"));
    let output = shell::capture(&mut command)?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}
