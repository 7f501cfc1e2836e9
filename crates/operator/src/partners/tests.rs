mod ways;

use api::{WorkloadKind, WorkloadRef};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::runtime::{reflector::store::Writer, watcher::Event};
use pki::{
    Authority, IssuedPair, issue,
    testing::{TestCa, request},
};
use probe::{Alert, Certificate, Demand, Outcome, Trouble};
use rstest::rstest;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};

use self::ways::through;
use super::*;
use crate::{
    context::{
        Context,
        testing::{NAMESPACE, context},
    },
    watches::Known as Watched,
    workload::Workloads,
};

fn partner() -> Partner {
    Partner {
        host: "192.0.2.7".to_owned(),
        port: 9191,
    }
}

/// A handshake that ended so, after this server was seen.
fn report(outcome: Outcome, ca: Option<&TestCa>) -> Report {
    let served = ca.map(|ca| Certificate {
        fingerprint: Fingerprint::from_digest([0; 32]),
        der: CertificateDer::from_pem_slice(ca.root().as_bytes())
            .unwrap()
            .to_vec(),
    });
    Report {
        chain: served.into_iter().collect(),
        session: None,
        demand: Demand::Asked,
        outcome,
        elapsed: Duration::ZERO,
    }
}

fn underway(pod: Result<PodSpec, String>) -> Underway {
    Underway {
        certificate: "coturn".to_owned(),
        leaf: Fingerprint::from_digest([0; 32]),
        pod,
        identities: None,
        trust: OnceCell::new(),
    }
}

/// What coturn would make of it, with the pods that are known.
async fn own(context: &Context, errand: &Underway, report: &Report) -> Own {
    let answer = answer(&Ok(report.clone()));
    context
        .partners
        .own(errand, &partner(), report.clone(), &answer)
        .await
}

fn pod_of(config_map: &str) -> PodSpec {
    let pod = format!(
        "
containers:
- {{name: coturn, command: [turnserver, -c, /conf/a.conf], volumeMounts: [{{name: v, mountPath: /conf}}]}}
volumes: [{{name: v, configMap: {{name: {config_map}}}}}]"
    );
    serde_saphyr::from_str(&pod).unwrap()
}

#[tokio::test]
async fn a_partner_that_shows_no_certificate_is_not_judged() {
    let context = context(&[], |_| panic!("nothing is read"));
    let unseen = Own::NotJudged("the partner showed no certificate".to_owned());
    for outcome in [
        Outcome::Completed,
        Outcome::Refused(Alert::from_code(48)),
        Outcome::Unanswered,
    ] {
        let errand = underway(Ok(pod_of("settings")));
        let own = own(&context, &errand, &report(outcome, None)).await;
        assert_eq!(own, unseen);
    }
}

#[tokio::test]
async fn nothing_is_read_until_a_partner_accepts() {
    let context = context(&[], |_| panic!("something is read"));
    let refused = report(
        Outcome::Refused(Alert::from_code(48)),
        Some(&TestCa::example()),
    );
    let own = own(&context, &underway(Ok(pod_of("settings"))), &refused).await;
    let later = "it is judged once the partner accepts".to_owned();
    assert_eq!(own, Own::NotJudged(later));
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_answer_as_it_is() {
    let context = context(
        &[],
        |_| json!({"kind": "Status", "code": 404, "reason": "NotFound", "message": "gone", "status": "Failure"}),
    );
    let ca = TestCa::example();
    let accepted = report(Outcome::Completed, Some(&ca));
    for (pod, expected) in [
        (
            Ok(pod_of("settings")),
            "there is no ConfigMap wire/settings, which the workload mounts; create it",
        ),
        (Err("no workload".to_owned()), "no workload"),
    ] {
        let own = own(&context, &underway(pod), &accepted).await;
        assert_eq!(own, Own::NotJudged(expected.to_owned()));
    }
    assert_eq!(answer(&Ok(accepted)), Answer::Accepted);
}

#[tokio::test]
async fn what_coturn_trusts_is_read_once_for_all_partners_that_are_asked_together() {
    let context = context(&[], |request| {
        let is_settings = request.uri().path().ends_with("/configmaps/settings");
        assert!(is_settings, "{}", request.uri());
        json!({"metadata": {}, "data": {"a.conf": "no-tls"}})
    });
    let (errand, ca) = (underway(Ok(pod_of("settings"))), TestCa::example());
    let accepted = report(Outcome::Completed, Some(&ca));
    let first = own(&context, &errand, &accepted).await;
    let Own::NotJudged(why) = &first else {
        panic!("{first:?}");
    };
    assert!(why.starts_with("coturn has no CA-file"), "{why}");
    // By what was read, though it could not be read again.
    let gone = gone();
    assert_eq!(own(&gone, &errand, &accepted).await, first);
}

/// With an API server that must not be asked.
fn gone() -> Context {
    context(&[], |_| panic!("it is read once more"))
}

fn coturn() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::StatefulSet,
        name: "coturn".to_owned(),
    }
}

/// With one StatefulSet, and no other kind.
fn with_a_workload() -> Context {
    let workload: Value = json!({
        "metadata": {"name": "coturn", "namespace": NAMESPACE},
        "spec": {"selector": {}, "serviceName": "coturn", "template": {
            "metadata": {},
            "spec": {"containers": [{"name": "turn"}]},
        }},
    });
    let workload: StatefulSet = serde_json::from_value(workload).unwrap();
    let mut writer = Writer::default();
    writer.apply_watcher_event(&Event::Apply(workload));
    Context {
        workloads: Workloads {
            stateful_sets: Some(Watched::complete(writer.as_reader())),
            deployments: None,
            daemon_sets: None,
        },
        ..context(&[], |_| Value::Null)
    }
}

#[tokio::test]
async fn the_pods_of_a_workload_are_known_by_its_watch() {
    let context = with_a_workload();
    let found = pod(&context, Some(&coturn())).unwrap();
    assert_eq!(found.containers[0].name, "turn");
    let other = WorkloadRef {
        kind: WorkloadKind::Deployment,
        ..coturn()
    };
    let why = pod(&context, Some(&other)).unwrap_err();
    assert!(
        why.contains("Deployment wire/coturn is not known") && why.contains("workloadKinds"),
        "{why}"
    );
    let why = pod(&context, None).unwrap_err();
    assert!(why.contains("spec.workloadRef"), "{why}");
}

fn pair() -> IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let authority = Authority::load(&TestCa::example().secret().as_secret(), now).unwrap();
    issue(&authority, &request(&["coturn.example.com"]), now).unwrap()
}

#[rstest]
#[case::shown_and_taken(Outcome::Completed, Demand::Asked, Answer::Accepted)]
#[case::judged_by_nobody(Outcome::Completed, Demand::NotAsked, Answer::NotAsked)]
#[case::shown_and_refused(refused(), Demand::Asked, Answer::Refused(UNKNOWN_CA.to_owned()))]
#[case::before_it_asked(refused(), Demand::Unknown, Answer::Unreached(before_it_asked()))]
#[case::without_asking(refused(), Demand::NotAsked, Answer::Unreached(before_it_asked()))]
fn a_partner_has_judged_what_it_asked_for_and_nothing_else(
    #[case] outcome: Outcome,
    #[case] demand: Demand,
    #[case] expected: Answer,
) {
    let report = Report {
        demand,
        ..report(outcome, None)
    };
    assert_eq!(answer(&Ok(report)), expected);
}

const UNKNOWN_CA: &str = "it does not trust the CA of the certificate that it was shown: the CA is not in its CA-file, \
                          an intermediate is missing, or there is no CRL for it (alert 48 (unknown_ca))";

fn refused() -> Outcome {
    Outcome::Refused(Alert::UNKNOWN_CA)
}

fn before_it_asked() -> String {
    format!("it ends the handshake before it asks for a certificate: {UNKNOWN_CA}")
}

#[test]
fn words_of_others_are_told_without_what_may_be_a_key() {
    let line = "QUJD".repeat(16);
    let said = Outcome::Failed(Trouble::NotBegun(format!("the agent says {line}")));
    for result in [Ok(report(said, None)), Err(format!("no name {line}"))] {
        let Answer::Unreached(why) = answer(&result) else {
            panic!("{result:?}");
        };
        assert!(!why.contains(&line), "{why}");
    }
}

#[tokio::test]
async fn without_a_pair_to_be_known_by_nobody_is_asked_and_each_is_told_of() {
    let context = context(
        &[],
        |_| json!({"kind": "Status", "code": 404, "reason": "NotFound", "message": "gone", "status": "Failure"}),
    );
    let address = "192.0.2.1:9798".parse().unwrap();
    let calls = vec![through(address, 1), through(address, 2)];
    let asked = context.partners.rehearse("coturn", calls, &pair()).await;
    let unasked = Answer::Unreached("the store could not be read".to_owned());
    let answers: Vec<_> = asked
        .unwrap()
        .into_iter()
        .map(|rehearsed| rehearsed.next)
        .collect();
    assert_eq!(answers, [unasked.clone(), unasked]);
}
