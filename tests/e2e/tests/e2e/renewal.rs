//! Renewals: one rollout, and no client notices.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use api::names;
use e2e::{World, dtls, fixtures};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_one_rollout_and_no_client_fails() {
    let world = World::ready("renewal", &fixtures::coturn(3)).await;
    let history = world.history().await;
    let before = world.serial().await.unwrap();
    let first = world.assert_served().await;
    let clients: Vec<_> = (0..3)
        .map(|ordinal| Client::dialling(world.api(), format!("coturn-{ordinal}"), world.ca_file()))
        .collect();

    world.renew("please").await;
    world.until_renewed(&before).await;

    for client in clients {
        client.stop().await;
    }
    assert_ne!(world.assert_served().await, first);
    assert_eq!(world.revisions().await, 2);
    assert_eq!(world.issued().await.len(), 2);
    history.assert_only_matching_pairs();
    world.assert_no_key_leaked("").await;
}

/// How long a client that finds its pod not Ready waits before it looks again.
const POLL: Duration = Duration::from_millis(100);

/// After so long a pod that is Ready listens to DTLS too. The time from which it was Ready is rounded
/// down to seconds.
const LISTENING: SignedDuration = SignedDuration::from_secs(3);

/// Dials one pod again and again. A dial that fails counts if the pod had been Ready for a while
/// before it, and is the same and not terminating after it.
struct Client {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Client {
    fn dialling(pods: Api<Pod>, name: String, ca: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let good = Arc::new(AtomicUsize::new(0));
        let failures = Arc::new(Mutex::new(Vec::new()));
        let (stopped, counted, failed) =
            (Arc::clone(&stop), Arc::clone(&good), Arc::clone(&failures));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let Some((uid, address)) = serving(&pods, &name).await else {
                    tokio::time::sleep(POLL).await;
                    continue;
                };
                let dialled = dtls::dial(&address, fixtures::DTLS_PORT, &ca).await;
                let after = serving(&pods, &name).await;
                match (dialled, after) {
                    (Ok(_), _) => {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                    (Err(error), Some((same, _))) if same == uid => {
                        failed.lock().unwrap().push(error);
                    }
                    (Err(_), _) => {}
                }
            }
        });
        Self {
            stop,
            good,
            failures,
            task,
        }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        assert_eq!(*self.failures.lock().unwrap(), Vec::<String>::new());
        assert!(
            self.good.load(Ordering::Relaxed) > 2,
            "hardly a client got through"
        );
    }
}

/// Uid and address of a pod that has been Ready for a while and is not terminating.
async fn serving(pods: &Api<Pod>, name: &str) -> Option<(String, String)> {
    let pod = pods.get_opt(name).await.ok()??;
    let status = pod.status.clone()?;
    let conditions = status.conditions?;
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    let since = ready.last_transition_time.as_ref()?.0;
    let listens = Timestamp::now().duration_since(since) > LISTENING;
    let serving = listens && pod.metadata.deletion_timestamp.is_none();
    serving.then_some((pod.uid()?, status.pod_ip?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_whose_renewal_time_has_come_is_renewed() {
    let world = World::with_ca("aged").await;
    let aged = aged_pair(&world);
    let mut secret = fixtures::tls_secret(fixtures::PUBLISHED, &aged.certificate, &aged.key);
    secret.annotations_mut().insert(
        names::CERTIFICATE_NAME.to_owned(),
        fixtures::COTURN.to_owned(),
    );
    world.create_secret(&secret).await;
    world.create_workload(&fixtures::light(2)).await;
    world.until_running(2).await;

    world.install_operator();
    world.create_certificate(&json!({})).await;
    world.until_renewed(&aged.leaf.serial.to_string()).await;

    let history = world.certificate().await.status.unwrap().history;
    let reasons: Vec<_> = history
        .iter()
        .map(|entry| entry.reason.map(api::Trigger::as_str))
        .collect();
    assert_eq!(reasons, [Some("Renewing"), None]);
    assert_eq!(world.revisions().await, 2);
}

/// A certificate of 365 days that was issued 340 days ago.
fn aged_pair(world: &World) -> pki::IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let then = now - SignedDuration::from_hours(340 * 24);
    let authority = pki::Authority::load(&world.ca.secret().as_secret(), then).unwrap();
    pki::issue(
        &authority,
        &pki::testing::request(&["coturn.example.com"]),
        then,
    )
    .unwrap()
}
