//! The operator comes and goes; what it looks after does not notice.

use std::time::Duration;

use api::names;
use e2e::{World, fixtures, wait};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_restarted_writes_nothing_and_restarts_nothing() {
    let world = World::ready("restarted", &fixtures::light(2)).await;
    let workload = world.workload_state().await;
    world.until_calm().await;
    let mark = world.mark();

    world.restart_operator().await;
    world.until_a_pass_since(&mark).await;

    wait::throughout("no write", Duration::from_secs(5), async || {
        mark.writes(&world.namespace, names::FIELD_MANAGER)
            .is_empty()
    })
    .await;
    world.assert_no_restart_since(&workload).await;
    assert_eq!(world.revisions().await, 1);
}
