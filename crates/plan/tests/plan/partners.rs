//! What federation partners make of a certificate, and what follows of it.

use api::{Partner, Reason};
use jiff::{SignedDuration, Timestamp};
use plan::{
    certificate::Observed,
    partner::{Answer, Answered, Call, Own, Rehearsed, Way},
};
use rstest::rstest;

use crate::support::{Case, Sts, current, fingerprint, hours, minutes, now};

fn partner(host: &str) -> Partner {
    Partner {
        host: host.to_owned(),
        port: 9191,
    }
}

/// Two partners are named.
fn asking() -> Case {
    Case::converged().with(|observed| {
        observed.resource.wanted.verifying.partners = vec![partner("a"), partner("b")];
    })
}

fn answer(observed: &mut Observed, host: &str, answer: Answer, own: Own) {
    let answered = Answered {
        leaf: current().leaf.fingerprint,
        has_accepted: answer == Answer::Accepted,
        answer,
        own,
        way: Way::Operator,
        at: now(),
        since: now(),
    };
    observed.answers.insert(partner(host), answered);
}

/// One partner accepts, and the other answers so.
fn answered(second: Answer, own: Own) -> Case {
    asking().with(|observed| {
        answer(observed, "a", Answer::Accepted, Own::Trusted);
        answer(observed, "b", second, own);
    })
}

fn refuses() -> Answer {
    Answer::Refused("it does not trust the CA".to_owned())
}

fn silent() -> Answer {
    Answer::Unreached("nothing answered".to_owned())
}

#[rstest]
#[case::accepts(Answer::Accepted, Own::Trusted, "True Accepted")]
#[case::refuses(refuses(), Own::Trusted, "False PartnerRefuses")]
#[case::silent(silent(), Own::NotJudged(String::new()), "Unknown Unreachable")]
#[case::asks_for_none(
    Answer::NotAsked,
    Own::NotJudged(String::new()),
    "Unknown CertificateNotRequested"
)]
#[case::stranger(
    Answer::Accepted,
    Own::NotTrusted("its name is not listed".to_owned()),
    "False PartnerNotTrusted"
)]
fn the_worst_of_the_partners_speaks_and_ready_stays(
    #[case] second: Answer,
    #[case] own: Own,
    #[case] expected: &str,
) {
    let case = answered(second, own);
    assert_eq!(case.condition("PartnerAccepted"), expected);
    assert_eq!(case.condition("Ready"), "True Ready");
    let told = case.status().partners;
    let results: Vec<_> = told
        .iter()
        .map(|it| (it.host.as_str(), it.result.as_str()))
        .collect();
    let reason = expected.split(' ').nth(1).unwrap();
    assert_eq!(results, [("a", "Accepted"), ("b", reason)]);
}

#[test]
fn who_names_no_partner_is_told_of_none() {
    let status = Case::converged().status();
    assert!(status.partners.is_empty());
    let kinds: Vec<_> = status
        .conditions
        .iter()
        .map(|it| it.type_.as_str())
        .collect();
    assert!(!kinds.contains(&"PartnerAccepted"), "{kinds:?}");
}

fn asked(case: &Case, at: Timestamp) -> Vec<String> {
    let calls = plan::certificate::plan(&case.0, at).wanted_calls;
    calls.into_iter().map(|call| call.partner.host).collect()
}

#[test]
fn partners_are_asked_at_once_then_every_interval_and_anew_about_another_leaf() {
    assert_eq!(asked(&asking(), now()), ["a", "b"]);
    let all = answered(Answer::Accepted, Own::Trusted);
    assert_eq!(asked(&all, now() + hours(23)), [""; 0]);
    assert_eq!(asked(&all, now() + hours(24)), ["a", "b"]);
    let of_another = all.with(|observed| {
        observed.answers.get_mut(&partner("b")).unwrap().leaf = fingerprint(77);
    });
    assert_eq!(asked(&of_another, now()), ["b"]);
}

#[rstest]
#[case::refuses(refuses())]
#[case::asks_for_none(Answer::NotAsked)]
fn who_does_not_accept_is_asked_again_ever_less_often(#[case] second: Answer) {
    let refused_for = |lasts: SignedDuration| {
        answered(second.clone(), Own::Trusted).with(|observed| {
            observed.answers.get_mut(&partner("b")).unwrap().since = now() - lasts;
        })
    };
    let soon = refused_for(SignedDuration::ZERO);
    assert_eq!(asked(&soon, now() + SignedDuration::from_secs(29)), [""; 0]);
    assert_eq!(asked(&soon, now() + SignedDuration::from_secs(30)), ["b"]);
    let late = refused_for(hours(20));
    assert_eq!(asked(&late, now() + minutes(29)), [""; 0]);
    assert_eq!(asked(&late, now() + minutes(30)), ["b"]);
}

#[test]
fn nobody_is_asked_about_what_is_not_published() {
    let case = asking().with(|observed| observed.published = plan::certificate::Published::Absent);
    assert_eq!(asked(&case, now()), [""; 0]);
}

/// Partner `a`, shown the next certificate, and then the one in service.
fn rehearsed(next: Answer, current: Option<Answer>) -> Rehearsed {
    Rehearsed {
        partner: partner("a"),
        next,
        current,
    }
}

/// What partner `a` objects, which is remembered to answer so about the certificate in service.
fn objection(remembered: Answer, rehearsed: &Rehearsed) -> Option<String> {
    let case = asking().with(|observed| answer(observed, "a", remembered, Own::Trusted));
    let refusal = case.0.partner_objects(rehearsed)?;
    assert_eq!(refusal.reason, Reason::PartnerRefuses);
    Some(refusal.message)
}

#[rstest]
#[case::it_accepted_before(Answer::Accepted, Answer::Accepted, "accepts")]
#[case::it_refused_before(refuses(), Answer::Accepted, "accepts")]
#[case::it_asks_for_none(refuses(), Answer::NotAsked, "lets in")]
fn a_partner_that_lets_in_what_is_in_service_and_refuses_the_next_one_objects(
    #[case] remembered: Answer,
    #[case] current: Answer,
    #[case] expected: &str,
) {
    let now = rehearsed(refuses(), Some(current));
    let message = objection(remembered, &now).unwrap();
    let expected = format!("{expected} the certificate in service");
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains("does not trust the CA"), "{message}");
}

#[test]
fn a_partner_that_accepted_earlier_and_refuses_both_at_this_moment_objects_to_nothing() {
    let now = rehearsed(refuses(), Some(refuses()));
    assert_eq!(objection(Answer::Accepted, &now), None);
}

#[test]
fn what_is_remembered_decides_where_a_partner_cannot_be_shown_what_is_in_service() {
    for current in [Some(silent()), None] {
        let now = rehearsed(refuses(), current);
        let message = objection(Answer::Accepted, &now).unwrap();
        assert!(message.contains("accepted the certificate in service when it was asked last"));
        assert_eq!(objection(refuses(), &now), None);
    }
}

#[rstest]
#[case::it_accepts(Answer::Accepted)]
#[case::it_asks_for_none(Answer::NotAsked)]
#[case::it_is_silent(silent())]
fn who_does_not_refuse_the_next_certificate_does_not_object(#[case] next: Answer) {
    assert_eq!(objection(Answer::Accepted, &rehearsed(next, None)), None);
}

#[test]
fn nobody_is_asked_first_where_nothing_that_works_can_be_lost() {
    let asks = |case: Case| case.0.partners_to_ask_first(now()).len();
    assert_eq!(asks(asking()), 2);
    assert_eq!(
        asks(asking().with_store(|it| it.current.leaf.not_after = now())),
        0
    );
    let fresh = Case::fresh().with(|observed| {
        observed.resource.wanted.verifying.partners = vec![partner("a")];
    });
    assert_eq!(asks(fresh), 0);
}

/// The ways to the first partner, with a pod for each of these: an agent in it relays, or there is none.
fn ways(relays: &[bool]) -> Vec<String> {
    let sts = Sts::of(relays.len().try_into().unwrap());
    let sts = relays.iter().fold(sts, |sts, relays| {
        sts.pod_with(minutes(50), |pod| {
            pod.relay = relays.then(|| ([10, 0, 0, 2], 9798).into());
        })
    });
    let calls = asking().with_workload(sts).plan().wanted_calls;
    let Call { way, instead, .. } = &calls[0];
    let told = |way: &Way| match way {
        Way::Operator => "operator".to_owned(),
        Way::Agent { pod, address } => format!("{pod} {address}"),
    };
    [way].into_iter().chain(instead).map(told).collect()
}

#[test]
fn an_agent_in_a_pod_is_the_way_to_a_partner() {
    assert_eq!(ways(&[false, true]), ["coturn-1 10.0.0.2:9798"]);
    assert_eq!(ways(&[false, false]), ["operator"]);
}

#[test]
fn two_more_agents_stand_in_for_one_that_does_not_relay_and_the_operator_does_not() {
    let pods = ways(&[true, false, true, true, true]);
    let expected = ["coturn-0", "coturn-2", "coturn-3"].map(|pod| format!("{pod} 10.0.0.2:9798"));
    assert_eq!(pods, expected);
}

#[test]
fn what_was_told_stays_while_an_operator_that_has_just_started_asks() {
    let told = answered(Answer::Accepted, Own::Trusted).reported();
    let forgotten = told.with(|observed| observed.answers.clear());
    assert_eq!(forgotten.action(), None);
    assert_eq!(forgotten.condition("PartnerAccepted"), "True Accepted");
}
