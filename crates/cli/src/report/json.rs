//! For programs: names and ids never change their meaning; fields may be added.

use serde::Serialize;

use super::Report;
use crate::{error::Error, finding::Severity};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    workload: &'a str,
    container: &'a str,
    image: &'a str,
    coturn: &'a str,
    policy: Policy<'a>,
    warnings: &'a [String],
    findings: Vec<Finding<'a>>,
    listeners: Vec<Listener<'a>>,
    not_tested: Vec<Gap<'a>>,
    remarks: &'a [&'static str],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy<'a> {
    name: &'a str,
    guideline: &'a str,
    date: String,
    oldest_clients: &'a str,
}

#[derive(Serialize)]
struct Finding<'a> {
    id: &'a str,
    severity: Severity,
    title: &'a str,
    seen: &'a str,
    set: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listener<'a> {
    #[serde(rename = "listener")]
    kind: &'a str,
    at: &'a str,
    versions: Vec<Version<'a>>,
    asks_for_certificates: Option<bool>,
}

#[derive(Serialize)]
struct Version<'a> {
    version: &'a str,
    suites: &'a [String],
}

#[derive(Serialize)]
struct Gap<'a> {
    what: &'a str,
    why: &'a str,
}

pub(super) fn told(report: &Report) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(&document(report));
    text.map(|text| text + "\n")
        .map_err(|error| Error::Report(error.to_string()))
}

fn document(report: &Report) -> Document<'_> {
    let edition = report.policy.edition();
    Document {
        workload: &report.workload,
        container: &report.container,
        image: &report.image,
        coturn: &report.coturn,
        policy: Policy {
            name: report.policy.name(),
            guideline: edition.version,
            date: edition.date.to_string(),
            oldest_clients: report.policy.oldest_clients(),
        },
        warnings: &report.warnings,
        findings: report.findings.iter().map(finding).collect(),
        listeners: report.listeners.iter().map(listener).collect(),
        not_tested: report.gaps.iter().map(gap).collect(),
        remarks: &report.remarks,
    }
}

fn finding(finding: &crate::finding::Finding) -> Finding<'_> {
    Finding {
        id: finding.id.code(),
        severity: finding.id.severity(),
        title: finding.id.title(),
        seen: &finding.seen,
        set: &finding.set,
        why: finding.id.why(),
    }
}

fn listener(accepts: &super::Accepts) -> Listener<'_> {
    let versions = accepts.versions.iter();
    Listener {
        kind: accepts.listener,
        at: &accepts.at,
        versions: versions
            .map(|(version, suites)| Version { version, suites })
            .collect(),
        asks_for_certificates: accepts.asks,
    }
}

fn gap(gap: &super::Gap) -> Gap<'_> {
    Gap {
        what: &gap.what,
        why: &gap.why,
    }
}
