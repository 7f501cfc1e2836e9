//! Where the documents of a stream of YAML lie.

use std::ops::Range;

/// The ranges of the documents, without the lines that part them.
pub(super) fn ranges(stream: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in stream.split_inclusive('\n') {
        if parts(line) {
            ranges.push(start..at);
            // What stands behind the mark belongs to the document.
            start = at + "---".len();
        }
        at += line.len();
    }
    ranges.push(start..at);
    ranges.retain(|range| !stream[range.clone()].trim().is_empty());
    ranges
}

/// Whether a line begins a document (YAML 1.2, section 9.1.2).
fn parts(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}
