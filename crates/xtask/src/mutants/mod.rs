//! `cargo xtask mutants`: each patch of tests/mutants breaks a guarantee; the tests must notice.
//!
//! A patch begins with lines that tell what it breaks and which tests go red: `# guarantee: 3`,
//! `# run: cargo test … ` (of several each must), and `# quick` if CI applies it.

mod lane;
mod mutant;

use std::{
    collections::BTreeSet,
    env,
    num::NonZeroUsize,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;

use self::{lane::Lane, mutant::Mutant};
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
    let mutants: Vec<_> = mutant::read_all()?
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

/// A test that is red without a mutant tells nothing of it.
fn check_unbroken(mutants: &[Mutant], lane: &Lane, unbroken: Unbroken) -> anyhow::Result<()> {
    let commands: BTreeSet<_> = mutants.iter().flat_map(|mutant| &mutant.runs).collect();
    for arguments in commands.into_iter().flat_map(|it| to_check(it, unbroken)) {
        eprintln!("without a mutant: cargo {}", arguments.join(" "));
        match run_tests(&arguments, lane, UNBROKEN, |_| false)? {
            Watched::Ended(output) if output.status.success() => {}
            Watched::Ended(output) => bail!("it fails without a mutant:\n{}", text(&output)),
            Watched::Sufficed(_) | Watched::TookTooLong(_) => {
                bail!("it did not end within {UNBROKEN:?} without a mutant")
            }
        }
    }
    Ok(())
}

/// What is run without a mutant for a command of mutants: itself, unless it was green a moment ago, and what
/// is compiled otherwise than it.
fn to_check(arguments: &[String], unbroken: Unbroken) -> Vec<Vec<String>> {
    let itself = match unbroken {
        Unbroken::Green if is_test(arguments) => None,
        Unbroken::Green | Unbroken::NotKnown => Some(arguments.to_vec()),
    };
    let otherwise = is_of_tables(arguments).then(|| without_slow_ones(arguments));
    itself.into_iter().chain(otherwise.flatten()).collect()
}

/// Whether it is a part of what the unit tests are, and no command of this program.
fn is_test(arguments: &[String]) -> bool {
    arguments.first().is_some_and(|first| first == "test")
}

/// Applies a mutant to the copy, runs its tests, takes it back. Returns the tests that went red, if some
/// did by each of its commands.
fn try_one(mutant: &Mutant, lane: &Lane) -> anyhow::Result<Option<String>> {
    mutant.apply(&lane.tree)?;
    let outcomes: anyhow::Result<Option<Vec<_>>> = mutant
        .runs
        .iter()
        .map(|arguments| caught_by(mutant, arguments, lane))
        .collect();
    mutant.take_back(&lane.tree)?;
    Ok(outcomes?.map(|caught| caught.join("; ")))
}

/// Tests that go through many situations, and see last what others see at once.
const SLOW: [&str; 4] = [
    "convergence::",
    "clock::whatever_its_clock_says",
    "growth::however_it_is_scaled",
    "restart_one::each_pod_that_was_misled",
];

/// The same tests without the slow ones, where all of a target's are asked.
fn without_slow_ones(arguments: &[String]) -> Option<Vec<String>> {
    let is_whole = !arguments.iter().any(|it| it == "--");
    let profile = is_of_tables(arguments).then_some(UNOPTIMISED);
    let skip = SLOW.iter().flat_map(|test| ["--skip", test]);
    let owned = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    is_whole.then(|| {
        [
            owned(profile.as_ref().map_or(&[], |it| &it[..])),
            arguments.to_vec(),
            owned(&["--"]),
            owned(&skip.collect::<Vec<_>>()),
        ]
        .concat()
    })
}

/// Most mutants are of `plan`, which is optimised for the model check. Its tables take longer to compile
/// that way than to run.
const UNOPTIMISED: [&str; 4] = [
    "--config",
    "profile.dev.package.plan.opt-level=0",
    "--config",
    "profile.dev.package.model.opt-level=0",
];

/// Whether these are tests of `plan` other than the model check.
fn is_of_tables(arguments: &[String]) -> bool {
    let is_of_plan = arguments
        .windows(2)
        .any(|pair| pair == ["--package", "plan"]);
    is_of_plan && !arguments.iter().any(|it| it == "situations")
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
        Watched::TookTooLong(printed) if has_begun(&printed) => {
            Some(format!("no end within {limit:?}"))
        }
        Watched::TookTooLong(_) => {
            bail!("{} is not compiled within {limit:?}", mutant.name)
        }
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

/// Whether the test harness has begun: until then it is compiled.
fn has_begun(printed: &str) -> bool {
    printed.lines().any(|line| line.starts_with("running "))
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

fn run_tests(
    arguments: &[String],
    lane: &Lane,
    limit: Duration,
    suffices: fn(&str) -> bool,
) -> anyhow::Result<Watched> {
    let mut command = shell::cargo(&[]);
    command.args(arguments).current_dir(&lane.tree);
    // Folders of its own: the same crates at another path would be taken for these.
    let target = shell::target();
    command.env("CARGO_TARGET_DIR", &lane.target);
    command.env("CARGO_BUILD_BUILD_DIR", &lane.target);
    // What takes long to compile and is no part of a mutant is shared.
    if env::var_os(cluster::CACHE_VARIABLE).is_none() {
        command.env(cluster::CACHE_VARIABLE, target.join("cluster"));
    }
    // The way to a panic takes seconds to tell, and nobody reads it.
    command.env("RUST_BACKTRACE", "0");
    shell::watched(limit, &mut command, suffices)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn words(command: &str) -> Vec<String> {
        command.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn tables_run_unoptimised_and_without_the_slow_tests_first() {
        let tables = words("test --package plan --lib --test plan");
        let soon = without_slow_ones(&tables).unwrap();
        let (profile, rest) = soon.split_at(UNOPTIMISED.len());
        let (command, skipped) = rest.split_at(tables.len());
        assert_eq!(
            (profile, command),
            (&UNOPTIMISED.map(str::to_owned)[..], &tables[..])
        );
        assert_eq!(skipped[..3], ["--", "--skip", "convergence::"]);
    }

    #[test]
    fn other_tests_are_compiled_as_they_always_are() {
        for command in [
            "test --package plan --test situations",
            "test --package operator",
        ] {
            let soon = without_slow_ones(&words(command)).unwrap();
            assert!(soon.starts_with(&words(command)), "{soon:?}");
        }
        assert!(without_slow_ones(&words("test --package plan -- pods_go")).is_none());
    }

    #[test]
    fn a_mutant_that_takes_too_long_to_compile_is_not_caught() {
        assert!(!has_begun(""));
        assert!(has_begun("\nrunning 86 tests\n"));
    }

    #[test]
    fn what_is_compiled_otherwise_is_seen_green_without_a_mutant() {
        let tables = words("test --package plan --test plan");
        let soon = without_slow_ones(&tables).unwrap();
        let checked = to_check(&tables, Unbroken::Green);
        assert_eq!(checked.as_slice(), slice::from_ref(&soon));
        assert_eq!(to_check(&tables, Unbroken::NotKnown), [tables, soon]);
        let others = words("test --package pki");
        assert!(to_check(&others, Unbroken::Green).is_empty());
        assert_eq!(to_check(&others, Unbroken::NotKnown), [others]);
        let on_a_cluster = words("xtask test api");
        assert_eq!(to_check(&on_a_cluster, Unbroken::Green), [on_a_cluster]);
    }
}
