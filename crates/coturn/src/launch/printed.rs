//! What the commands of a script print.

use super::{
    made::Part,
    sed::{Effect, Sed},
};
use crate::shell::Command;

/// So many commands of a pipe are followed.
const LONGEST_PIPE: usize = 8;

/// More bytes than a configuration has, to which a format may make a few.
const LONGEST_TEXT: usize = 64 * 1024;

/// What a command prints, as parts of the file that it goes to.
pub(super) fn printed(commands: &[Command], index: usize) -> Vec<Part> {
    Printing {
        commands,
        pipes: LONGEST_PIPE,
    }
    .of(index)
}

/// What is not understood, and may add something.
pub(super) fn unclear(command: &str) -> Part {
    Part::Unclear(command.to_owned())
}

/// What is not understood, and may change what stands before it.
pub(super) fn changed(command: &str) -> Part {
    Part::Changed(command.to_owned())
}

#[derive(Clone, Copy)]
struct Printing<'a> {
    commands: &'a [Command],
    /// So many more of them are followed.
    pipes: usize,
}

impl Printing<'_> {
    fn of(self, index: usize) -> Vec<Part> {
        let command = &self.commands[index];
        let Some(name) = command.name() else {
            let is_group = !command.words.is_empty();
            return is_group.then(|| unclear("a group")).into_iter().collect();
        };
        match name {
            "echo" => echoed(command.arguments()),
            "printf" => formatted(command.arguments()),
            "cat" => self.concatenated(command.arguments(), index),
            "sed" => self.replaced(command.arguments(), index),
            "envsubst" | "tee" => self.input(index),
            ":" | "true" => Vec::new(),
            other => self.of_unknown(other, index),
        }
    }

    /// What a command reads where it is given no file.
    fn input(self, index: usize) -> Vec<Part> {
        let command = &self.commands[index];
        if let Some(document) = &command.document {
            return lines("a here-document", document);
        }
        if !command.inputs.is_empty() {
            return command.inputs.iter().map(|it| file(it)).collect();
        }
        let before = index.checked_sub(1);
        match before.filter(|before| self.commands[*before].is_piped()) {
            None => Vec::new(),
            Some(_) if self.pipes == 0 => vec![unclear("a pipe")],
            Some(before) => Self {
                pipes: self.pipes - 1,
                ..self
            }
            .of(before),
        }
    }

    fn concatenated<S: AsRef<str>>(self, words: &[S], index: usize) -> Vec<Part> {
        if words.is_empty() {
            return self.input(index);
        }
        let mut words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
        // The input is there once, however often it is named.
        let mut is_first = true;
        words.retain(|word| *word != "-" || std::mem::take(&mut is_first));
        let parts = words.into_iter().flat_map(|word| match word {
            "-" => self.input(index),
            word => vec![file(word)],
        });
        parts.collect()
    }

    fn replaced(self, arguments: &[String], index: usize) -> Vec<Part> {
        let sed = Sed::of(arguments);
        match sed.effect() {
            Effect::Filled => self.concatenated(&sed.files, index),
            // However many lines there are, each begins so.
            Effect::Prefixed(prefix) => {
                let line = format!("{prefix}$(cat {})\n", sed.files.join(" "));
                lines("sed", &line)
            }
            Effect::Unclear => {
                let mut parts = self.concatenated(&sed.files, index);
                parts.push(changed("sed"));
                parts
            }
        }
    }

    /// What it reads may come out of it, in some form.
    fn of_unknown(self, name: &str, index: usize) -> Vec<Part> {
        let arguments = self.commands[index].arguments().iter();
        let paths = arguments.filter(|word| word.starts_with('/'));
        let mut parts: Vec<_> = paths.map(|path| file(path)).collect();
        parts.extend(self.input(index));
        parts.push(changed(name));
        parts
    }
}

/// A file whose path is whole; what else is named is not found from here.
pub(super) fn file(path: &str) -> Part {
    if is_whole(path) {
        Part::File(path.to_owned())
    } else {
        unclear("a file that is not named in full")
    }
}

/// Whether a path stands for itself: it depends on no folder, and the shell puts nothing into it.
pub(super) fn is_whole(path: &str) -> bool {
    let is_detour = |folder: &str| ["", ".", ".."].contains(&folder);
    let folders = path.trim_end_matches('/').split('/').skip(1);
    path.starts_with('/')
        && !path.contains(['$', '`', '*', '?', '[', '{'])
        && !folders.into_iter().any(is_detour)
}

/// Lines that a script has. One of which not even the option is known may be any.
fn lines(command: &str, text: &str) -> Vec<Part> {
    let (filled, known): (Vec<_>, Vec<_>) = text.lines().partition(|line| is_filled_in(line));
    let text = (!known.is_empty()).then(|| Part::Text(known.join("\n") + "\n"));
    let unclear = (!filled.is_empty()).then(|| unclear(command));
    text.into_iter().chain(unclear).collect()
}

/// Whether the shell fills in which option a line has.
fn is_filled_in(line: &str) -> bool {
    let line = line.trim_start();
    let option = line.split([' ', '\t', '=']).next().unwrap_or_default();
    !line.starts_with('#') && option.contains(['$', '`'])
}

/// Some shells take `\n` for the end of a line in any case, the others with `-e`.
fn echoed(arguments: &[String]) -> Vec<Part> {
    let is_option = |word: &&String| ["-e", "-E"].contains(&word.as_str());
    let options = arguments.iter().take_while(is_option).count();
    let words = &arguments[options..];
    // Without the end of the line whatever comes next belongs to it.
    if words.first().is_some_and(|word| is_without_end(word)) {
        return vec![unclear("echo")];
    }
    lines("echo", &(words.join(" ").replace("\\n", "\n") + "\n"))
}

fn is_without_end(word: &str) -> bool {
    let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty());
    letters.is_some_and(|letters| letters.chars().all(|it| "neE".contains(it)))
}

fn formatted(arguments: &[String]) -> Vec<Part> {
    let text = arguments.split_first();
    let text = text.and_then(|(format, values)| format_with(format, values));
    // Without the end of the line whatever comes next belongs to it.
    match text.filter(|text| text.ends_with('\n')) {
        Some(text) => lines("printf", &text),
        None => vec![unclear("printf")],
    }
}

/// A format is used again until all values are; none if it has more than `%s`, `%%` and `\n`.
fn format_with(format: &str, values: &[String]) -> Option<String> {
    let mut values = values.iter();
    let mut text = String::new();
    loop {
        let before = values.len();
        let mut characters = format.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' | '\\' => match (character, characters.next()?) {
                    ('%', 's') => text.push_str(values.next().map_or("", String::as_str)),
                    ('%', '%') => text.push('%'),
                    ('\\', 'n') => text.push('\n'),
                    _ => return None,
                },
                other => text.push(other),
            }
        }
        if values.len() == 0 || values.len() == before {
            return Some(text);
        }
        if text.len() > LONGEST_TEXT {
            return None;
        }
    }
}
