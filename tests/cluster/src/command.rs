//! Short commands that run to their end, with failures that tell what was run.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use crate::{Error, PROXY_VARIABLES};

/// Keeps this process's proxy from the command: [`PROXY_VARIABLES`].
pub(crate) fn without_proxy(command: &mut Command) {
    for variable in PROXY_VARIABLES {
        command.env_remove(variable);
    }
}

/// Runs `command` and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    command.stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|source| spawn_error(command, source))?;
    succeeded(command, &output)
}

/// Runs `command` with `input` on its standard input and returns its standard output.
pub(crate) fn output_of_input(command: &mut Command, input: &str) -> Result<String, Error> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|source| spawn_error(command, source))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading its input says why by its exit status.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|source| spawn_error(command, source))?;
    succeeded(command, &output)
}

fn succeeded(command: &Command, output: &Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command {
        command: line(command),
        status: output.status.to_string(),
        output: tail(&String::from_utf8_lossy(&output.stderr), 12),
    })
}

pub(crate) fn spawn_error(command: &Command, source: std::io::Error) -> Error {
    Error::Spawn {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    }
}

fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last `lines` lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
