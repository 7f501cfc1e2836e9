//! The command line, as `getopt_long` takes it: long options may be shortened, and words that are
//! none may stand between them.

use std::iter::Peekable;

use super::Configuration;
use crate::{
    ProblemKind, Source,
    options::{Argument, Known, abbreviated, known, short},
};

impl Configuration {
    pub(super) fn read_arguments(&mut self, arguments: &[String]) {
        let mut words = arguments.iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            let number = arguments.len() - words.len();
            if word == "--" {
                return;
            }
            if let Some(long) = word.strip_prefix("--") {
                self.read_long(long, &mut words);
            } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                self.read_letters(letters, &mut words);
            } else {
                self.complain("", Source::Word(number), ProblemKind::Stray);
            }
        }
    }

    fn read_long<'a>(&mut self, long: &str, words: &mut Peekable<impl Iterator<Item = &'a str>>) {
        let (name, glued) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        match abbreviated(name).as_slice() {
            [] => self.complain(name, Source::Argument, ProblemKind::Unknown),
            [option] => {
                let next = match glued {
                    Some(_) => None,
                    None => self.apart(*option, words),
                };
                self.give(*option, glued.or(next), Source::Argument);
            }
            _ => self.complain(name, Source::Argument, ProblemKind::Ambiguous),
        }
    }

    /// The value of an option that stands after it. Where that depends on the version, what looks like one
    /// is one, and versions that do not take it so are told of.
    fn apart<'a>(
        &mut self,
        option: Known,
        words: &mut Peekable<impl Iterator<Item = &'a str>>,
    ) -> Option<&'a str> {
        if option.argument == Argument::Required {
            return words.next();
        }
        let since = option.required_since()?;
        let value = words.next_if(|word| !word.starts_with('-'))?;
        self.complain(option.name, Source::Argument, ProblemKind::Apart(since));
        Some(value)
    }

    /// Letters may stand together; what follows one that takes a value is that. What follows one that is
    /// not known may be no letters at all.
    fn read_letters<'a>(&mut self, letters: &str, words: &mut impl Iterator<Item = &'a str>) {
        for (at, letter) in letters.char_indices() {
            let Some(option) = short(letter) else {
                let option = letter.to_string();
                self.complain(&option, Source::Argument, ProblemKind::Unknown);
                return;
            };
            let glued = &letters[at + letter.len_utf8()..];
            let value = match (option.takes_value, glued) {
                (false, _) => None,
                (true, "") => words.next(),
                (true, glued) => Some(glued),
            };
            self.give_letter(known(option.name), value);
            if option.takes_value {
                return;
            }
        }
    }

    /// `-c`, `-n` and `-h` are no settings.
    fn give_letter(&mut self, option: Option<Known>, value: Option<&str>) {
        if let Some(option) = option {
            self.give(option, value, Source::Argument);
        }
    }
}
