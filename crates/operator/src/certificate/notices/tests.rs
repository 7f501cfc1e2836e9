//! Who is told of what.

use api::{Partner, RolloutStatus, Trigger};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::{
    Precondition,
    publication::{Beginning, Held, Publication},
    store::PublishedName,
};
use rstest::rstest;

use super::{super::testing, *};

fn publish(cause: PublishCause) -> Action {
    Action::Publish {
        store: testing::revision(),
        secret: Precondition::Absent,
        cause,
    }
}

fn told(action: &Action) -> Option<Notice> {
    notice(
        &testing::observation(),
        action,
        &CoturnCertificateStatus::default(),
    )
}

#[test]
fn a_restored_secret_is_warned_of_by_its_name() {
    let notice = told(&publish(PublishCause::Overwritten)).unwrap();
    assert_eq!(notice.kind, EventType::Warning);
    assert_eq!(notice.reason, "Restored");
    assert!(notice.note.contains("Secret tls"));
}

#[test]
fn restored_roots_are_warned_of_as_such() {
    let notice = told(&publish(PublishCause::Roots)).unwrap();
    assert_eq!(notice.reason, "Restored");
    assert!(notice.note.contains("ca.crt of Secret tls"));
}

#[test]
fn a_record_and_a_change_of_metadata_as_by_taking_over_are_told_to_nobody() {
    let publication = Publication {
        held: Held::Foreign,
        from: Timestamp::UNIX_EPOCH,
    };
    let record = Action::Record {
        store: testing::revision(),
        publication,
        secret: PublishedName {
            name: "tls".to_owned(),
            uid: Some("uid".to_owned()),
            adoption: None,
        },
    };
    assert!(told(&record).is_none());
    for cause in [PublishCause::Metadata, PublishCause::TakenOver] {
        assert!(told(&publish(cause)).is_none());
    }
}

fn status(conditions: &[(&str, &str, &str)]) -> CoturnCertificateStatus {
    let condition = |(kind, status, reason): &(&str, &str, &str)| Condition {
        type_: (*kind).to_owned(),
        status: (*status).to_owned(),
        reason: (*reason).to_owned(),
        message: format!("{kind}: put a CA there"),
        observed_generation: Some(1),
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    };
    CoturnCertificateStatus {
        conditions: conditions.iter().map(condition).collect(),
        ..CoturnCertificateStatus::default()
    }
}

type Conditions = &'static [(&'static str, &'static str, &'static str)];

const WELL: Conditions = &[
    ("Ready", "True", "Ready"),
    ("Issued", "True", "Issued"),
    ("RolledOut", "True", "RolledOut"),
];

#[rstest]
#[case::first_readiness(&[], WELL, Some(("Ready", EventType::Normal)))]
#[case::nothing_turned(WELL, WELL, None)]
#[case::renewal_held_back(
    WELL,
    &[("Ready", "True", "Ready"), ("Issued", "False", "AuthorityMissing")],
    Some(("AuthorityMissing", EventType::Warning)),
)]
#[case::what_is_wrong_before_what_is_well(
    &[],
    &[("Ready", "True", "Ready"), ("RolledOut", "False", "RollingOut")],
    Some(("RollingOut", EventType::Warning)),
)]
#[case::ready_before_what_is_below_it(
    WELL,
    &[("Ready", "False", "Expired"), ("Issued", "False", "AuthorityExpired")],
    Some(("Expired", EventType::Warning)),
)]
#[case::another_reason(
    &[("Issued", "False", "AuthorityMissing")],
    &[("Issued", "False", "AuthorityExpired")],
    Some(("AuthorityExpired", EventType::Warning)),
)]
fn the_condition_that_matters_most_is_told_when_it_turns(
    #[case] before: Conditions,
    #[case] after: Conditions,
    #[case] expected: Option<(&str, EventType)>,
) {
    let notice = changed_condition(&status(before), &status(after));
    let told = notice.map(|notice| (notice.reason, notice.kind));
    assert_eq!(
        told,
        expected.map(|(reason, kind)| (reason.to_owned(), kind))
    );
}

#[test]
fn a_changed_message_alone_is_no_event() {
    let mut after = status(WELL);
    after.conditions[0].message = "another".to_owned();
    assert!(changed_condition(&status(WELL), &after).is_none());
}

#[test]
fn each_partner_that_could_not_be_asked_first_is_warned_of_at_the_issuing() {
    let unreached = |host: &str| Unasked {
        partner: Partner {
            host: host.to_owned(),
            port: 9191,
        },
        why: "no answer".to_owned(),
    };
    let observation = Observation {
        unasked: vec![unreached("a.example"), unreached("b.example")],
        ..testing::observation()
    };
    let issue = Action::Issue {
        trigger: Trigger::Renewing,
        beginning: Beginning::Unknown,
        store: Precondition::Absent,
    };
    let told = unasked(&observation, &issue);
    let notes: Vec<_> = told.iter().map(|notice| &*notice.note).collect();
    assert!(notes[0].contains("a.example:9191") && notes[0].contains("no answer"));
    assert!(notes[1].contains("b.example:9191"));
    assert!(told.iter().all(|notice| notice.kind == EventType::Warning));
    assert!(unasked(&observation, &publish(PublishCause::Superseded)).is_empty());
}

#[rstest]
#[case::nobody_is_dialled(&[], Some(60))]
#[case::proven(&[("Verified", "True", "Verified")], Some(60))]
#[case::nobody_could_be_dialled(&[("Verified", "Unknown", "Unreachable")], None)]
#[case::another_is_served(&[("Verified", "False", "ServesAnother")], None)]
fn how_long_it_took_is_counted_once_it_is_proven_where_that_is_asked_for(
    #[case] conditions: Conditions,
    #[case] expected: Option<i64>,
) {
    let at = |second| Some(Time(Timestamp::from_second(second).unwrap()));
    let after = CoturnCertificateStatus {
        rollout: Some(RolloutStatus {
            fingerprint: "a".to_owned(),
            started_at: at(0),
            completed_at: at(60),
            current: 1,
            total: 1,
            not_current: Vec::new(),
        }),
        ..status(conditions)
    };
    let took = completed(&CoturnCertificateStatus::default(), &after);
    assert_eq!(took, expected.map(SignedDuration::from_secs));
    assert_eq!(completed(&after, &after), None);
}
