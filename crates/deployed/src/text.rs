//! A file of configuration, of what was read of its parts.

/// What was read of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All of it.
    Known {
        /// Where it stands: a name for messages.
        name: String,
        /// What it says.
        text: String,
    },
    /// What holds it has no such key, or is not there: why.
    Missing(String),
    /// What cannot be known from here: why.
    Unknown(String),
    /// What may have changed the pieces before it: why.
    Changed(String),
    /// What could not be read, which was told already.
    Unread,
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Names and texts in their order. None: there is no file, as far as is known.
    pub files: Vec<(String, String)>,
    /// Why it is not known what all of it says; nothing if it is.
    pub unknown: Vec<String>,
    /// Whether a value that was read may be another one.
    pub is_changed: bool,
}

impl Text {
    /// Puts the pieces of a file together. A line that goes on in the next piece is left out, with what it
    /// goes on with: of neither alone it can be told what it says.
    #[must_use]
    pub fn of(pieces: Vec<Piece>) -> Self {
        let is_alone = pieces.len() == 1;
        let mut all = Self::default();
        let mut last = Last::Ended;
        for piece in pieces {
            match piece {
                Piece::Known { name, text } => last = all.add(name, text, last),
                Piece::Missing(_) if is_alone => {}
                Piece::Missing(why) => all.unknown.push(why),
                Piece::Unknown(why) => {
                    all.unknown.push(why);
                    last = Last::Unknown;
                }
                Piece::Changed(why) => {
                    all.unknown.push(why);
                    all.is_changed = true;
                    last = Last::Unknown;
                }
                Piece::Unread => last = Last::Unknown,
            }
        }
        all
    }

    fn add(&mut self, name: String, mut text: String, last: Last) -> Last {
        if !text.is_empty() && !text.starts_with('\n') && last != Last::Ended {
            if let (Last::Open, Some((_, before))) = (last, self.files.last_mut()) {
                before.truncate(before.rfind('\n').map_or(0, |end| end + 1));
            }
            // Lines keep their numbers.
            text.drain(..text.find('\n').unwrap_or(text.len()));
            self.unknown.push(format!(
                "the first line of {name} may go on with one that is not ended before it"
            ));
        }
        let next = if text.is_empty() {
            last
        } else if text.ends_with('\n') {
            Last::Ended
        } else {
            Last::Open
        };
        self.files.push((name, text));
        next
    }
}

/// How the line before a piece stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Ended,
    /// It is the last one that was read, and goes on.
    Open,
    /// It is not known.
    Unknown,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn known(text: &str) -> Piece {
        Piece::Known {
            name: "a".to_owned(),
            text: text.to_owned(),
        }
    }

    fn unknown() -> Piece {
        Piece::Unknown("why".to_owned())
    }

    /// The texts, and how many things are not known.
    fn told(pieces: &[Piece]) -> (Vec<String>, usize) {
        let text = Text::of(pieces.to_vec());
        let texts = text.files.into_iter().map(|(_, text)| text).collect();
        (texts, text.unknown.len())
    }

    #[rstest]
    #[case::one_that_is_not_ended(&[known("a")], &["a"], 0)]
    #[case::whole_lines(&[known("a\n"), known(""), known("b\nc")], &["a\n", "", "b\nc"], 0)]
    #[case::a_line_that_goes_on(&[known("a\nb="), known("c\nd\n")], &["a\n", "\nd\n"], 1)]
    #[case::one_beyond_a_piece(&[known("a\nb="), known(""), known("c\nd\n")], &["a\nb=", "", "\nd\n"], 1)]
    #[case::one_that_is_ended_later(&[known("a"), known("\nb\n")], &["a", "\nb\n"], 0)]
    #[case::what_may_go_on(&[unknown(), known("a\nb\n")], &["\nb\n"], 2)]
    #[case::what_could_not_be_read(&[Piece::Unread, known("a")], &[""], 1)]
    fn a_line_that_may_go_on_in_the_next_piece_is_not_read(
        #[case] pieces: &[Piece],
        #[case] texts: &[&str],
        #[case] unknown: usize,
    ) {
        let texts = texts.iter().map(ToString::to_string).collect();
        assert_eq!(told(pieces), (texts, unknown));
    }

    #[test]
    fn a_part_that_is_missing_is_not_known_only_where_there_are_others() {
        let missing = Piece::Missing("why".to_owned());
        assert_eq!(Text::of(vec![missing.clone()]), Text::default());
        let texts = vec!["a\n".to_owned()];
        assert_eq!(told(&[known("a\n"), missing]), (texts, 1));
    }
}
