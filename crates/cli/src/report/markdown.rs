//! For an issue or a wiki.

use std::fmt::Write as _;

use super::{Report, asking};

pub(super) fn told(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        // A String takes all.
        let _ = writeln!(text, "{line}");
    };
    line(format!("# Audit of {}\n", report.workload));
    line(format!(
        "Container `{}`, image `{}`: {}.\n",
        report.container, report.image, report.coturn
    ));
    line(format!(
        "Policy {}; it leaves out what is older than {}.\n",
        report.policy,
        report.policy.oldest_clients()
    ));
    for warning in &report.warnings {
        line(format!("> {warning}\n"));
    }
    if !report.findings.is_empty() {
        line(
            "| severity | id | finding | seen | set | why |\n|---|---|---|---|---|---|".to_owned(),
        );
    }
    for finding in &report.findings {
        let id = finding.id;
        let cells = [id.title(), &finding.seen, &finding.set, id.why()].map(cell);
        line(format!(
            "| {} | {id} | {} |",
            id.severity(),
            cells.join(" | ")
        ));
    }
    line(format!("\n**{}**", report.sum()));
    for accepts in &report.listeners {
        line(format!(
            "\n## {} at {}{}\n",
            accepts.listener,
            accepts.at,
            asking(accepts)
        ));
        for (version, suites) in &accepts.versions {
            line(format!("- {version}: {}", suites.join(", ")));
        }
    }
    if !report.gaps.is_empty() {
        line("\n## Not tested\n".to_owned());
    }
    for gap in &report.gaps {
        line(format!("- {}: {}", gap.what, gap.why));
    }
    line("\n## Notes\n".to_owned());
    for remark in &report.remarks {
        line(format!("- {remark}"));
    }
    text
}

/// What stands between two bars.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
