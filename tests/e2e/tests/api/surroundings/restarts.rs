//! The API server and etcd end and come back, on a control plane of the test's own.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use api::CoturnCertificate;

use cluster::{Cluster, Options, Silent};
use e2e::{
    Environment, World, fixtures,
    operator::{Operator, Start},
    wait,
};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::assert_rollouts;

const READY: Duration = Duration::from_mins(2);
/// An operator that cannot renew its Lease for longer than twenty seconds ends, as it should; the last
/// renewal may be ten seconds old when an outage begins. The API server of a busy machine may be away
/// for as long.
const BRIEF: Duration = Duration::from_secs(6);
/// By whom the operator is known here.
const USER: &str = "kubernetes-admin";

/// A running operator, and how one is started in its place.
struct Running<'a> {
    operator: Operator,
    start: Start<'a>,
}

impl Running<'_> {
    /// Ends a component and brings it back, and waits until an operator acts again.
    async fn outage(&mut self, world: &World, plane: &mut Cluster, component: &str) {
        let began = Instant::now();
        tokio::task::block_in_place(|| {
            plane.stop(component).unwrap();
            plane.start(component).unwrap();
            plane.until_ready(READY).unwrap();
        });
        if began.elapsed() < BRIEF {
            assert!(self.operator.runs(), "it ended for want of {component}");
        }
        self.until_acting(world).await;
    }

    /// Waits until the operator, or one in its place, has renewed its Lease, and until the test can
    /// read what it looks at.
    async fn until_acting(&mut self, world: &World) {
        let mark = world.mark();
        wait::until("an operator that renews its Lease", async || {
            if !self.operator.runs() {
                self.operator = Operator::start(&self.start);
            }
            (mark.renewals(&world.namespace, USER) > 0).then_some(())
        })
        .await;
        wait::until("answers to reads", async || {
            world.api::<Secret>().get(fixtures::STORE).await.ok()?;
            let resources = world.api::<CoturnCertificate>();
            resources.get(fixtures::COTURN).await.ok().map(drop)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_and_etcd_restart_and_nothing_is_issued_or_restarted_for_it() {
    let folder = Environment::get().cluster().state().join("tests/restarts");
    let options = Options::control_plane(&folder);
    let mut plane = tokio::task::block_in_place(|| cluster::up(&options, &Silent)).unwrap();
    let environment = Arc::new(Environment::of(&folder));
    let world = World::with_ca_in(&environment, "restarts").await;
    let log = world.folder().join("operator.log");
    let start = Start {
        namespace: &world.namespace,
        kubeconfig: Path::new(environment.cluster().kubeconfig()),
        log: &log,
        secret_names: &[fixtures::CA, fixtures::PUBLISHED, fixtures::STORE],
        arguments: &[],
    };
    let operator = Operator::start(&start);
    let mut running = Running { operator, start };
    world.create_workload(&fixtures::light(0)).await;
    world.create_certificate(&json!({})).await;
    world.until_ready().await;
    assert_rollouts(&world, 1).await;
    let history = world.history().await;
    let published = world.secret(fixtures::PUBLISHED).await;

    let components = ["kube-apiserver", "etcd"];
    for (number, component) in components.into_iter().enumerate() {
        running.outage(&world, &mut plane, component).await;
        let serial = world.serial().await.unwrap();
        assert_eq!(world.issued().await.len(), 1 + number);
        assert_rollouts(&world, i64::try_from(1 + number).unwrap()).await;
        if number == 0 {
            assert_eq!(world.secret(fixtures::PUBLISHED).await, published);
        }
        world.renew(component).await;
        world.until_renewed(&serial).await;
    }
    assert_rollouts(&world, 3).await;

    // What is asked for a moment before the end is done after it.
    let serial = world.serial().await.unwrap();
    world.renew("in the middle").await;
    running.outage(&world, &mut plane, "etcd").await;
    world.until_renewed(&serial).await;

    assert_eq!(world.issued().await.len(), 4);
    assert_rollouts(&world, 4).await;
    history.assert_only_matching_pairs();
}
