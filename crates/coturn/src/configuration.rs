//! A configuration file and a command line, as one.
//!
//! turnserver reads the file first and the command line after that. Most options keep what they were
//! given last; those of which there may be several (`federation-remote-whitelist`, `denied-peer-ip`)
//! collect.

mod arguments;
mod file;
#[cfg(test)]
mod tests;

use crate::{
    Build, Problem, ProblemKind, Setting, Source, Support, Value, Whitelist,
    options::{Argument, Known, known},
    whitelist::Entry,
};

/// Everything that one turnserver was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// On.
    On,
    /// Off, as most are unless they are given.
    Off,
    /// It depends on a placeholder.
    Unresolved,
}

impl Configuration {
    /// Reads a file, whose name findings will tell, and a command line.
    #[must_use]
    pub fn read(files: &[(&str, &str)], arguments: &[String]) -> Self {
        let mut configuration = Self::default();
        for (name, text) in files {
            configuration.read_file(name, text);
        }
        configuration.read_arguments(arguments);
        configuration
    }

    /// All that was given, in the order in which turnserver takes it.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// What turnserver of this build does not take as it was meant.
    #[must_use]
    pub fn problems(&self, build: Build) -> Vec<Problem> {
        let unsupported = self.settings.iter().filter_map(|setting| {
            let kind = match known(setting.name)?.support(build) {
                Support::NotYet(since) => ProblemKind::NotYet(since),
                Support::NoMore(until) => ProblemKind::NoMore(until),
                Support::OfFork => ProblemKind::OfFork,
                Support::Honoured | Support::Deprecated { .. } => return None,
            };
            Some(Problem {
                option: setting.name.to_owned(),
                source: setting.source.clone(),
                kind,
            })
        });
        let own = self.problems.iter().filter(|it| is_of(it, build));
        own.cloned().chain(unsupported).collect()
    }

    /// What an option was given last.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Setting> {
        self.all(name).last()
    }

    /// All that an option was given.
    pub fn all<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a Setting> {
        let name = known(name).map(|option| option.name);
        let is_it = move |setting: &&Setting| Some(setting.name) == name;
        self.settings.iter().filter(is_it)
    }

    /// How a switch stands in the end.
    #[must_use]
    pub fn flag(&self, name: &str) -> Flag {
        self.last(name).map_or(Flag::Off, flag_of)
    }

    /// The text that an option was given last, if it is known.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.last(name)?.value.text()
    }

    /// Whom the fork lets federate, as far as the values are known.
    #[must_use]
    pub fn whitelist(&self) -> Whitelist {
        let values = self.all("federation-remote-whitelist");
        values
            .filter_map(|setting| setting.value.text().map(Entry::parse))
            .collect()
    }

    fn give(&mut self, option: Known, text: Option<&str>, source: Source) {
        let value = Value::read(text, option.is_secret());
        let takes_value =
            option.argument == Argument::Required || option.required_since().is_some();
        let is_boolean = option.argument == Argument::Switch;
        if takes_value && value == Value::Absent {
            self.complain(option.name, source.clone(), ProblemKind::NoValue);
        }
        if is_boolean && value.text().is_some_and(|text| boolean(text).is_none()) {
            self.complain(option.name, source.clone(), ProblemKind::NotABoolean);
        }
        self.settings.push(Setting {
            name: option.name,
            value,
            source,
        });
    }

    /// Of what is no option only the leading word is kept: a secret may stand behind it.
    fn complain(&mut self, option: &str, source: Source, kind: ProblemKind) {
        self.problems.push(Problem {
            option: leading_word(option).to_owned(),
            source,
            kind,
        });
    }
}

/// Whether a build has a problem, where that depends on its version.
fn is_of(problem: &Problem, build: Build) -> bool {
    let required_since = known(&problem.option).and_then(|option| option.required_since());
    match (problem.kind, required_since) {
        (ProblemKind::Apart(since), _) => build.is_at_least(since) == Some(false),
        (ProblemKind::NoValue, Some(since)) => build.is_at_least(since) == Some(true),
        (
            ProblemKind::NoValue
            | ProblemKind::Unknown
            | ProblemKind::Ambiguous
            | ProblemKind::NotABoolean
            | ProblemKind::NotYet(_)
            | ProblemKind::NoMore(_)
            | ProblemKind::OfFork
            | ProblemKind::TooLong
            | ProblemKind::Stray,
            _,
        ) => true,
    }
}

/// The letters, digits, dashes and underscores that a text begins with: all that names of options have.
fn leading_word(text: &str) -> &str {
    let is_of_word = |it: char| it.is_ascii_alphanumeric() || "-_".contains(it);
    let end = text.find(|it| !is_of_word(it));
    &text[..end.unwrap_or(text.len())]
}

/// How one setting has a switch stand. A text that is no boolean ends turnserver; it counts as on.
pub(crate) fn flag_of(setting: &Setting) -> Flag {
    match &setting.value {
        Value::Absent | Value::Withheld => Flag::On,
        Value::Unresolved(_) => Flag::Unresolved,
        Value::Text(text) => match boolean(text) {
            Some(false) => Flag::Off,
            Some(true) | None => Flag::On,
        },
    }
}

/// turnserver's reading of a boolean: the first letter decides, but for `on` and `off`.
fn boolean(text: &str) -> Option<bool> {
    match text.chars().next()? {
        '0' | 'n' | 'N' | 'f' | 'F' => Some(false),
        'y' | 'Y' | 't' | 'T' | '1'..='9' => Some(true),
        _ => match text {
            "off" | "OFF" | "Off" => Some(false),
            "on" | "ON" | "On" => Some(true),
            _ => None,
        },
    }
}
