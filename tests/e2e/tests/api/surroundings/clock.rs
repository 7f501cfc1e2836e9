//! The clocks of the operator and of the API server differ. The gate changes the date of answers: to
//! the operator that is an API server whose clock is off, or a clock of its own that is.

use std::time::Duration;

use e2e::{fixtures, wait};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Scene;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// As `2026-01-31`.
fn tomorrow() -> String {
    let tomorrow = (Timestamp::now() + DAY).to_string();
    tomorrow.split('T').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_by_a_clock_that_is_a_day_off_and_all_goes_on_once_it_is_right() {
    let scene = Scene::ready("clock").await;
    let world = &scene.world;
    let (before, serial) = (world.published().await, world.serial().await.unwrap());
    scene.gate.shift_date(DAY);
    // On either side of a midnight.
    let mut tomorrows = vec![tomorrow()];

    world.renew("in vain").await;

    let issued = world
        .until_condition("Issued", "False", "ClockSkewed")
        .await;
    tomorrows.push(tomorrow());
    for part in ["behind the API server's", "Correct the clock"] {
        assert!(issued.message.contains(part), "{}", issued.message);
    }
    let mut tomorrows = tomorrows.iter();
    assert!(
        tomorrows.any(|day| issued.message.contains(day)),
        "{}",
        issued.message
    );
    assert_eq!(world.condition("Ready").await.unwrap().status, "True");
    let so_far = scene.gate.passed().len();
    wait::throughout("nothing is done", Duration::from_secs(4), async || {
        world.serial().await.as_ref() == Some(&serial) && scene.gate.passed().len() <= so_far + 6
    })
    .await;
    assert_eq!(world.published().await, before);
    assert_eq!(world.issued().await.len(), 1);

    scene.gate.shift_date(SignedDuration::ZERO);
    world.until_renewed(&serial).await;
    assert_eq!(world.issued().await.len(), 2);
    scene.assert_rollouts(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_certificate_waits_until_a_clock_that_is_ahead_is_right() {
    let scene = Scene::with_neighbour("first-clock").await;
    let world = &scene.world;
    scene.gate.shift_date(-DAY);

    world.create_certificate(&json!({})).await;

    let issued = world
        .until_condition("Issued", "False", "ClockSkewed")
        .await;
    assert!(issued.message.contains("ahead of"), "{}", issued.message);
    let ready = world.condition("Ready").await.unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "ClockSkewed")
    );
    assert!(world.secret(fixtures::STORE).await.is_none());

    scene.gate.shift_date(SignedDuration::ZERO);
    world.until_ready().await;
    assert_eq!(world.issued().await.len(), 1);
}
