//! The last line of defence against key bytes in text that others wrote.

/// Longest run of base64 characters that may stand in a message: a SHA-256 in hex.
const LONGEST_RUN: usize = 64;

/// The text without PEM blocks and without long runs of base64, cut to a length that conditions
/// and events can carry.
#[must_use]
pub fn redact(text: &str) -> String {
    if text.contains("-----BEGIN") {
        return "(withheld: holds PEM)".to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut run = String::new();
    for character in text.chars().take(LONGEST_MESSAGE).chain([' ']) {
        if character.is_ascii_alphanumeric() || "+/=".contains(character) {
            run.push(character);
            continue;
        }
        clean.push_str(if run.len() > LONGEST_RUN { "…" } else { &run });
        run.clear();
        clean.push(character);
    }
    clean.trim_end().to_owned()
}

const LONGEST_MESSAGE: usize = 900;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_of_base64_is_withheld_and_a_fingerprint_is_not() {
        let key = "QUJD".repeat(40);
        let fingerprint = "ab".repeat(32);
        let text = redact(&format!("invalid value: \"{key}\" of sha256:{fingerprint}"));
        assert_eq!(
            text,
            format!("invalid value: \"…\" of sha256:{fingerprint}")
        );
    }

    #[test]
    fn pem_is_withheld() {
        assert!(!redact("got -----BEGIN PRIVATE KEY-----\nAAAA").contains("AAAA"));
    }

    #[test]
    fn a_message_is_cut() {
        assert!(redact(&"word ".repeat(1000)).len() < 1000);
    }
}
