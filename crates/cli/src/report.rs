//! What an audit says, and how.

mod json;
mod markdown;
mod text;

use coturn::ListenerKind;
use jiff::tz::TimeZone;
use probe::{Answer, Demand, Spoken};

use crate::{
    args::Output,
    error::Error,
    facts::{Facts, Heard, name},
    finding::{Finding, Severity},
    guideline::Policy,
    read::Subject,
};

/// What was found, what was not looked at, and what there is to know.
#[derive(Clone, Debug)]
pub struct Report {
    /// Kind, namespace and name of the workload.
    pub workload: String,
    /// The container that runs coturn.
    pub container: String,
    /// Its image.
    pub image: String,
    /// Which coturn that is, as far as is known.
    pub coturn: String,
    /// What it was held against.
    pub policy: Policy,
    /// What may be wrong with the audit itself.
    pub warnings: Vec<String>,
    /// Whether neither the configuration nor a listener was seen.
    pub is_blind: bool,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What each listener accepts.
    pub listeners: Vec<Accepts>,
    /// What was not tested, and why: it is not said to be well.
    pub gaps: Vec<Gap>,
    /// What coturn cannot do, whatever is set.
    pub remarks: Vec<&'static str>,
}

/// How an audit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was looked at is well.
    Well,
    /// Something was found.
    Found,
    /// Nothing was found, and nothing that would show it was seen.
    Blind,
}

/// Something that was not tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Gap {
    /// A gap.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
        }
    }
}

/// What a listener accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// Which listener.
    pub listener: &'static str,
    /// Where.
    pub at: String,
    /// By version: the suites.
    pub versions: Vec<(String, Vec<String>)>,
    /// Whether it asks for client certificates, if that was seen.
    pub asks: Option<bool>,
}

/// What is true of every coturn (`set_ctx` in `mainrelay.c`, 4.5 to 4.17.1).
const REMARKS: [&str; 2] = [
    "coturn cannot staple an OCSP response: it has no code for it; short lifetimes of certificates do \
     instead",
    "coturn switches the server's session cache off, has no option for session tickets, and prefers its \
     own order of suites: there is nothing to set",
];

const BLIND: &str = "neither all of the configuration nor any listener was seen: what is not found here \
                     may well be there";

impl Report {
    /// Puts a report together.
    #[must_use]
    pub fn new(subject: &Subject, facts: &Facts, findings: Vec<Finding>, gaps: Vec<Gap>) -> Self {
        let today = facts.now.to_zoned(TimeZone::UTC).date();
        let running = facts
            .running
            .map(|it| format!(", which says that it is {it}"));
        let blind = facts.is_blind().then(|| BLIND.to_owned());
        let warnings = [facts.policy.warning(today), blind];
        Self {
            workload: subject.title.clone(),
            container: subject.container.name.clone(),
            image: subject.container.image.clone().unwrap_or_default(),
            coturn: format!("{}{}", facts.build, running.unwrap_or_default()),
            policy: facts.policy,
            warnings: warnings.into_iter().flatten().collect(),
            is_blind: facts.is_blind(),
            findings,
            listeners: facts.heard.iter().filter_map(accepts).collect(),
            gaps,
            remarks: REMARKS.to_vec(),
        }
    }

    /// How an audit ends for which findings of this severity or a graver one count.
    #[must_use]
    pub fn outcome(&self, least: Severity) -> Outcome {
        if self.has(least) {
            Outcome::Found
        } else if self.is_blind {
            Outcome::Blind
        } else {
            Outcome::Well
        }
    }

    /// Whether anything of this severity or a graver one was found.
    #[must_use]
    pub fn has(&self, least: Severity) -> bool {
        let mut severities = self.findings.iter().map(|it| it.id.severity());
        severities.any(|severity| severity >= least)
    }

    /// Tells it.
    ///
    /// # Errors
    /// [`Error::Report`].
    pub fn told(&self, output: Output) -> Result<String, Error> {
        match output {
            Output::Text => Ok(text::told(self)),
            Output::Json => json::told(self),
            Output::Markdown => Ok(markdown::told(self)),
        }
    }

    /// How many findings there are of each severity, in words.
    fn sum(&self) -> String {
        let all = [
            Severity::Critical,
            Severity::High,
            Severity::Medium,
            Severity::Low,
            Severity::Info,
        ];
        let counted = all.into_iter().filter_map(|severity| {
            let of_it = |finding: &&Finding| finding.id.severity() == severity;
            let count = self.findings.iter().filter(of_it).count();
            (count > 0).then(|| format!("{count} {severity}"))
        });
        let counted: Vec<_> = counted.collect();
        match counted.len() {
            0 if self.is_blind => "nothing was seen".to_owned(),
            0 => "nothing was found".to_owned(),
            _ => format!("found: {}", counted.join(", ")),
        }
    }
}

fn accepts(heard: &Heard) -> Option<Accepts> {
    let spoken: Vec<&Spoken> = heard
        .scan
        .versions
        .iter()
        .filter(|spoken| spoken.answer.is_accepted())
        .collect();
    let demands = spoken.iter().find_map(|spoken| match spoken.demand {
        Demand::Asked => Some(true),
        Demand::NotAsked => Some(false),
        Demand::Unknown => None,
    });
    let versions = spoken
        .iter()
        .map(|spoken| (spoken.version.to_string(), suites(&spoken.answer)));
    (!spoken.is_empty()).then(|| Accepts {
        listener: name(heard.kind),
        at: heard.at.clone(),
        versions: versions.collect(),
        asks: demands,
    })
}

fn suites(answer: &Answer) -> Vec<String> {
    answer.accepted().map(|it| it.suite.clone()).collect()
}

/// What a listener that asks for certificates, or does not, means.
fn asking(accepts: &Accepts) -> &'static str {
    let is_federation = accepts.listener == name(ListenerKind::Federation);
    match accepts.asks {
        Some(true) => "; asks for client certificates",
        Some(false) if is_federation => "; asks for no client certificate",
        Some(false) | None => "",
    }
}

#[cfg(test)]
mod tests;
