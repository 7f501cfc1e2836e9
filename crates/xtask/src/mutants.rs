//! `cargo xtask mutants`: each patch of tests/mutants breaks a guarantee; the tests must notice.
//!
//! A patch begins with lines that tell what it breaks and which tests go red: `# guarantee: 3`,
//! `# run: cargo test … ` (of several each must), and `# quick` if CI applies it.

use std::{
    collections::BTreeSet,
    env, fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::shell::{self, Watched};

/// How long the tests of a mutant of the quick set may take. A mutant may make them wait for ever:
/// that too is noticed.
const QUICK: Duration = Duration::from_mins(10);
/// The same of the other mutants: some start a cluster.
const OTHERWISE: Duration = Duration::from_mins(20);
/// The same without a mutant: the first run compiles everything.
const UNBROKEN: Duration = Duration::from_hours(1);

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
    /// Each a test command, by its arguments for cargo.
    runs: Vec<Vec<String>>,
    quick: bool,
}

/// What is known of the tests without a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbroken {
    /// They were green a moment ago.
    Green,
    /// Nothing.
    NotKnown,
}

/// Runs the mutants that CI runs.
pub fn quick(unbroken: Unbroken) -> anyhow::Result<()> {
    let quick = Options {
        filter: None,
        quick: true,
    };
    run_beside(&quick, unbroken)
}

/// Runs the selected mutants; fails if one survives.
pub fn run(options: &Options) -> anyhow::Result<()> {
    run_beside(options, Unbroken::NotKnown)
}

fn run_beside(options: &Options, unbroken: Unbroken) -> anyhow::Result<()> {
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
    shell::provide_build_tools()?;
    let first = Lane::new(0, &shell::target())?;
    check_unbroken(&mutants, &first, unbroken)?;
    let lanes = lanes(first, &mutants)?;
    let queue = Queue {
        mutants: &mutants,
        next: AtomicUsize::new(0),
    };
    let survivors = thread::scope(|scope| {
        let running: Vec<_> = lanes
            .iter()
            .map(|lane| scope.spawn(|| queue.work_off(lane)))
            .collect();
        let ended = running.into_iter().map(|lane| {
            lane.join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("a lane of mutants panicked")))
        });
        ended.collect::<anyhow::Result<Vec<_>>>()
    })?
    .concat();
    if !survivors.is_empty() {
        bail!("no test noticed: {}", survivors.join(", "));
    }
    eprintln!("all {} mutants were caught", mutants.len());
    Ok(())
}

/// Mutants that one lane after the other takes up.
struct Queue<'a> {
    mutants: &'a [Mutant],
    next: AtomicUsize,
}

impl Queue<'_> {
    /// Names of the mutants that survived in this lane.
    fn work_off(&self, lane: &Lane) -> anyhow::Result<Vec<String>> {
        let mut survivors = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(mutant) = self.mutants.get(number) else {
                return Ok(survivors);
            };
            let started = Instant::now();
            let caught_by = try_one(mutant, lane)?;
            let told = format!(
                "[{}/{}] {} (guarantee {}, {:.0} s)",
                number + 1,
                self.mutants.len(),
                mutant.name,
                mutant.guarantee,
                started.elapsed().as_secs_f64(),
            );
            if let Some(tests) = caught_by {
                eprintln!("{told}: caught by {tests}");
            } else {
                eprintln!("{told}: SURVIVED");
                survivors.push(mutant.name.clone());
            }
        }
    }
}

/// A copy of the tree, and where it is built.
struct Lane {
    tree: PathBuf,
    target: PathBuf,
}

impl Lane {
    /// Starts with what is compiled below `built`.
    fn new(number: usize, built: &Path) -> anyhow::Result<Self> {
        let folder = shell::target().join("mutants");
        let lane = Self {
            tree: copy_of_the_tree(&folder.join(format!("tree-{number}")))?,
            target: folder.join(format!("target-{number}")),
        };
        if !lane.target.exists() {
            copy_dependencies(&built.join("debug"), &lane.target.join("debug"))?;
        }
        Ok(lane)
    }
}

/// The quick mutants go side by side, as compiling one crate keeps one core busy. The others start
/// clusters, and have the machine to themselves.
fn lanes(first: Lane, mutants: &[Mutant]) -> anyhow::Result<Vec<Lane>> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let count = if mutants.iter().all(|mutant| mutant.quick) {
        cores.min(MOST_LANES).min(mutants.len())
    } else {
        1
    };
    let built = first.target.clone();
    let others = (1..count).map(|number| Lane::new(number, &built));
    [Ok(first)].into_iter().chain(others).collect()
}

/// Each has a folder of builds of its own.
const MOST_LANES: usize = 2;

/// What is no part of a mutant is compiled once: cargo takes it up by its own records. Programs are left
/// out, as are folders of other uses: nothing depends on them.
fn copy_dependencies(from: &Path, to: &Path) -> anyhow::Result<()> {
    for folder in ["build", "deps", ".fingerprint"] {
        let folders = (from.join(folder), to.join(folder));
        if folders.0.exists() {
            copy_folder(&folders.0, &folders.1, folder == "deps")?;
        }
    }
    Ok(())
}

/// Keeps the times, by which cargo knows what is fresh.
fn copy_folder(from: &Path, to: &Path, libraries_only: bool) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        let of_kind = entry.file_type()?;
        if of_kind.is_dir() {
            copy_folder(&source, &copy, libraries_only)?;
        } else if of_kind.is_file() && (!libraries_only || source.extension().is_some()) {
            fs::copy(&source, &copy)
                .with_context(|| format!("cannot copy {}", source.display()))?;
            let written = entry.metadata()?.modified()?;
            fs::File::open(&copy)?.set_modified(written)?;
        }
    }
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

/// A copy of what git knows of the working tree.
fn copy_of_the_tree(copy: &Path) -> anyhow::Result<PathBuf> {
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
        fs::copy(root.join(file), &to).with_context(|| format!("cannot copy {file}"))?;
    }
    Ok(copy.to_owned())
}

/// A test that is red without a mutant tells nothing of it. Tests that are known to be green are only
/// compiled.
fn check_unbroken(mutants: &[Mutant], lane: &Lane, unbroken: Unbroken) -> anyhow::Result<()> {
    let commands: BTreeSet<_> = mutants.iter().flat_map(|mutant| &mutant.runs).collect();
    for arguments in commands {
        let arguments = match (unbroken, arguments.split_first()) {
            (Unbroken::Green, Some((first, rest))) if first == "test" => {
                let compile = [first.clone(), "--no-run".to_owned()];
                [&compile[..], rest].concat()
            }
            (Unbroken::Green | Unbroken::NotKnown, _) => arguments.clone(),
        };
        eprintln!("without a mutant: cargo {}", arguments.join(" "));
        match run_tests(&arguments, lane, UNBROKEN, |_| false)? {
            Watched::Ended(output) if output.status.success() => {}
            Watched::Ended(output) => bail!("it fails without a mutant:\n{}", text(&output)),
            Watched::Sufficed(_) | Watched::TookTooLong => {
                bail!("it did not end within {UNBROKEN:?} without a mutant")
            }
        }
    }
    Ok(())
}

/// Applies a mutant to the copy, runs its tests, takes it back. Returns the tests that went red, if some
/// did by each of its commands.
fn try_one(mutant: &Mutant, lane: &Lane) -> anyhow::Result<Option<String>> {
    apply(mutant, &lane.tree, &[])?;
    let outcomes: anyhow::Result<Option<Vec<_>>> = mutant
        .runs
        .iter()
        .map(|arguments| caught_by(mutant, arguments, lane))
        .collect();
    apply(mutant, &lane.tree, &["--reverse"])?;
    Ok(outcomes?.map(|caught| caught.join("; ")))
}

/// Tests that go through many situations, and see last what others see at once.
const SLOW: &str = "convergence::";

/// The same tests without the slow ones, where all of a target's are asked.
fn without_slow_ones(arguments: &[String]) -> Option<Vec<String>> {
    let is_whole = !arguments.iter().any(|it| it == "--");
    let skip = ["--", "--skip", SLOW].map(str::to_owned);
    is_whole.then(|| [arguments, &skip].concat())
}

fn caught_by(mutant: &Mutant, arguments: &[String], lane: &Lane) -> anyhow::Result<Option<String>> {
    let soon = without_slow_ones(arguments).filter(|_| mutant.quick);
    if let Some(arguments) = soon
        && let Some(test) = red_by(mutant, &arguments, lane)?
    {
        return Ok(Some(test));
    }
    red_by(mutant, arguments, lane)
}

fn red_by(mutant: &Mutant, arguments: &[String], lane: &Lane) -> anyhow::Result<Option<String>> {
    let limit = if mutant.quick { QUICK } else { OTHERWISE };
    // Where one is red the others are not waited for.
    Ok(match run_tests(arguments, lane, limit, is_red)? {
        Watched::Sufficed(printed) => Some(red(&printed).unwrap_or(&printed).to_owned()),
        Watched::TookTooLong => Some(format!("no end within {limit:?}")),
        Watched::Ended(output) if output.status.success() => None,
        Watched::Ended(output) => bail!(
            "{} fails without a red test; a mutant must build:\n{}",
            mutant.name,
            text(&output)
        ),
    })
}

fn text(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn is_red(line: &str) -> bool {
    red(line).is_some()
}

/// The test that went red, as a line of the test harness tells.
fn red(line: &str) -> Option<&str> {
    line.trim_end()
        .strip_prefix("test ")?
        .strip_suffix(" ... FAILED")
}

/// Changes the copy by the patch, and sees that it did.
fn apply(mutant: &Mutant, copy: &Path, direction: &[&str]) -> anyhow::Result<()> {
    let back = match direction {
        [] => &["--reverse"][..],
        _ => &[],
    };
    git_apply(mutant, copy, direction)
        .and_then(|()| git_apply(mutant, copy, &[back, &["--check"]].concat()))
        .with_context(|| format!("{} does not apply any more", mutant.name))
}

fn git_apply(mutant: &Mutant, copy: &Path, options: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("git");
    command.args(["apply", "--whitespace=nowarn"]).args(options);
    command.arg(&mutant.path).current_dir(copy);
    // The copy lies in the repository's folder and is no part of it.
    command.env(
        "GIT_CEILING_DIRECTORIES",
        copy.parent().context("the copy lies in no folder")?,
    );
    command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    shell::read(&mut command).map(drop)
}

fn run_tests(
    arguments: &[String],
    lane: &Lane,
    limit: Duration,
    suffices: fn(&str) -> bool,
) -> anyhow::Result<Watched> {
    let mut command = shell::cargo(&[]);
    command.args(arguments).current_dir(&lane.tree);
    // A target folder of its own: the same crates at another path would be taken for these.
    let target = shell::target();
    command.env("CARGO_TARGET_DIR", &lane.target);
    // What takes long to compile and is no part of a mutant is shared.
    if env::var_os(cluster::CACHE_VARIABLE).is_none() {
        command.env(cluster::CACHE_VARIABLE, target.join("cluster"));
    }
    // The way to a panic takes seconds to tell, and nobody reads it.
    command.env("RUST_BACKTRACE", "0");
    shell::watched(limit, &mut command, suffices)
}
