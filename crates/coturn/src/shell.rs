//! As much of a shell's grammar as the entry points of coturn images use: which commands a script
//! has, what their words are, and which files they write. Nothing is expanded.

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its words, without quotes.
    pub(crate) words: Vec<String>,
    /// Files that its output goes to.
    pub(crate) outputs: Vec<String>,
    /// Files that its input comes from.
    pub(crate) inputs: Vec<String>,
}

impl Command {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.outputs.is_empty() && self.inputs.is_empty()
    }
}

/// The simple commands of a script, in the order in which they stand there.
pub(crate) fn commands(script: &str) -> Vec<Command> {
    let mut commands = vec![Command::default()];
    let mut redirection = None;
    for token in Tokens::of(script) {
        let Some(command) = commands.last_mut() else {
            return commands;
        };
        match (token, redirection.take()) {
            (Token::End, _) => commands.push(Command::default()),
            (Token::Redirection(to), _) => redirection = Some(to),
            (Token::Word(word), None) => command.words.push(word),
            (Token::Word(word), Some(Direction::Out)) => command.outputs.push(word),
            (Token::Word(word), Some(Direction::In)) => command.inputs.push(word),
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

#[derive(Clone, Copy)]
enum Direction {
    In,
    Out,
}

enum Token {
    Word(String),
    Redirection(Direction),
    End,
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    const fn of(script: &'a str) -> Self {
        Self { rest: script }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Blanks, lines that go on, and comments.
    fn skip_blanks(&mut self) {
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
            self.rest = self.rest.strip_prefix("\\\n").unwrap_or(self.rest);
            if self.rest.starts_with('#') {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            }
            if self.rest.len() == before {
                return;
            }
        }
    }

    fn operator(&mut self) -> Option<Token> {
        let length = self.rest.chars().take_while(|it| "<>|&;\n()".contains(*it));
        let run: String = length.collect();
        let first = run.chars().next()?;
        let token = match first {
            '>' => Token::Redirection(Direction::Out),
            '<' => Token::Redirection(Direction::In),
            _ => Token::End,
        };
        // Of `>>` and `>&` the whole; of the others one at a time, as they all end a command.
        let is_redirection = matches!(token, Token::Redirection(_));
        let whole = run.chars().take_while(|it| "<>&|".contains(*it)).count();
        self.skip(if is_redirection { whole } else { 1 });
        Some(token)
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        let mut quote = None;
        let mut characters = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, character)) = characters.next() {
            match (quote, character) {
                (None, end_of_word) if ends_word(end_of_word, &word) => {
                    end = at;
                    break;
                }
                (None, '\'' | '"') => quote = Some(character),
                (Some(open), close) if open == close => quote = None,
                (None | Some('"'), '\\') => match characters.next() {
                    Some((_, '\n')) | None => {}
                    Some((_, escaped)) => word.push(escaped),
                },
                (_, character) => {
                    word.push(character);
                    if quote != Some('\'') && word.ends_with("$(") {
                        word.push_str(&substitution(&mut characters));
                    }
                }
            }
        }
        self.skip(end);
        word
    }
}

/// Whether a character that is not quoted ends a word.
fn ends_word(character: char, word: &str) -> bool {
    match character {
        '(' => !word.ends_with('$'),
        other => " \t\r\n<>|&;)".contains(other),
    }
}

/// What stands in `$( … )`, with the bracket that ends it.
fn substitution(characters: &mut std::str::CharIndices<'_>) -> String {
    let mut depth = 1;
    let mut text = String::new();
    for (_, character) in characters {
        text.push(character);
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    text
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        if self.rest.is_empty() {
            return None;
        }
        self.operator().or_else(|| {
            // A file descriptor before a redirection is none of the words.
            let digits = self.rest.trim_start_matches(|it: char| it.is_ascii_digit());
            if digits.len() < self.rest.len() && digits.starts_with(['<', '>']) {
                self.rest = digits;
                return self.operator();
            }
            Some(Token::Word(self.word()))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(script: &str) -> Vec<Vec<String>> {
        let commands = commands(script);
        commands.into_iter().map(|command| command.words).collect()
    }

    #[test]
    fn quotes_join_and_operators_divide() {
        assert_eq!(
            words("set -e; a 'b c' \"d $E\" f\\ g && h|i\nj # k\n"),
            [
                vec!["set", "-e"],
                vec!["a", "b c", "d $E", "f g"],
                vec!["h"],
                vec!["i"],
                vec!["j"]
            ]
        );
    }

    #[test]
    fn a_line_that_goes_on_is_one() {
        assert_eq!(
            words("exec turnserver \\\n  -c /a \\\n  -v"),
            [["exec", "turnserver", "-c", "/a", "-v"]]
        );
    }

    #[test]
    fn what_a_command_writes_and_reads_is_told_from_its_words() {
        let commands = commands("sed -e 's;a;b;g' /in > /out\nenvsubst < /in >> \"/out\" 2>&1");
        assert_eq!(commands[0].words, ["sed", "-e", "s;a;b;g", "/in"]);
        assert_eq!(commands[0].outputs, ["/out"]);
        assert_eq!(commands[1].inputs, ["/in"]);
        assert_eq!(commands[1].outputs, ["/out", "1"]);
    }

    #[test]
    fn a_substitution_is_one_word() {
        assert_eq!(
            words("turnserver --external-ip=$(curl -s http://a (b)) -v"),
            [["turnserver", "--external-ip=$(curl -s http://a (b))", "-v"]]
        );
        assert_eq!(words("A=\"$(cat /x)\" b"), [["A=$(cat /x)", "b"]]);
    }

    proptest! {
        #[test]
        fn any_script_comes_to_an_end(script in "[a '\"\\\\$();|&<>#\n0-9]{0,40}") {
            let _ = commands(&script);
        }
    }
}
