//! Waiting for conditions, with deadlines that a busy machine meets.

use std::{
    thread,
    time::{Duration, Instant},
};

const DEADLINE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// Longer than the agent waits between two looks while it awaits something.
const SPAN: Duration = Duration::from_secs(2);

/// Asks until there is an answer.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "waited in vain for: {what}");
        thread::sleep(POLL);
    }
}

/// Asks again and again for a while; stops the test at the first answer that is not what holds.
pub fn throughout(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < SPAN {
        assert!(holds(), "did not hold throughout: {what}");
        thread::sleep(POLL);
    }
}
