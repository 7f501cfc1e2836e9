//! For a person's eyes.

use std::fmt::Write as _;

use super::{Report, asking};

/// Where the text of a line begins.
const INDENT: &str = "          ";
/// How wide a line may become.
const WIDTH: usize = 100;

pub(super) fn told(report: &Report) -> String {
    let mut text = String::new();
    head(report, &mut text);
    for finding in &report.findings {
        let id = finding.id;
        let severity = id.severity().to_string().to_uppercase();
        line(&mut text, &format!("\n{severity:<9} {id}  {}", id.title()));
        field(&mut text, "seen", &finding.seen);
        field(&mut text, "set", &finding.set);
        field(&mut text, "why", id.why());
    }
    listeners(report, &mut text);
    gaps(report, &mut text);
    line(&mut text, "");
    for remark in &report.remarks {
        paragraph(&mut text, "note: ", remark);
    }
    line(&mut text, &format!("\n{}", report.sum()));
    text
}

fn line(text: &mut String, line: &str) {
    // A String takes all.
    let _ = writeln!(text, "{line}");
}

fn head(report: &Report, text: &mut String) {
    let Report {
        workload,
        container,
        image,
        coturn,
        policy,
        ..
    } = report;
    line(
        text,
        &format!("{workload}, container {container}, image {image}: {coturn}"),
    );
    paragraph(text, "policy ", &policy.to_string());
    let oldest = policy.oldest_clients();
    paragraph(text, "leaves out what is older than ", oldest);
    for warning in &report.warnings {
        paragraph(text, "warning: ", warning);
    }
}

fn listeners(report: &Report, text: &mut String) {
    for accepts in &report.listeners {
        line(
            text,
            &format!(
                "\n{} at {}{}",
                accepts.listener,
                accepts.at,
                asking(accepts)
            ),
        );
        for (version, suites) in &accepts.versions {
            field(text, version, &suites.join(", "));
        }
    }
}

fn gaps(report: &Report, text: &mut String) {
    if !report.gaps.is_empty() {
        line(text, "\nnot tested:");
    }
    for gap in &report.gaps {
        paragraph(text, "- ", &format!("{}: {}", gap.what, gap.why));
    }
}

/// A name, and a text beside it.
fn field(text: &mut String, name: &str, value: &str) {
    let lead = format!("{INDENT}{name:<5}");
    paragraph(text, &format!("{} ", lead.trim_end_matches('\n')), value);
}

/// Words, broken so that what follows the first line stands below its text.
fn paragraph(text: &mut String, lead: &str, words: &str) {
    let mut current = lead.to_owned();
    let mut is_first = true;
    for word in words.split_whitespace() {
        let is_full = current.chars().count() + 1 + word.chars().count() > WIDTH;
        if is_full && !is_first {
            line(text, current.trim_end());
            current = " ".repeat(lead.chars().count());
            is_first = true;
        }
        if !is_first {
            current.push(' ');
        }
        current.push_str(word);
        is_first = false;
    }
    line(text, current.trim_end());
}
