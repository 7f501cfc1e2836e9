//! The words of a script, and what stands between them.

#[derive(Clone, Copy)]
pub(super) enum Redirection {
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    And,
    Or,
    Pipe,
    Line,
    /// The bracket that begins a group.
    Open,
    #[default]
    Other,
}

pub(super) enum Token {
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
    ("(", Operator::End(End::Open)),
    (")", Operator::Close),
];

pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// What stands below the here-documents of this line.
    below: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    pub(super) const fn of(script: &'a str) -> Self {
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
                    } else if quote != Some('\'') && character == '`' {
                        let is_within = |it: &char| *it != '`';
                        let text = characters.by_ref().map(|(_, it)| it);
                        word.extend(text.take_while(is_within));
                        word.push('`');
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
