//! As much of a shell's grammar as the entry points of coturn images use: which commands a script
//! has, what their words are, and which files they write. Nothing is expanded.

mod tokens;

use tokens::{End, Redirection, Token, Tokens};

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its words, without quotes; the first of what follows a group is the bracket that ends it.
    pub(crate) words: Vec<String>,
    /// Files that its output goes to.
    pub(crate) outputs: Vec<Output>,
    /// Files that its input comes from.
    pub(crate) inputs: Vec<String>,
    /// Its input, where the script itself has it: a here-document.
    pub(crate) document: Option<String>,
    /// What it is ended by.
    end: End,
    /// Whether it depends on something else that it is run.
    pub(crate) is_conditional: bool,
}

/// A file that output goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) path: String,
    /// Whether it keeps what it had.
    pub(crate) is_added: bool,
}

impl Command {
    /// One that needs no shell.
    pub(crate) fn of(words: Vec<String>) -> Self {
        Self {
            words,
            ..Self::default()
        }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty()
            && self.outputs.is_empty()
            && self.inputs.is_empty()
            && self.document.is_none()
    }

    fn redirect(&mut self, to: Redirection, word: String) {
        match to {
            Redirection::Input => self.inputs.push(word),
            Redirection::Line => self.document = Some(word + "\n"),
            Redirection::Output { is_added } => self.outputs.push(Output {
                path: word,
                is_added,
            }),
            Redirection::Other => {}
        }
    }

    /// Whether its output goes to the next command.
    pub(crate) fn is_piped(&self) -> bool {
        self.end == End::Pipe
    }

    /// What is run, without what stands before it: assignments, words that the shell keeps to itself, and
    /// commands that only run another one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.words.get(self.start()).map(String::as_str)
    }

    /// What its name is followed by.
    pub(crate) fn arguments(&self) -> &[String] {
        self.words.get(self.start() + 1..).unwrap_or_default()
    }

    fn start(&self) -> usize {
        let mut start = 0;
        while let Some(word) = self.words.get(start) {
            let name = word.rsplit('/').next().unwrap_or_default();
            if LEADING.contains(&word.as_str()) || is_assignment(word) {
                start += 1;
            } else if WRAPPERS.contains(&name) {
                start += 1 + self.options(start + 1);
            } else if OF_USERS.contains(&name) {
                start += 1 + self.options(start + 1) + 1;
            } else {
                break;
            }
        }
        start
    }

    /// How many options stand at this word and behind it.
    fn options(&self, start: usize) -> usize {
        let is_number = |word: &str| word.chars().all(|it| it.is_ascii_digit());
        let is_option = |word: &&String| word.starts_with('-') || is_number(word);
        self.words.iter().skip(start).take_while(is_option).count()
    }

    /// Whether a part of the script begins with it that is run or not, more than once, or by itself.
    fn opens(&self) -> bool {
        let words = self.words.iter().take(self.start() + 1);
        words.map(String::as_str).any(|it| OPENERS.contains(&it)) || self.end == End::Open
    }

    /// Whether it asks nothing: what stands behind it is run unless something is amiss.
    fn only_prepares(&self) -> bool {
        match self.name() {
            Some(name) => PREPARING.contains(&name),
            None => !self.words.iter().any(|word| word.contains(['$', '`'])),
        }
    }
}

/// Words before a command that are none of its own.
const LEADING: [&str; 12] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", ")", "exec",
];

/// Commands that run the one that they are given.
const WRAPPERS: [&str; 6] = ["catatonit", "dumb-init", "env", "nice", "nohup", "tini"];

/// The same, for the user whom they are given before it.
const OF_USERS: [&str; 2] = ["gosu", "su-exec"];

fn is_assignment(word: &str) -> bool {
    let is_of_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.chars().all(is_of_name))
}

/// What begins a part of a script that is run or not, more than once, or by itself.
const OPENERS: [&str; 6] = ["if", "for", "while", "until", "case", "{"];

/// What does something, and asks nothing.
const PREPARING: [&str; 20] = [
    ":", "cat", "cd", "chgrp", "chmod", "chown", "cp", "echo", "envsubst", "export", "install",
    "ln", "mkdir", "mv", "printf", "sed", "set", "tee", "touch", "true",
];

/// The simple commands of a script, in the order in which they stand there.
pub(crate) fn commands(script: &str) -> Vec<Command> {
    let mut all = Vec::new();
    let mut command = Command::default();
    let mut redirection = None;
    let mut groups = 0_usize;
    for token in Tokens::of(script) {
        match (token, redirection.take()) {
            (Token::Redirection(to), _) => redirection = Some(to),
            (Token::Document(text), _) => command.document = Some(text),
            (Token::Word(word), None) => command.words.push(word),
            (Token::Word(word), Some(to)) => command.redirect(to, word),
            // A pattern of `case` ends with the same bracket, and is no command.
            (Token::Close, _) if groups == 0 => {
                all.extend(Some(std::mem::take(&mut command)).filter(Command::opens));
            }
            (Token::Close, _) => {
                groups -= 1;
                all.push(std::mem::take(&mut command));
                command.words.push(")".to_owned());
            }
            // A line may end where a command is still to come.
            (Token::End(End::Line), _) if command.is_empty() => {}
            (Token::End(end), _) => {
                groups += usize::from(end == End::Open);
                command.end = end;
                all.push(std::mem::take(&mut command));
            }
        }
    }
    all.push(command);
    mark(&mut all);
    all.retain(|command| !command.is_empty());
    all
}

/// Marks what is not run in any case. Where a part begins of which that is not known it is not looked for
/// the part's end.
fn mark(commands: &mut [Command]) {
    let mut is_within = false;
    let mut is_behind = false;
    let mut has_asked = false;
    for command in commands {
        is_within |= command.opens();
        command.is_conditional = is_within || is_behind;
        has_asked |= !command.only_prepares();
        match command.end {
            End::And => is_behind |= has_asked,
            End::Or => is_behind = true,
            End::Pipe => {}
            End::Line | End::Open | End::Other => {
                is_behind = false;
                has_asked = false;
            }
        }
    }
}

#[cfg(test)]
mod tests;
