//! What a script makes files of.
//!
//! Its commands are followed in their order. What is not understood is kept as that: who reads the parts of
//! a file has to know whether they are all.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    is_turnserver,
    printed::{self, changed, is_whole, printed, unclear},
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
    /// What is not understood, by the command that may have changed all that stands before it.
    Changed(String),
}

/// More parts than a file has, unless somebody wants them to be counted for ever.
const MOST: usize = 64;

/// The parts of each file that a script has touched so far.
#[derive(Default)]
pub(super) struct Made {
    files: BTreeMap<String, Vec<Rc<Part>>>,
    /// The first command that may have changed any file.
    anything: Option<String>,
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
        for (index, command) in commands.iter().enumerate() {
            let mut is_followed = is_followed(command);
            for (file, change) in changes(commands, index) {
                if is_whole(&file) {
                    self.change(file, change, command.is_conditional);
                } else {
                    is_followed = false;
                }
            }
            if !is_followed {
                let name = command.name().unwrap_or("a group");
                self.anything.get_or_insert_with(|| name.to_owned());
            }
        }
    }

    pub(super) fn parts(&self, file: &str) -> Vec<Part> {
        let parts = self.shared(file).into_iter();
        let mut parts: Vec<_> = parts.map(Rc::unwrap_or_clone).collect();
        let anything = self.anything.as_deref().map(changed);
        parts.extend(anything.filter(|it| !parts.contains(it)));
        parts
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
                Part::Text(_) | Part::Unclear(_) | Part::Changed(_) => all.push(part),
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
        Some("cp" | "mv" | "ln" | "install") => copied(command.arguments()),
        Some("rm") => removed(command.arguments()),
        Some("sed") => edited(command.arguments()),
        _ => Vec::new(),
    });
    changes
}

/// Whether a command changes no other files than those that [`changes`] tells.
fn is_followed(command: &Command) -> bool {
    match command.name() {
        None | Some("sed") => true,
        Some("cp" | "mv" | "ln" | "install" | "rm") => {
            !command.arguments().iter().any(|it| is_of_folders(it))
        }
        Some(name) => is_turnserver(name) || HARMLESS.contains(&name),
    }
}

/// Whether an option has a command take whole folders, or has the target stand first.
fn is_of_folders(word: &str) -> bool {
    match word.strip_prefix("--") {
        Some(long) => ["archive", "recursive", "target-directory"]
            .iter()
            .any(|it| long.starts_with(it)),
        None => word.starts_with('-') && word.contains(['r', 'R', 'a', 't']),
    }
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
    let mut paths = operands(arguments);
    let Some(target) = paths.pop() else {
        return Vec::new();
    };
    let folder = target.trim_end_matches('/');
    let copy = |file: String, source: &str| (file, Change::anew(printed::file(source)));
    let within = |source: &&str| {
        let name = source.rsplit('/').next().unwrap_or_default();
        copy(format!("{folder}/{name}"), source)
    };
    let mut copies: Vec<_> = paths.iter().map(within).collect();
    match paths.as_slice() {
        [] => copies.push((target.to_owned(), Change::anew(unclear("a copy")))),
        [source] => copies.push(copy(target.to_owned(), source)),
        _ => {}
    }
    copies
}

fn removed(arguments: &[String]) -> Vec<(String, Change)> {
    let files = operands(arguments).into_iter();
    let remove = |file: &str| (file.to_owned(), Change::more(changed("rm")));
    files.map(remove).collect()
}

/// The words that are no options, nor the mode or the owner that an option of `install` takes.
fn operands(arguments: &[String]) -> Vec<&str> {
    let mut operands = Vec::new();
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-m" | "-o" | "-g" => {
                words.next();
            }
            option if option.starts_with('-') => {}
            operand => operands.push(operand),
        }
    }
    operands
}

/// Where placeholders are replaced in place, the file stays what it is.
fn edited(arguments: &[String]) -> Vec<(String, Change)> {
    let sed = Sed::of(arguments);
    if !sed.is_in_place || sed.effect() == Effect::Filled {
        return Vec::new();
    }
    let edit = |file: &&str| ((*file).to_owned(), Change::more(changed("sed")));
    sed.files.iter().map(edit).collect()
}

/// What does nothing to files, but for where its output goes. What the shell has between commands is here
/// as well.
const HARMLESS: [&str; 56] = [
    ":", "[", "[[", "basename", "break", "case", "cat", "cd", "chgrp", "chmod", "chown", "cmp",
    "continue", "cut", "date", "diff", "dirname", "done", "echo", "envsubst", "esac", "exit",
    "export", "false", "fi", "for", "getent", "grep", "head", "hostname", "id", "kill", "local",
    "ls", "mkdir", "printf", "pwd", "read", "readonly", "return", "set", "shift", "sleep", "stat",
    "tail", "tee", "test", "touch", "tr", "true", "umask", "uname", "unset", "wait", "wc",
    "whoami",
];

#[cfg(test)]
mod tests;
