//! What surrounds the operator fails: it says so, asks ever more rarely, leaves what works and
//! whatever else it looks after alone, and goes on by itself.
//!
//! The workload has no pods here, so a new certificate reaches it by one change of its template.

mod admission;
mod clock;
mod immutable;
mod leadership;
mod namespace;
mod quota;
mod restarts;
mod rights;
mod watches;

use std::time::{Duration, Instant};

use api::{CoturnCertificate, names};
use e2e::{
    World, fixtures,
    gate::{Gate, What, assert_ever_rarer},
    operator::{Operator, Start, plain_kubeconfig},
    wait,
};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Secret};
use kube::{Client, api::PostParams};
use serde_json::json;

/// Name of a certificate that has nothing to do with the one that fails, and of its Secret.
const NEIGHBOUR: &str = "neighbour";
/// Attempts that are waited for: the last of them is fourteen seconds after the first.
const ATTEMPTS: usize = 5;
/// A second rollout would follow the first within this time.
const MOMENT: Duration = Duration::from_secs(1);
/// Requests that one attempt in vain may take: reads of all that it is decided on, the attempt, and
/// the status.
const REQUESTS: usize = 12;

/// An operator behind a gate, in a namespace with a CA, a workload without pods and a certificate
/// that is ready: the neighbour of the one that a test creates.
struct Scene {
    // They end in this order.
    operator: Operator,
    gate: Gate,
    world: World,
}

impl Scene {
    async fn with_neighbour(name: &str) -> Self {
        let world = World::with_ca(name).await;
        let client = world.client.clone();
        Self::of(world, client, &[]).await
    }

    /// The operator has the rights of this client, and knows of these Secrets.
    async fn of(world: World, client: Client, secret_names: &[&str]) -> Self {
        let gate = Gate::start(client).await;
        let operator = Operator::start(&start(&world, &gate, "operator.log", secret_names));
        world.create_workload(&fixtures::light(0)).await;
        let scene = Self {
            operator,
            gate,
            world,
        };
        scene.create_neighbour().await;
        scene
    }

    /// The same with a certificate that is ready.
    async fn ready(name: &str) -> Self {
        let scene = Self::with_neighbour(name).await;
        scene.world.create_certificate(&json!({})).await;
        scene.world.until_ready().await;
        scene.assert_rollouts(1).await;
        scene
    }

    async fn create_neighbour(&self) {
        let other = json!({"secretName": NEIGHBOUR, "workloadRef": null});
        let mut neighbour = fixtures::certificate(&other);
        neighbour.metadata.name = Some(NEIGHBOUR.to_owned());
        self.world
            .api::<CoturnCertificate>()
            .create(&PostParams::default(), &neighbour)
            .await
            .unwrap();
        wait::until("a neighbour that is ready", async || {
            self.neighbour_serial().await
        })
        .await;
    }

    /// The serial number of the neighbour's certificate, while it is ready.
    async fn neighbour_serial(&self) -> Option<String> {
        let neighbour: CoturnCertificate = self.world.api().get(NEIGHBOUR).await.unwrap();
        let status = neighbour.status?;
        let mut conditions = status.conditions.iter();
        let is_ready = conditions.any(|it| it.type_ == "Ready" && it.status == "True");
        is_ready.then_some(status.certificate?.serial_number)
    }

    /// Stops the test unless the neighbour is renewed as if nothing were the matter.
    async fn assert_neighbour_is_renewed(&self) {
        let before = self.neighbour_serial().await.expect("a ready neighbour");
        let patch = json!({"metadata": {"annotations": {names::RENEW: before}}});
        self.world
            .patch::<CoturnCertificate>(NEIGHBOUR, patch)
            .await;
        wait::until("another certificate for the neighbour", async || {
            self.neighbour_serial()
                .await
                .filter(|serial| *serial != before)
        })
        .await;
    }

    /// Stops the test unless such requests become ever rarer, and little is asked beside them.
    async fn assert_ever_rarer(&self, since: Instant, what: &What) {
        let attempts = wait::until("attempts in vain", async || {
            let mut attempts = self.gate.attempts(what);
            attempts.retain(|attempt| attempt.at >= since);
            (attempts.len() >= ATTEMPTS).then_some(attempts)
        })
        .await;
        assert_ever_rarer(&attempts);
        let asked = self.gate.passed();
        let asked = asked.iter().filter(|one| one.at >= since).count();
        // The neighbour's renewal may be among them.
        let most = (attempts.len() + 1) * REQUESTS;
        assert!(asked <= most, "{asked} requests for {attempts:?}");
    }

    /// Waits until the workload's template was changed so often; stops the test if it was oftener.
    async fn assert_rollouts(&self, count: i64) {
        assert_rollouts(&self.world, count).await;
    }

    async fn published_secret(&self) -> Secret {
        self.world.secret(fixtures::PUBLISHED).await.expect("it")
    }
}

/// Waits until the workload's template was changed so often; stops the test if it was oftener, or is
/// within a moment.
async fn assert_rollouts(world: &World, count: i64) {
    let rollouts = async || {
        let workload: StatefulSet = world.api().get(fixtures::COTURN).await.unwrap();
        workload.metadata.generation.unwrap() - 1
    };
    wait::until("a changed template", async || {
        (rollouts().await >= count).then_some(())
    })
    .await;
    wait::throughout("no further rollout", MOMENT, async || {
        rollouts().await == count
    })
    .await;
}

/// How an operator is started behind a gate.
fn start<'a>(world: &'a World, gate: &Gate, log: &str, secret_names: &'a [&'a str]) -> Start<'a> {
    let kubeconfig = plain_kubeconfig(world.folder(), gate.address());
    let log = world.folder().join(log);
    Start {
        namespace: &world.namespace,
        // A test's few paths live as long as its process.
        kubeconfig: Box::leak(kubeconfig.into_boxed_path()),
        log: Box::leak(log.into_boxed_path()),
        secret_names,
        arguments: &[],
    }
}
