//! What is told of failures, and what is told once.

use api::{WorkloadKind, WorkloadRef};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use plan::{
    Precondition,
    certificate::{Plan, PublishCause, plan},
};
use rstest::rstest;

use super::{super::testing, *};
use crate::error::{ApiFailure, ObjectName};

fn publish(cause: PublishCause) -> Action {
    Action::Publish {
        store: testing::revision(),
        secret: Precondition::Absent,
        cause,
    }
}

#[test]
fn what_is_published_twice_for_one_cause_was_undone() {
    let metadata = publish(PublishCause::Metadata);
    assert!(is_undone(Some(&metadata), &metadata));
}

#[test]
fn what_is_published_for_another_cause_or_after_another_write_was_not_undone() {
    let (missing, overwritten) = (
        publish(PublishCause::Missing),
        publish(PublishCause::Overwritten),
    );
    assert!(!is_undone(None, &overwritten));
    assert!(!is_undone(Some(&missing), &overwritten));
    let status = Action::WriteStatus(Box::default());
    assert!(!is_undone(Some(&status), &overwritten));
    assert!(!is_undone(Some(&overwritten), &status));
}

fn write(failure: ApiFailure) -> Error {
    Error::Write {
        object: ObjectName::new("Secret", "wire", "tls"),
        failure,
    }
}

fn webhook(words: &str) -> Error {
    let message = format!("admission webhook \"a.b\" denied the request: {words}");
    write(ApiFailure::Refused(message))
}

/// What the status says of the second of two failures to publish, the second after a change of the
/// resource or not.
fn told(first: &Error, second: &Error, changed: bool) -> String {
    let mut observed = testing::observation().observed;
    tell(&mut observed, Step::Publish, first);
    let refusal = observed.failed.take().unwrap().refusal;
    observed.resource.status.conditions = vec![Condition {
        type_: "Published".to_owned(),
        status: "False".to_owned(),
        reason: refusal.reason.as_str().to_owned(),
        message: refusal.message,
        observed_generation: Some(1),
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }];
    observed.resource.generation += i64::from(changed);
    tell(&mut observed, Step::Publish, second);
    observed.failed.unwrap().refusal.message
}

#[test]
fn a_refusal_in_other_words_of_the_server_is_not_told_again() {
    let message = told(&webhook("at 12:30"), &webhook("at 12:31"), false);
    assert!(message.contains("at 12:30"), "{message}");
}

#[rstest]
#[case::by_another(webhook("at 12:30"), write(ApiFailure::Refused("exceeded quota: q".to_owned())), false, "quota")]
#[case::of_another_write(
    Error::Read {
        object: ObjectName::new("Secret", "wire", "tls"),
        failure: ApiFailure::Forbidden("get".to_owned()),
    },
    write(ApiFailure::Forbidden("update".to_owned())),
    false,
    "cannot write",
)]
#[case::of_another_generation(webhook("at 12:30"), webhook("at 12:31"), true, "at 12:31")]
fn another_refusal_is_told(
    #[case] first: Error,
    #[case] second: Error,
    #[case] changed: bool,
    #[case] expected: &str,
) {
    let message = told(&first, &second, changed);
    assert!(message.contains(expected), "{message}");
}

#[test]
fn what_is_undone_at_once_is_told_in_the_status() {
    let mut observed = testing::observation().observed;
    let object = ObjectName::new("Secret", "wire", "tls");
    tell(&mut observed, Step::Publish, &Error::Undone { object });
    let Plan {
        action: Some(Action::WriteStatus(status)),
        ..
    } = plan(&observed, Timestamp::UNIX_EPOCH)
    else {
        panic!("no status is written");
    };
    let published = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Published")
        .unwrap();
    assert_eq!(published.reason, "Refused");
    assert!(published.message.contains("changed by somebody else"));
}

fn refusal(reason: Reason) -> Refusal {
    Refusal {
        reason,
        message: "why".to_owned(),
    }
}

#[test]
fn what_the_api_server_does_not_give_is_read_again() {
    let mut observed = testing::observation().observed;
    assert_eq!(unread(&observed, |_| true, |_| true), None);
    observed.published = Published::Unreadable(refusal(Reason::ApiUnavailable));
    assert_eq!(
        unread(&observed, |_| true, |_| true),
        Some(refusal(Reason::ApiUnavailable))
    );
}

#[test]
fn what_may_not_be_read_any_more_is_asked_for_again() {
    let forbidden = || refusal(Reason::Forbidden);
    let asked_again = |change: fn(&mut Observed, Refusal)| {
        let mut observed = testing::observation().observed;
        change(&mut observed, forbidden());
        unread(&observed, |_| true, |_| true) == Some(forbidden())
    };
    assert!(asked_again(
        |it, refusal| it.authority = Authority::Unusable(refusal)
    ));
    assert!(asked_again(
        |it, refusal| it.store = Store::Unreadable(refusal)
    ));
    assert!(asked_again(
        |it, refusal| it.published = Published::Unreadable(refusal)
    ));
    assert!(asked_again(|it, refusal| {
        it.resource.wanted.workload = Some(workload());
        it.workload = Some(Workload::Unreadable(refusal));
    }));
}

fn workload() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Deployment,
        name: "coturn".to_owned(),
    }
}

#[test]
fn a_workload_of_a_kind_that_the_operator_was_not_given_is_not_asked_for() {
    let mut observed = testing::observation().observed;
    observed.resource.wanted.workload = Some(workload());
    observed.workload = Some(Workload::Unreadable(refusal(Reason::Forbidden)));
    let given = |kind| kind == WorkloadKind::StatefulSet;
    assert_eq!(unread(&observed, |_| true, given), None);
}

#[test]
fn a_secret_that_the_operator_was_not_told_of_is_not_asked_for() {
    let mut observed = testing::observation().observed;
    observed.published = Published::Unreadable(refusal(Reason::Forbidden));
    assert_eq!(unread(&observed, |name| name != "tls", |_| true), None);
}

#[test]
fn a_ca_that_was_read_and_cannot_sign_is_not_read_again() {
    let mut observed = testing::observation().observed;
    observed.authority = Authority::Unusable(refusal(Reason::AuthorityExpired));
    assert_eq!(unread(&observed, |_| true, |_| true), None);
}
