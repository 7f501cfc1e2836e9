//! One option as it was given, and where.

use std::fmt;

use crate::Version;

/// An option that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The long name, whichever was used.
    pub name: &'static str,
    /// What it was given.
    pub value: Value,
    /// Where.
    pub source: Source,
}

/// What an option was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the option stands alone.
    Absent,
    /// A text, without the quotes around it.
    Text(String),
    /// A text with a placeholder that something replaces before coturn starts: `$POD_IP`,
    /// `__COTURN_EXT_IP__`, `{{ .Values.ip }}`.
    Unresolved(String),
    /// A secret, which is not kept.
    Withheld,
}

impl Value {
    /// Reads a value. Whether it is a secret its option says.
    pub(crate) fn read(text: Option<&str>, is_secret: bool) -> Self {
        match text {
            None | Some("") => Self::Absent,
            Some(_) if is_secret => Self::Withheld,
            Some(text) if has_placeholder(text) => Self::Unresolved(text.to_owned()),
            Some(text) => Self::Text(text.to_owned()),
        }
    }

    /// The text, if it is known.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Unresolved(_) | Self::Withheld => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Text(text) | Self::Unresolved(text) => f.write_str(text),
            Self::Withheld => f.write_str("(withheld)"),
        }
    }
}

/// Whether something replaces a part of a text before it is used.
pub(crate) fn has_placeholder(text: &str) -> bool {
    text.contains('$')
        || text.contains("{{")
        || [("__", "__"), ("@", "@"), ("%", "%")]
            .iter()
            .any(|(open, close)| has_marked_name(text, open, close))
}

/// Whether a name in capitals stands between two marks.
fn has_marked_name(text: &str, open: &str, close: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_uppercase())
            && name
                .chars()
                .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_')
    };
    text.match_indices(open).any(|(start, _)| {
        let rest = &text[start + open.len()..];
        rest.find(close).is_some_and(|end| is_name(&rest[..end]))
    })
}

/// Where something was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a configuration file.
    Line {
        /// The file's name, as whoever read it says.
        file: String,
        /// From 1.
        number: usize,
    },
    /// On the command line.
    Argument,
    /// On the command line, as its word of this number, from 1.
    Word(usize),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, number } => write!(f, "{file}:{number}"),
            Self::Argument => f.write_str("command line"),
            Self::Word(number) => write!(f, "command line, word {number}"),
        }
    }
}

/// Something that coturn does not take as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What the option's name begins with, as it was written. Empty of a word that is no option: it may
    /// be a secret that missed its own.
    pub option: String,
    /// Where.
    pub source: Source,
    /// What is the matter.
    pub kind: ProblemKind,
}

impl Problem {
    /// Whether coturn does not start with it. What it does not know in a file it skips, with a warning
    /// in its log; on the command line it prints its usage and ends.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self.kind {
            ProblemKind::NotABoolean => true,
            ProblemKind::Unknown
            | ProblemKind::Ambiguous
            | ProblemKind::NoValue
            | ProblemKind::NotYet(_)
            | ProblemKind::NoMore(_)
            | ProblemKind::OfFork => self.source == Source::Argument,
            ProblemKind::TooLong | ProblemKind::Stray | ProblemKind::Apart(_) => false,
        }
    }
}

/// What is the matter with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// No coturn knows it.
    Unknown,
    /// It is short for more than one option.
    Ambiguous,
    /// It takes a value, and has none.
    NoValue,
    /// It takes a boolean, and has something else.
    NotABoolean,
    /// It came with this version, which is later than the one that runs.
    NotYet(Version),
    /// It is gone since this version.
    NoMore(Version),
    /// Only Wire's fork has it, and another coturn runs.
    OfFork,
    /// A line of more than 1023 bytes: coturn takes the rest for another line.
    TooLong,
    /// A word that belongs to no option.
    Stray,
    /// Its value stands after it, and before this version it takes one by `=` alone.
    Apart(Version),
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("$POD_IP", true)]
    #[case("$(POD_IP)", true)]
    #[case("__COTURN_EXT_IP__", true)]
    #[case("{{ .Values.realm }}", true)]
    #[case("@REALM@", true)]
    #[case("%REALM%", true)]
    #[case("example.com", false)]
    #[case("__init__", false)]
    #[case("user@example.com", false)]
    #[case("ALL:!aNULL:@STRENGTH", false)]
    #[case("/etc/file__name", false)]
    fn a_placeholder_is_told_from_a_value(#[case] text: &str, #[case] is_placeholder: bool) {
        assert_eq!(has_placeholder(text), is_placeholder);
    }

    #[test]
    fn a_secret_is_not_kept() {
        let value = Value::read(Some("north"), true);
        assert_eq!(format!("{value:?} {value}"), "Withheld (withheld)");
    }
}
