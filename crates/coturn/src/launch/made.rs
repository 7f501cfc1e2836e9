//! What a script makes files of.
//!
//! Its commands are followed in their order. What is not understood is kept as that: who reads the parts of
//! a file has to know whether they are all.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    is_turnserver,
    printed::{printed, unclear},
    sed::{Effect, Sed},
};
use crate::shell::Command;

/// A part of a file that a script makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// What another file holds, by its path. What replaces placeholders in it is not known.
    File(String),
    /// Lines that the script itself has, as they stand there: what the shell puts into them is not known.
    Text(String),
    /// What is not understood, by the command that may add it.
    Unclear(String),
}

/// More parts than a file has, unless somebody wants them to be counted for ever.
const MOST: usize = 64;

/// The parts of each file that a script has touched so far.
#[derive(Default)]
pub(super) struct Made {
    files: BTreeMap<String, Vec<Rc<Part>>>,
}

/// What a command does to a file.
struct Change {
    parts: Vec<Rc<Part>>,
    /// Whether the file keeps what it had.
    is_added: bool,
}

impl Change {
    fn anew(part: Part) -> Self {
        Self {
            parts: vec![Rc::new(part)],
            is_added: false,
        }
    }

    fn more(part: Part) -> Self {
        Self {
            is_added: true,
            ..Self::anew(part)
        }
    }
}

impl Made {
    pub(super) fn run(&mut self, commands: &[Command]) {
        for index in 0..commands.len() {
            for (file, change) in changes(commands, index) {
                self.change(file, change, commands[index].is_conditional);
            }
        }
    }

    pub(super) fn parts(&self, file: &str) -> Vec<Part> {
        let parts = self.shared(file).into_iter();
        parts.map(Rc::unwrap_or_clone).collect()
    }

    /// A file that no command has touched holds what it held before.
    fn shared(&self, file: &str) -> Vec<Rc<Part>> {
        let untouched = || vec![Rc::new(Part::File(file.to_owned()))];
        self.files.get(file).cloned().unwrap_or_else(untouched)
    }

    fn change(&mut self, file: String, change: Change, is_conditional: bool) {
        let mut all = if change.is_added || is_conditional {
            self.shared(&file)
        } else {
            Vec::new()
        };
        for part in change.parts {
            match &*part {
                Part::File(path) => all.extend(self.shared(path)),
                Part::Text(_) | Part::Unclear(_) => all.push(part),
            }
            if all.len() > MOST {
                break;
            }
        }
        if is_conditional {
            all.push(Rc::new(unclear("a condition")));
        }
        if all.len() > MOST {
            all.truncate(MOST);
            all.push(Rc::new(unclear("files that grow without end")));
        }
        self.files.insert(file, all);
    }
}

/// What one command does to which files.
fn changes(commands: &[Command], index: usize) -> Vec<(String, Change)> {
    let command = &commands[index];
    let written = written(command);
    let parts = if written.is_empty() {
        Vec::new()
    } else {
        printed(commands, index)
    };
    let parts: Vec<_> = parts.into_iter().take(MOST + 1).map(Rc::new).collect();
    let change = |(file, is_added): (&str, bool)| {
        let parts = parts.clone();
        (file.to_owned(), Change { parts, is_added })
    };
    let mut changes: Vec<_> = written.into_iter().map(change).collect();
    changes.extend(match command.name() {
        None => Vec::new(),
        Some("cp" | "mv" | "ln" | "install") => copied(command.arguments()),
        Some("sed") => edited(command.arguments()),
        Some(name) if HARMLESS.contains(&name) => Vec::new(),
        Some(name) => touched(name, command.arguments()),
    });
    changes
}

/// The files that the output of a command goes to, and whether they keep what they had.
fn written(command: &Command) -> Vec<(&str, bool)> {
    let outputs = command.outputs.iter();
    let mut written: Vec<_> = outputs
        .map(|output| (output.path.as_str(), output.is_added))
        .collect();
    if command.name() == Some("tee") {
        let arguments = command.arguments().iter().map(String::as_str);
        let (options, files): (Vec<_>, Vec<_>) = arguments.partition(|word| word.starts_with('-'));
        let is_added = options.iter().any(|it| ["-a", "--append"].contains(it));
        written.extend(files.into_iter().map(|file| (file, is_added)));
    }
    written
}

/// The target is a file, or the folder that it comes to lie in.
fn copied(arguments: &[String]) -> Vec<(String, Change)> {
    let mut paths: Vec<_> = arguments.iter().filter(|it| it.starts_with('/')).collect();
    let Some(target) = paths.pop() else {
        return Vec::new();
    };
    let folder = target.trim_end_matches('/');
    let copy = |file: String, source: &String| (file, Change::anew(Part::File(source.clone())));
    let within = |source: &&String| {
        let name = source.rsplit('/').next().unwrap_or_default();
        copy(format!("{folder}/{name}"), source)
    };
    let mut copies: Vec<_> = paths.iter().map(within).collect();
    match paths.as_slice() {
        [] => copies.push((target.clone(), Change::anew(unclear("a copy")))),
        [source] => copies.push(copy(target.clone(), source)),
        _ => {}
    }
    copies
}

/// Where placeholders are replaced in place, the file stays what it is.
fn edited(arguments: &[String]) -> Vec<(String, Change)> {
    let sed = Sed::of(arguments);
    if !sed.is_in_place || sed.effect() == Effect::Filled {
        return Vec::new();
    }
    let edit = |file: &&str| ((*file).to_owned(), Change::more(unclear("sed")));
    sed.files.iter().map(edit).collect()
}

/// What does nothing to the files that it names, but for where its output goes.
const HARMLESS: [&str; 25] = [
    "[", "[[", "case", "cat", "chgrp", "chmod", "chown", "cmp", "diff", "echo", "envsubst",
    "export", "for", "grep", "head", "ls", "mkdir", "printf", "rm", "stat", "tail", "tee", "test",
    "touch", "wc",
];

/// Whatever else a command does to the files that it names.
fn touched(name: &str, arguments: &[String]) -> Vec<(String, Change)> {
    if is_turnserver(name) || arguments.iter().any(|word| is_turnserver(word)) {
        return Vec::new();
    }
    let is_around = |it: char| it.is_whitespace() || "=:;,'\"".contains(it);
    let parts = arguments.iter().flat_map(|word| word.split(is_around));
    let paths = parts.filter(|part| part.starts_with('/'));
    let touch = |path: &str| (path.to_owned(), Change::more(unclear(name)));
    paths.map(touch).collect()
}

#[cfg(test)]
mod tests;
