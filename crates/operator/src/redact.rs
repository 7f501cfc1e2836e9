//! The last line of defence against key bytes in text that others wrote.

/// Longest run of base64 characters that may stand in a message. A line of PEM has 64, unless it is
/// the last; a SHA-256 in hex has as many, but is all hex digits.
const LONGEST_RUN: usize = 39;

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
        clean.push_str(if may_be_key(&run) { "…" } else { &run });
        run.clear();
        clean.push(character);
    }
    clean.trim_end().to_owned()
}

/// A value that others wrote, for the middle of a message: as above, and so short that what is said after it
/// is not cut off.
#[must_use]
pub fn excerpt(value: &str) -> String {
    let clean = redact(value);
    if clean.chars().count() <= LONGEST_VALUE {
        return clean;
    }
    let kept: String = clean.chars().take(LONGEST_VALUE).collect();
    kept + "…"
}

fn may_be_key(run: &str) -> bool {
    let hex = run.len() <= 64 && run.chars().all(|character| character.is_ascii_hexdigit());
    run.len() > LONGEST_RUN && !hex
}

const LONGEST_MESSAGE: usize = 900;
const LONGEST_VALUE: usize = 300;

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
    fn a_single_line_of_pem_is_withheld() {
        let line = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg".to_owned() + &"A".repeat(16);
        assert_eq!(redact(&format!("got {line}")), "got …");
    }

    #[test]
    fn pem_is_withheld() {
        assert!(!redact("got -----BEGIN PRIVATE KEY-----\nAAAA").contains("AAAA"));
    }

    #[test]
    fn a_message_is_cut() {
        assert!(redact(&"word ".repeat(1000)).len() < 1000);
    }

    #[test]
    fn a_value_leaves_room_for_what_is_said_of_it() {
        assert_eq!(excerpt("/ca/ca.crt"), "/ca/ca.crt");
        let long = excerpt(&"/ca".repeat(1000));
        assert!(long.ends_with('…') && long.chars().count() <= 301);
        assert!(!excerpt(&"QUJD".repeat(40)).contains("QUJD"));
    }
}
