//! As much of a shell's grammar as the entry points of coturn images use: which commands a script
//! has, what their words are, and which files they write. Nothing is expanded.

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
    /// Whether its output goes to the next command.
    pub(crate) is_piped: bool,
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

    /// What is run, without what stands before it: assignments, and words that the shell keeps to itself.
    pub(crate) fn name(&self) -> Option<&str> {
        self.words.get(self.start()).map(String::as_str)
    }

    /// What its name is followed by.
    pub(crate) fn arguments(&self) -> &[String] {
        self.words.get(self.start() + 1..).unwrap_or_default()
    }

    fn start(&self) -> usize {
        let is_before = |word: &&String| LEADING.contains(&word.as_str()) || is_assignment(word);
        self.words.iter().take_while(is_before).count()
    }

    /// The one that follows it.
    fn next(&self, end: End) -> Self {
        let is_test = self.words.iter().any(|word| TESTS.contains(&word.as_str()));
        Self {
            is_conditional: match end {
                End::Or => true,
                End::And => self.is_conditional || is_test,
                End::Pipe => self.is_conditional,
                End::Line | End::Other => false,
            },
            ..Self::default()
        }
    }
}

/// Words before a command that are none of its own.
const LEADING: [&str; 12] = [
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", ")", "exec",
];

fn is_assignment(word: &str) -> bool {
    let is_of_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.chars().all(is_of_name))
}

/// What only asks.
const TESTS: [&str; 3] = ["[", "[[", "test"];
/// What begins a part of a script that is run or not, or more than once.
const OPENERS: [&str; 5] = ["if", "for", "while", "until", "case"];
/// What ends one.
const CLOSERS: [&str; 3] = ["fi", "done", "esac"];

/// The simple commands of a script, in the order in which they stand there.
pub(crate) fn commands(script: &str) -> Vec<Command> {
    let mut all = Vec::new();
    let mut command = Command::default();
    let mut redirection = None;
    for token in Tokens::of(script) {
        match (token, redirection.take()) {
            (Token::Redirection(to), _) => redirection = Some(to),
            (Token::Document(text), _) => command.document = Some(text),
            (Token::Word(word), None) => command.words.push(word),
            (Token::Word(word), Some(to)) => command.redirect(to, word),
            (Token::Close, _) => {
                all.push(std::mem::take(&mut command));
                command.words.push(")".to_owned());
            }
            // A line may end where a command is still to come.
            (Token::End(End::Line), _) if command.is_empty() => {}
            (Token::End(end), _) => {
                command.is_piped = end == End::Pipe;
                let next = command.next(end);
                all.push(std::mem::replace(&mut command, next));
            }
        }
    }
    all.push(command);
    all.retain(|command| !command.is_empty());
    mark(&mut all);
    all
}

/// Marks what stands within `if`, `for`, `while`, `until` and `case`.
fn mark(commands: &mut [Command]) {
    let mut depth = 0_usize;
    for command in commands {
        let first = command
            .words
            .first()
            .map(String::as_str)
            .unwrap_or_default();
        if OPENERS.contains(&first) {
            depth += 1;
        }
        command.is_conditional |= depth > 0;
        if CLOSERS.contains(&first) {
            depth = depth.saturating_sub(1);
        }
    }
}

#[derive(Clone, Copy)]
enum Redirection {
    Input,
    /// `<<<`
    Line,
    Output {
        is_added: bool,
    },
    /// Of what is no file, or not what a command prints.
    Other,
}

/// What ends a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    And,
    Or,
    Pipe,
    Line,
    Other,
}

enum Token {
    Word(String),
    Redirection(Redirection),
    Document(String),
    End(End),
    /// The bracket that ends a group.
    Close,
}

#[derive(Clone, Copy)]
enum Operator {
    Redirection(Redirection),
    Document { is_indented: bool },
    End(End),
    Close,
}

const fn output(is_added: bool) -> Operator {
    Operator::Redirection(Redirection::Output { is_added })
}

/// Longer ones before those that they begin with.
const OPERATORS: [(&str, Operator); 20] = [
    ("&>>", output(true)),
    ("&>", output(false)),
    ("&&", Operator::End(End::And)),
    ("&", Operator::End(End::Other)),
    ("||", Operator::End(End::Or)),
    ("|&", Operator::End(End::Pipe)),
    ("|", Operator::End(End::Pipe)),
    ("<<<", Operator::Redirection(Redirection::Line)),
    ("<<-", Operator::Document { is_indented: true }),
    ("<<", Operator::Document { is_indented: false }),
    ("<&", Operator::Redirection(Redirection::Other)),
    ("<", Operator::Redirection(Redirection::Input)),
    (">>", output(true)),
    (">|", output(false)),
    (">&", Operator::Redirection(Redirection::Other)),
    (">", output(false)),
    ("\n", Operator::End(End::Line)),
    (";", Operator::End(End::Other)),
    ("(", Operator::End(End::Other)),
    (")", Operator::Close),
];

struct Tokens<'a> {
    rest: &'a str,
    /// What stands below the here-documents of this line.
    below: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    const fn of(script: &'a str) -> Self {
        Self {
            rest: script,
            below: None,
        }
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
        let mut all = OPERATORS.iter();
        let (text, operator) = all.find(|(text, _)| self.rest.starts_with(text))?;
        self.skip(text.len());
        Some(match operator {
            Operator::Redirection(to) => Token::Redirection(*to),
            Operator::Document { is_indented } => Token::Document(self.document(*is_indented)),
            Operator::End(end) => {
                if *end == End::Line {
                    self.rest = self.below.take().unwrap_or(self.rest);
                }
                Token::End(*end)
            }
            Operator::Close => Token::Close,
        })
    }

    /// A here-document stands below the line that asks for it, up to a line that has its delimiter alone.
    fn document(&mut self, is_indented: bool) -> String {
        self.skip_blanks();
        let delimiter = self.word();
        let below = self.rest.split_once('\n').map(|(_, below)| below);
        let mut rest = self.below.or(below).unwrap_or_default();
        let mut text = String::new();
        while !rest.is_empty() {
            let (mut line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            rest = after;
            if is_indented {
                line = line.trim_start_matches('\t');
            }
            if line == delimiter {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        self.below = Some(rest);
        text
    }

    /// A file descriptor before a redirection is none of the words; where it is that of errors, what is
    /// redirected is not what a command prints.
    fn descriptor(&mut self) -> Option<Token> {
        let rest = self.rest.trim_start_matches(|it: char| it.is_ascii_digit());
        if rest.len() == self.rest.len() || !rest.starts_with(['<', '>']) {
            return None;
        }
        let is_of_errors = self.rest.starts_with('2');
        self.rest = rest;
        match self.operator()? {
            Token::Redirection(_) if is_of_errors => Some(Token::Redirection(Redirection::Other)),
            token => Some(token),
        }
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
                    Some((_, escaped)) => {
                        if quote.is_some() && !"$`\"\\".contains(escaped) {
                            word.push('\\');
                        }
                        word.push(escaped);
                    }
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
        self.operator()
            .or_else(|| self.descriptor())
            .or_else(|| Some(Token::Word(self.word())))
    }
}

#[cfg(test)]
mod tests;
