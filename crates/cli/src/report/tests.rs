use super::*;
use crate::finding::Id;

fn report() -> Report {
    Report {
        workload: "StatefulSet wire/coturn".to_owned(),
        container: "coturn".to_owned(),
        image: "quay.io/wire/coturn:4.6.2-federation-wireapp.49".to_owned(),
        coturn: "Wire's fork of coturn 4.6.2".to_owned(),
        policy: Policy::Intermediate,
        warnings: vec!["the copy is old".to_owned()],
        is_blind: false,
        findings: vec![
            Finding::new(
                Id::FederationTrustsAnybody,
                "neither the file nor the command line has `CA-file`",
                "CA-file=<a|b>",
            ),
            Finding::new(Id::TcpRelay, "no `no-tcp-relay`", "no-tcp-relay"),
        ],
        listeners: vec![Accepts {
            listener: name(ListenerKind::Federation),
            at: "192.0.2.1:9191".to_owned(),
            versions: vec![(
                "DTLS 1.2".to_owned(),
                vec!["TLS_A".to_owned(), "TLS_B".to_owned()],
            )],
            asks: Some(false),
        }],
        gaps: vec![Gap::new("what TLS accepts", "nothing answered in 5 s")],
        remarks: vec!["coturn cannot staple"],
    }
}

fn told(output: Output) -> String {
    report().told(output).unwrap()
}

#[test]
fn a_person_reads() {
    insta::assert_snapshot!(told(Output::Text));
}

#[test]
fn a_program_reads() {
    insta::assert_snapshot!(told(Output::Json));
}

#[test]
fn an_issue_holds() {
    insta::assert_snapshot!(told(Output::Markdown));
}

#[test]
fn the_gravest_finding_decides() {
    let mut report = report();
    assert!(report.has(Severity::Critical));
    report.findings.remove(0);
    assert!(!report.has(Severity::High) && report.has(Severity::Medium));
    report.findings.clear();
    assert!(!report.has(Severity::Info));
    assert_eq!(report.sum(), "nothing was found");
}

#[test]
fn who_saw_nothing_does_not_say_that_all_is_well() {
    let mut report = report();
    report.is_blind = true;
    assert_eq!(report.outcome(Severity::High), Outcome::Found);
    report.findings.clear();
    assert_eq!(report.outcome(Severity::High), Outcome::Blind);
    assert_eq!(report.sum(), "nothing was seen");
    report.is_blind = false;
    assert_eq!(report.outcome(Severity::Info), Outcome::Well);
}
