//! Waiting for conditions, with deadlines that a busy machine meets.

use std::time::{Duration, Instant};

/// How long any single condition may take.
pub const DEADLINE: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(150);

/// Asks until there is an answer; stops the test at the deadline.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "waited in vain for: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Asks again and again for a while; stops the test at the first answer that is not what holds.
pub async fn throughout(what: &str, span: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < span {
        assert!(holds().await, "did not hold throughout: {what}");
        tokio::time::sleep(POLL).await;
    }
}
