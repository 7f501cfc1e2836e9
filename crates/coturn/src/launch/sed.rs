//! What `sed` does to a configuration, as far as entry points of coturn images use it.

use crate::setting::has_placeholder;

/// A command line of `sed`.
#[derive(Default)]
pub(super) struct Sed<'a> {
    scripts: Vec<&'a str>,
    /// The files that it reads; none: its input.
    pub(super) files: Vec<&'a str>,
    /// Whether it changes them.
    pub(super) is_in_place: bool,
    has_other_options: bool,
}

/// What becomes of the lines that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect<'a> {
    /// Placeholders are replaced.
    Filled,
    /// Each begins with this.
    Prefixed(&'a str),
    /// Something else.
    Unclear,
}

impl<'a> Sed<'a> {
    pub(super) fn of(arguments: &'a [String]) -> Self {
        let mut sed = Self::default();
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                None => sed.files.push(word),
                Some(option) => match option.strip_prefix('-') {
                    Some(long) => sed.take_long(long),
                    None => sed.take_letters(option, &mut words),
                },
            }
        }
        if sed.scripts.is_empty() && !sed.files.is_empty() {
            sed.scripts.push(sed.files.remove(0));
        }
        sed
    }

    fn take_long(&mut self, option: &'a str) {
        match option.split_once('=').unwrap_or((option, "")) {
            ("expression", script) => self.scripts.push(script),
            ("in-place", _) => self.is_in_place = true,
            ("regexp-extended", _) => {}
            _ => self.has_other_options = true,
        }
    }

    fn take_letters(&mut self, letters: &'a str, words: &mut impl Iterator<Item = &'a str>) {
        for (at, letter) in letters.char_indices() {
            match (letter, &letters[at + letter.len_utf8()..]) {
                ('e', "") => self.scripts.extend(words.next()),
                ('e', script) => self.scripts.push(script),
                ('i', _) => self.is_in_place = true,
                ('E' | 'r' | 's' | 'u', _) => continue,
                _ => self.has_other_options = true,
            }
            return;
        }
    }

    pub(super) fn effect(&self) -> Effect<'a> {
        let all: Option<Vec<_>> = self.scripts.iter().map(|it| substitutions(it)).collect();
        let all: Vec<_> = all.unwrap_or_default().into_iter().flatten().collect();
        let is_line =
            |replacement: &str| !replacement.contains('\n') && !replacement.contains("\\n");
        let is_within = !all.is_empty() && all.iter().all(|(_, it)| is_line(it));
        if !is_within || self.has_other_options {
            return Effect::Unclear;
        }
        match all.as_slice() {
            [("^", prefix)] if !prefix.contains(['&', '\\']) => Effect::Prefixed(prefix),
            all if all.iter().all(|(pattern, _)| is_placeholder(pattern)) => Effect::Filled,
            _ => Effect::Unclear,
        }
    }
}

/// Between two commands of a script.
const BETWEEN: [char; 4] = [';', ' ', '\t', '\n'];

/// Patterns and what replaces them; none if a script has any other command.
fn substitutions(script: &str) -> Option<Vec<(&str, &str)>> {
    let mut all = Vec::new();
    let mut rest = script.trim_start_matches(BETWEEN);
    while !rest.is_empty() {
        let mut characters = rest.strip_prefix('s')?.chars();
        let delimiter = characters.next().filter(char::is_ascii_punctuation)?;
        let (pattern, after) = until(delimiter, characters.as_str())?;
        let (replacement, after) = until(delimiter, after)?;
        all.push((pattern, replacement));
        let end = after.trim_start_matches(|it: char| it.is_ascii_digit() || "gIi".contains(it));
        rest = end.trim_start_matches(BETWEEN);
        if rest.len() == end.len() && !rest.is_empty() {
            return None;
        }
    }
    Some(all)
}

/// What stands before a mark that no backslash escapes, and after it.
fn until(mark: char, text: &str) -> Option<(&str, &str)> {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == mark {
            return Some((&text[..at], characters.as_str()));
        }
    }
    None
}

/// Whether a pattern is no more than a placeholder, which is also told from a value: anything else may make
/// one option of another, or have another value than it seems.
fn is_placeholder(pattern: &str) -> bool {
    let is_name = |it: char| it.is_ascii_alphanumeric() || " _-.@%{}$<>\\".contains(it);
    has_placeholder(pattern) && pattern.chars().all(is_name) && !pattern.ends_with('$')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("s;__IP__;$IP;g", Effect::Filled)]
    #[case::some("s/@IP@/1/; s/%REALM%/a\\/b/g", Effect::Filled)]
    #[case::a_variable(r"s/\${IP}/$IP/", Effect::Filled)]
    #[case::capitals_that_nothing_marks("s/REPLACE_ME/$IP/", Effect::Unclear)]
    #[case::the_beginning("s/^/static-auth-secret=/", Effect::Prefixed("static-auth-secret="))]
    #[case::a_comment_that_becomes_an_option("s/^# *lt-cred-mech/lt-cred-mech/", Effect::Unclear)]
    #[case::an_option("s/no-tls/no-dtls/", Effect::Unclear)]
    #[case::a_value("s/realm=.*$/realm=$REALM/", Effect::Unclear)]
    #[case::a_line_more(r"s/__IP__/$IP\nno-auth/", Effect::Unclear)]
    #[case::both("s/^/a=/; s/__IP__/$IP/", Effect::Unclear)]
    #[case::another_command("$ a no-auth", Effect::Unclear)]
    #[case::a_command_after_it("s/__IP__/$IP/;/realm/d", Effect::Unclear)]
    #[case::a_flag_that_writes("s/__IP__/$IP/w /b", Effect::Unclear)]
    #[case::nothing("", Effect::Unclear)]
    fn only_what_fills_in_or_goes_before_is_understood(
        #[case] script: &str,
        #[case] effect: Effect<'_>,
    ) {
        let arguments = [script.to_owned()];
        assert_eq!(Sed::of(&arguments).effect(), effect);
    }

    #[rstest]
    #[case(&["-Ee", "s;__A__;1;", "-e", "s;__B__;2;", "/in"], false, Effect::Filled)]
    #[case(&["-i.bak", "s;__A__;1;", "/in"], true, Effect::Filled)]
    #[case(&["-Ei", "--expression=s;__A__;1;", "/in"], true, Effect::Filled)]
    #[case(&["-n", "s;__A__;1;", "/in"], false, Effect::Unclear)]
    #[case(&["--quiet", "s;__A__;1;", "/in"], false, Effect::Unclear)]
    fn its_options_are_told_from_its_files(
        #[case] arguments: &[&str],
        #[case] is_in_place: bool,
        #[case] effect: Effect<'_>,
    ) {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let sed = Sed::of(&arguments);
        assert_eq!(sed.files, ["/in"]);
        assert_eq!((sed.is_in_place, sed.effect()), (is_in_place, effect));
    }
}
