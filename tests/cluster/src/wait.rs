//! Waiting for a condition, with a deadline and the place to look if it never comes.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::Error;

const POLL: Duration = Duration::from_millis(25);

/// Asks `probe` until it has an answer.
///
/// # Errors
/// [`Error::Timeout`] naming `what` and `log` once `limit` has passed, and whatever `probe` fails with.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    log: &Path,
    mut probe: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(Error::Timeout {
                what: what.to_owned(),
                limit,
                log: log.to_owned(),
            });
        }
        thread::sleep(POLL);
    }
}

/// Asks `probe` until it says yes or `limit` has passed; tells which.
pub(crate) fn holds_within(limit: Duration, mut probe: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !probe() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}
