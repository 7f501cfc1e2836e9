//! `turnserver.conf`: an option a line, by its long name, with `=` or blanks before its value
//! (`read_config_file` and `parse_arg_string` in `mainrelay.c`).

use super::Configuration;
use crate::{ProblemKind, Source, options::known};

/// turnserver reads lines by pieces of so many bytes.
const LONGEST: usize = 1023;

impl Configuration {
    pub(super) fn read_file(&mut self, name: &str, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let source = Source::Line {
                file: name.to_owned(),
                number: index + 1,
            };
            self.read_line(line, source);
        }
    }

    fn read_line(&mut self, line: &str, source: Source) {
        let line = line.trim_matches(|it: char| it.is_ascii_whitespace());
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
        let (option, rest) = line.split_at(end);
        if line.len() > LONGEST {
            self.complain(option, source.clone(), ProblemKind::TooLong);
        }
        let value = unquoted(rest.trim_start_matches([' ', '\t', '=']));
        match known(option) {
            Some(option) => self.give(option, Some(value), source),
            None => self.complain(option, source, ProblemKind::Unknown),
        }
    }
}

/// A quotation mark at the start goes, and one at the end with it.
fn unquoted(value: &str) -> &str {
    match value.strip_prefix('"') {
        Some(value) => value.strip_suffix('"').unwrap_or(value),
        None => value,
    }
}
