//! Once converged, nothing is written.

use std::time::Duration;

use api::names;
use e2e::{SCHEMA, World, fixtures};

#[tokio::test(flavor = "multi_thread")]
async fn a_converged_certificate_causes_no_write_in_two_minutes() {
    let world = World::ready("quiet", &fixtures::light(2)).await;
    let _unchanged = SCHEMA.read().await;
    world.until_calm().await;
    let mark = world.mark();

    tokio::time::sleep(Duration::from_mins(2)).await;

    let requests = mark.requests(&world.namespace, names::FIELD_MANAGER);
    assert_eq!(mark.writes(&world.namespace, names::FIELD_MANAGER), []);
    let reads = requests
        .iter()
        .filter(|request| request.verb != "watch")
        .count();
    assert!(reads <= 4, "an idle operator reads: {requests:?}");
    // Else the log would tell of nobody's requests.
    let renewals = mark.renewals(&world.namespace, names::FIELD_MANAGER);
    assert!(renewals > 5, "only {renewals} renewals of the Lease");
}
