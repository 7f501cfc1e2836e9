//! Agents that are none, or mean harm: the way to a partner through one ends in time, and says how.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    io::Write as _,
    net::TcpListener,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use pki::testing::TestCa;
use probe::{Limits, Outcome, Relay, Trouble, dial_through};
use support::{identity, issued};

#[test]
fn an_agent_that_drips_is_not_listened_to_for_longer_than_the_limit() {
    /// The longest TLS record that there is.
    const RECORD: [u8; 5] = [0x16, 0x03, 0x03, 0x40, 0x00];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Relay {
        address: listener.local_addr().unwrap(),
        identities: vec![identity(&issued(&TestCa::example(), |_| {}))],
    };
    // It would last for a quarter of an hour.
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut taken = stream.write_all(&RECORD);
        while taken.is_ok() {
            thread::sleep(Duration::from_millis(50));
            taken = stream.write_all(&[0]);
        }
    });
    let limits = Limits {
        time: Duration::from_secs(1),
        ..Limits::default()
    };
    let (ended, awaited) = mpsc::channel();
    let started = Instant::now();
    thread::spawn(move || {
        let partner = "coturn.partner.example:9191".parse().unwrap();
        ended.send(dial_through(&relay, &partner, None, limits))
    });
    let report = awaited.recv_timeout(Duration::from_secs(30));
    let report = report.expect("it is listened to on and on");
    assert!(started.elapsed() >= limits.time);
    let Outcome::Failed(Trouble::NotBegun(why)) = &report.outcome else {
        panic!("{:?}", report.outcome);
    };
    assert!(why.contains("not completed in time"), "{why}");
}
