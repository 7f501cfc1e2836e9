//! The operator is killed after each of its writes, with the reply lost: it comes to the same end.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use api::names;
use e2e::{
    World, fixtures,
    operator::{self, Operator, Start, plain_kubeconfig},
    proxy::{Proxy, Strike},
    wait,
};
use k8s_openapi::api::core::v1::Secret;
use pki::testing::TestCa;
use serde_json::json;

/// More writes than any of these scenarios takes.
const NEVER: usize = 1000;
/// A repair whose writes are further apart is not seen as one.
const PAUSE: Duration = Duration::from_millis(1500);

/// Runs an operator until it is killed after its write number `fatal`, then another to the end.
/// Returns the writes that the first one sent.
struct Run<'a> {
    world: &'a World,
}

impl Run<'_> {
    fn start(&self, proxy: &Proxy) -> Operator {
        let log = self.world.folder().join("operator.log");
        Operator::start(&Start {
            namespace: &self.world.namespace,
            kubeconfig: &plain_kubeconfig(self.world.folder(), proxy.address()),
            log: &log,
            secret_names: &[fixtures::CA, fixtures::PUBLISHED, fixtures::STORE],
        })
    }

    /// Starts an operator behind a proxy that kills it after its write number `fatal`.
    async fn start_doomed(&self, fatal: usize) -> (Operator, Proxy) {
        let victim = Arc::new(Mutex::new(None::<u32>));
        let target = Arc::clone(&victim);
        let strike: Strike = Arc::new(move || {
            let id = target.lock().unwrap().expect("the operator runs");
            operator::kill(id);
        });
        let proxy = Proxy::start(self.world.client.clone(), fatal, strike).await;
        let operator = self.start(&proxy);
        *victim.lock().unwrap() = Some(operator.id());
        (operator, proxy)
    }

    async fn start_safe(&self) -> (Operator, Proxy) {
        let proxy = Proxy::start(self.world.client.clone(), NEVER, Arc::new(|| {})).await;
        (self.start(&proxy), proxy)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.world.folder().join("operator.log")).expect("the log")
    }

    /// No write in a while.
    async fn assert_quiet(&self, proxy: &Proxy) {
        let before = proxy.writes();
        wait::throughout("no more writes", Duration::from_secs(2), async || {
            let writes = proxy.writes();
            let more = &writes[before.len()..];
            assert!(more.is_empty(), "{more:?} after {before:?}");
            true
        })
        .await;
    }
}

/// Waits until the fatal write was done, or the end is reached without it.
async fn until_struck(proxy: &Proxy, mut reached: impl AsyncFnMut() -> bool) -> bool {
    wait::until("the fatal write, or the end", async || {
        if proxy.has_struck() {
            return Some(true);
        }
        reached().await.then_some(false)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_each_write_of_a_first_issuance_it_comes_to_the_same_end() {
    let mut fatal = 1;
    while first_issuance(fatal).await {
        fatal += 1;
    }
    assert!(fatal > 4, "only {fatal} writes were seen");
}

/// Returns whether the write number `fatal` took place.
async fn first_issuance(fatal: usize) -> bool {
    let world = World::with_ca("killed-first").await;
    let run = Run { world: &world };
    let history = world.history().await;
    world.create_workload(&fixtures::light(1)).await;
    world.create_certificate(&json!({})).await;

    let (mut doomed, proxy) = run.start_doomed(fatal).await;
    let struck = until_struck(&proxy, async || is_done(&world).await).await;
    doomed.kill();
    let (_operator, proxy) = run.start_safe().await;
    world.until_ready().await;

    run.assert_quiet(&proxy).await;
    assert_eq!(world.issued().await.len(), 1, "after the write {fatal}");
    assert_eq!(world.revisions().await, 1, "after the write {fatal}");
    history.assert_only_matching_pairs();
    world.assert_no_key_leaked(&run.log()).await;
    struck
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_each_write_of_a_renewal_it_comes_to_the_same_end() {
    let mut fatal = 1;
    while renewal(fatal).await {
        fatal += 1;
    }
    assert!(fatal > 5, "only {fatal} writes were seen");
}

/// Returns whether the write number `fatal` took place.
async fn renewal(fatal: usize) -> bool {
    let world = World::with_ca("killed-renewing").await;
    let run = Run { world: &world };
    world.create_workload(&fixtures::light(1)).await;
    world.create_certificate(&json!({})).await;
    let (mut first, _proxy) = run.start_safe().await;
    world.until_ready().await;
    let before = world.serial().await.unwrap();
    first.kill();
    let history = world.history().await;

    world.renew("please").await;
    let (mut doomed, proxy) = run.start_doomed(fatal).await;
    let struck = until_struck(&proxy, async || {
        world.serial().await.as_ref() != Some(&before) && is_done(&world).await
    })
    .await;
    doomed.kill();
    let (_operator, proxy) = run.start_safe().await;
    world.until_renewed(&before).await;

    run.assert_quiet(&proxy).await;
    assert_eq!(world.issued().await.len(), 2, "after the write {fatal}");
    assert_eq!(world.revisions().await, 2, "after the write {fatal}");
    history.assert_only_matching_pairs();
    world.assert_no_key_leaked(&run.log()).await;
    struck
}

/// When somebody overwrites the published Secret.
#[derive(Clone, Copy)]
enum Overwritten {
    /// While no operator runs.
    BeforeTheOperatorStarts,
    /// While one looks on.
    WhileTheOperatorRuns,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_each_write_of_a_repair_at_its_start_it_comes_to_the_same_end() {
    let mut fatal = 1;
    while repair(fatal, Overwritten::BeforeTheOperatorStarts).await {
        fatal += 1;
    }
    assert!(fatal > 2, "only {fatal} writes were seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_each_write_of_a_repair_it_comes_to_the_same_end() {
    let mut fatal = 1;
    while repair(fatal, Overwritten::WhileTheOperatorRuns).await {
        fatal += 1;
    }
    assert!(fatal > 2, "only {fatal} writes were seen");
}

/// Returns whether the write number `fatal` took place.
async fn repair(fatal: usize, overwritten: Overwritten) -> bool {
    let world = World::with_ca("killed-repairing").await;
    let run = Run { world: &world };
    world.create_workload(&fixtures::light(1)).await;
    world.create_certificate(&json!({})).await;
    let (mut first, _proxy) = run.start_safe().await;
    world.until_ready().await;
    world.until_settled().await;
    first.kill();
    let (before, workload) = (world.published().await, world.workload_state().await);
    let history = world.history().await;

    let (mut doomed, proxy) = match overwritten {
        Overwritten::BeforeTheOperatorStarts => {
            overwrite(&world).await;
            run.start_doomed(fatal).await
        }
        Overwritten::WhileTheOperatorRuns => {
            let (doomed, proxy) = run.start_doomed(fatal).await;
            wait::until("a pass of the operator", async || {
                proxy.has_passed(fixtures::PUBLISHED).then_some(())
            })
            .await;
            overwrite(&world).await;
            (doomed, proxy)
        }
    };
    let struck = until_struck(&proxy, async || {
        let writes = proxy.writes();
        tokio::time::sleep(PAUSE).await;
        world.published().await == before && proxy.writes() == writes && is_done(&world).await
    })
    .await;
    doomed.kill();
    let (_operator, proxy) = run.start_safe().await;
    wait::until("the Secret restored", async || {
        (world.published().await == before).then_some(())
    })
    .await;
    world.until_ready().await;

    world.assert_no_restart_since(&workload).await;
    run.assert_quiet(&proxy).await;
    assert_eq!(world.published().await, before, "after the write {fatal}");
    assert_eq!(world.issued().await.len(), 1, "after the write {fatal}");
    history.assert_only_matching_pairs();
    world.assert_no_key_leaked(&run.log()).await;
    struck
}

/// Puts a pair of another CA into the published Secret.
async fn overwrite(world: &World) {
    let other = TestCa::example();
    let data = json!({"data": {
        names::TLS_CRT: fixtures::text(&other.certificate()),
        names::TLS_KEY: fixtures::text(&other.key()),
    }});
    world.patch::<Secret>(fixtures::PUBLISHED, data).await;
}

async fn is_done(world: &World) -> bool {
    let holds = async |kind| {
        world
            .condition(kind)
            .await
            .is_some_and(|condition| condition.status == "True")
    };
    holds("Ready").await && holds("RolledOut").await
}
