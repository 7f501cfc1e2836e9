//! How long a failing resource waits: ever longer, each for itself.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The shortest and the longest wait.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// After the first failure; then it doubles.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
}

/// Failures in a row per key.
#[derive(Debug)]
pub struct Backoff<K> {
    range: Range,
    failures: Mutex<HashMap<K, u32>>,
}

impl<K: Eq + Hash> Backoff<K> {
    /// Without failures.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            failures: Mutex::default(),
        }
    }

    /// Counts one more failure; returns how long to wait.
    pub fn failed(&self, key: K) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key).or_default();
        let wait = self
            .range
            .first
            .saturating_mul(1 << (*count).min(16))
            .min(self.range.longest);
        *count = count.saturating_add(1);
        wait
    }

    /// Failures in a row.
    pub fn count(&self, key: &K) -> u32 {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(key).copied().unwrap_or_default()
    }

    /// Forgets the failures of what succeeded, or is gone.
    pub fn forget(&self, key: &K) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_minutes_and_starts_over_after_a_success() {
        let backoff = Backoff::new(Range {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(5),
        });
        let waits: Vec<_> = (0..12).map(|_| backoff.failed("a").as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(backoff.failed("b").as_secs(), 1);
        assert_eq!((backoff.count(&"a"), backoff.count(&"b")), (12, 1));
        backoff.forget(&"a");
        assert_eq!(backoff.count(&"a"), 0);
        assert_eq!(backoff.failed("a").as_secs(), 1);
    }
}
