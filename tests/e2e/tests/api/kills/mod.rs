//! Whatever write is the operator's last before it is killed, and whichever reply is lost: it comes
//! to the same end. A scenario tells its writes, and a run without a disturbance fails if there are
//! others; for each write one run kills the operator after it, and one loses its reply.

mod adoption;
mod deeds;
mod kinds;
mod oracles;
mod run;
mod scenario;
mod scenarios;
mod single;
mod workload;

use futures::future::join_all;
use tokio::sync::Semaphore;

use run::{Disturbance, run};
use scenario::Scenario;

/// Runs at one time, so that the machine is not asked for more than it has.
static RUNS: Semaphore = Semaphore::const_new(16);

/// Runs a scenario undisturbed, and disturbed at each of its writes.
async fn sweep(scenario: &Scenario) {
    let disturbed = scenario.marks().into_iter().flat_map(|mark| {
        [
            Disturbance::KilledAfter(mark.clone()),
            Disturbance::ReplyLost(mark),
        ]
    });
    let runs = std::iter::once(Disturbance::None).chain(disturbed);
    // On one thread: an operator ends with the thread that started it.
    join_all(runs.map(async |disturbance| {
        let _turn = RUNS.acquire().await.unwrap();
        run(scenario, &disturbance).await;
    }))
    .await;
}
