//! Runs programs, and shows what it runs.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::ending::Group;

/// The workspace's folder.
pub fn root() -> PathBuf {
    // The manifest lies two folders below it.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map_or_else(PathBuf::new, Path::to_owned)
}

/// The folder for whatever is built.
pub fn target() -> PathBuf {
    cluster::target()
}

/// Cargo, in the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Sees to it that programs are there that have Debian packages of their own names.
pub fn provide(programs: &[&str]) -> anyhow::Result<()> {
    let missing: Vec<_> = programs
        .iter()
        .copied()
        .filter(|program| capture(Command::new(program).arg("version")).is_err())
        .collect();
    install(&missing)
}

/// The same of what compiles OpenSSL, a C compiler aside: Debian's smallest Perl lacks modules.
pub fn provide_build_tools() -> anyhow::Result<()> {
    let modules = ["-MFindBin", "-MIPC::Cmd", "-e", "1"];
    let tools: [(&str, &[&str]); 2] = [("make", &["-v"]), ("perl", &modules)];
    let works = |(program, arguments): &(&str, &[&str])| {
        let output = capture(Command::new(program).args(*arguments));
        output.is_ok_and(|output| output.status.success())
    };
    let missing = tools.iter().filter(|tool| !works(tool));
    install(&missing.map(|(program, _)| *program).collect::<Vec<_>>())
}

fn install(missing: &[&str]) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    Ok(cluster::provide_packages(missing, &cluster::Lines)?)
}

/// Prints the command, runs it, and fails if it does. A signal that ends this process ends it too.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("$ {}", shown(command));
    let status = Group::start(command)?.wait()?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Prints the command and becomes it: it has this process's terminal, signals and end.
pub fn become_program(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("$ {}", shown(command));
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", shown(command)))
}

/// Runs the command silently and returns what it printed, without the last line's end.
pub fn read(command: &mut Command) -> anyhow::Result<String> {
    let output = capture(command)?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` ended with {}: {}",
            shown(command),
            output.status,
            error.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

/// Runs the command silently, whatever it ends with.
pub fn capture(command: &mut Command) -> anyhow::Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))
}

/// As [`capture`], and fails if the command takes longer.
pub fn capture_within(limit: Duration, command: &mut Command) -> anyhow::Result<Output> {
    finished_within(limit, command)?
        .with_context(|| format!("`{}` did not end within {limit:?}", shown(command)))
}

/// As [`capture`]; `None` if the command takes longer: then it is ended with all that it started.
fn finished_within(limit: Duration, command: &mut Command) -> anyhow::Result<Option<Output>> {
    Ok(match watched(limit, command, |_| false)? {
        Watched::Ended(output) => Some(output),
        Watched::Sufficed(_) | Watched::TookTooLong(_) => None,
    })
}

/// What came of a command that was watched.
pub enum Watched {
    /// It ended by itself.
    Ended(Output),
    /// It printed this line, which suffices, and was ended, or ended by itself right after it.
    Sufficed(String),
    /// It was ended, as it took longer than it may; this is what it had printed to its standard output.
    TookTooLong(String),
}

/// Runs the command silently, until a line of its standard output suffices, or for so long at most. Then
/// it is ended with all that it started.
pub fn watched(
    limit: Duration,
    command: &mut Command,
    suffices: impl Fn(&str) -> bool + Send + 'static,
) -> anyhow::Result<Watched> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::start(command)?;
    let found = Arc::new(OnceLock::new());
    let printed = Arc::new(Mutex::new(String::new()));
    let (finds, keeps) = (Arc::clone(&found), Arc::clone(&printed));
    let stdout = read_aside(group.child().stdout.take(), move |line| {
        if suffices(line) {
            let _ = finds.set(line.to_owned());
        }
        if let Ok(mut printed) = keeps.lock() {
            printed.push_str(line);
        }
    });
    let stderr = read_aside(group.child().stderr.take(), |_| ());
    let status = group.wait_within(limit, || found.get().is_some())?;
    // What it started and left behind may hold its output open for ever.
    group.end();
    let Some(status) = status else {
        let printed = printed.lock().map(|printed| printed.clone());
        return Ok(match found.get() {
            Some(line) => Watched::Sufficed(line.clone()),
            None => Watched::TookTooLong(printed.unwrap_or_default()),
        });
    };
    let read = |reader: JoinHandle<_>| reader.join().unwrap_or_default();
    let (stdout, stderr) = (read(stdout), read(stderr));
    // A program that ends right after the line is often seen to end before the line is read.
    Ok(match found.get() {
        Some(line) => Watched::Sufficed(line.clone()),
        None => Watched::Ended(Output {
            status,
            stdout,
            stderr,
        }),
    })
}

/// A program whose output nobody reads stops once a pipe is full.
fn read_aside(
    from: Option<impl Read + Send + 'static>,
    hear: impl Fn(&str) + Send + 'static,
) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut text = Vec::new();
        let Some(from) = from else {
            return text;
        };
        let mut from = BufReader::new(from);
        loop {
            let read = text.len();
            // What was read before an error is what there is.
            match from.read_until(b'\n', &mut text) {
                Ok(0) | Err(_) => return text,
                Ok(_) => hear(&String::from_utf8_lossy(&text[read..])),
            }
        }
    })
}

/// The command as a person would type it, without the folders of its programs.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_else(|| command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "-_=./:,@%+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{word}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_prints_more_than_a_pipe_holds_comes_to_its_end() {
        let mut talk = Command::new("sh");
        talk.args([
            "-c",
            "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2",
        ]);
        let output = capture_within(Duration::from_secs(20), &mut talk).unwrap();
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (1_000_000, 1_000_000)
        );
    }

    #[test]
    fn a_program_that_takes_too_long_is_told_by_its_name() {
        let limit = Duration::from_millis(50);
        let error = capture_within(limit, Command::new("sleep").arg("1000")).unwrap_err();
        assert!(
            error.to_string().contains("`sleep 1000` did not end"),
            "{error}"
        );
    }

    #[test]
    fn a_program_is_ended_once_it_printed_what_suffices() {
        let mut talk = Command::new("sh");
        talk.args(["-c", "echo one; echo two; exec sleep 1000"]);
        let limit = Duration::from_mins(1);
        let watched = watched(limit, &mut talk, |line| line.starts_with("tw")).unwrap();
        assert!(matches!(watched, Watched::Sufficed(line) if line == "two\n"));
    }

    #[test]
    fn what_suffices_is_found_in_the_last_line_too() {
        let mut talk = Command::new("sh");
        talk.args(["-c", "head -c 1000000 /dev/zero; echo; exec echo two"]);
        let limit = Duration::from_mins(1);
        let watched = watched(limit, &mut talk, |line| line.starts_with("tw")).unwrap();
        assert!(matches!(watched, Watched::Sufficed(line) if line == "two\n"));
    }
}
