//! Two operators at once: both act, or one acts on what it decided while it was the leader.

use e2e::{
    World, fixtures,
    gate::{Gate, What},
    operator::{self, Operator, Start},
    wait,
};
use kube::ResourceExt as _;
use serde_json::json;

use super::{Scene, assert_rollouts, start};

/// Renewals in which both operators race, beside the one in which they are made to.
const RENEWALS: i64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_that_both_act_issue_one_certificate_per_request_and_roll_it_out_once() {
    let scene = Scene::ready("both").await;
    let world = &scene.world;
    let other = Gate::start(world.client.clone()).await;
    // With a Lease of its own: it acts beside the first.
    let mut second = Operator::start(&Start {
        arguments: &["--lease", "second"],
        ..start(world, &other, "second.log", &[])
    });
    wait::until("a pass of the second operator", async || {
        (!other.passed().is_empty()).then_some(())
    })
    .await;
    let history = world.history().await;

    let storing = || What::replacing(fixtures::STORE);
    let holds = [scene.gate.hold(storing()), other.hold(storing())];
    let serial = world.serial().await.unwrap();
    world.renew("at once").await;
    scene.gate.until_caught().await;
    other.until_caught().await;
    holds.into_iter().for_each(e2e::gate::Hold::release);
    world.until_renewed(&serial).await;
    let answers = [scene.gate.attempts(&storing()), other.attempts(&storing())].concat();
    assert!(
        answers.iter().any(|answer| answer.code == Some(409)),
        "{answers:?}"
    );
    assert_eq!(world.issued().await.len(), 2);
    scene.assert_rollouts(2).await;

    for number in 0..RENEWALS {
        let serial = world.serial().await.unwrap();
        world.renew(&number.to_string()).await;
        world.until_renewed(&serial).await;
        scene.assert_rollouts(3 + number).await;
    }

    assert_eq!(world.issued().await.len(), 5);
    history.assert_only_matching_pairs();
    assert!(second.runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_paused_leader_decided_does_not_hold_after_another_took_over() {
    let world = World::with_ca("paused").await;
    let (one, another) = (
        Gate::start(world.client.clone()).await,
        Gate::start(world.client.clone()).await,
    );
    let mut leader = Operator::start_as(&start(&world, &one, "operator.log", &[]), "first");
    world.create_workload(&fixtures::light(0)).await;
    world.create_certificate(&json!({})).await;
    world.until_ready().await;
    assert_rollouts(&world, 1).await;
    let mut standby = Operator::start_as(&start(&world, &another, "standby.log", &[]), "second");
    let serial = world.serial().await.unwrap();
    let history = world.history().await;

    // Between its two writes: the pair is stored, and not yet published.
    let publishing = What::replacing(fixtures::PUBLISHED);
    let hold = one.hold(publishing.clone());
    world.renew("half of it").await;
    one.until_caught().await;
    assert_eq!(world.issued().await.len(), 2);
    operator::pause(leader.id());

    world.until_renewed(&serial).await;
    let published = world.secret(fixtures::PUBLISHED).await.unwrap();
    assert!(!another.attempts(&publishing).is_empty());

    hold.release();
    wait::until("the answer to the late write", async || {
        let late = one.attempts(&publishing);
        let code = late.last()?.code?;
        assert_eq!(code, 409, "the late write took place");
        Some(())
    })
    .await;
    operator::resume(leader.id());
    leader.until_ended().await;

    let after = world.secret(fixtures::PUBLISHED).await.unwrap();
    assert_eq!(after.resource_version(), published.resource_version());
    assert_eq!(world.issued().await.len(), 2);
    assert_rollouts(&world, 2).await;
    history.assert_only_matching_pairs();
    assert!(standby.runs());
}
