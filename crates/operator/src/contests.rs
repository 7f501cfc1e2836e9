//! What was written to objects on which others may undo it, as far as [`plan::contest`] counts it.
//!
//! Kept in memory: a restarted operator tries a few more times, and gives way again.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// What is counted of each object.
pub struct Contests<K, T>(Mutex<HashMap<K, T>>);

impl<K, T> Default for Contests<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, T: Default> Contests<K, T> {
    /// Counts one more write to an object.
    pub fn count(&self, object: K, write: impl FnOnce(&mut T)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write(known.entry(object).or_default());
    }

    /// What follows from the writes to an object.
    pub fn of<Q, A>(&self, object: &Q, ask: impl FnOnce(&T) -> Option<A>) -> Option<A>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(object).and_then(ask)
    }

    /// Forgets an object.
    pub fn forget<Q>(&self, object: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(object);
    }

    /// Forgets all objects but these.
    pub fn retain(&self, is_kept: impl Fn(&K) -> bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|object, _| is_kept(object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_for_each_object_by_itself() {
        let contests = Contests::<String, u32>::default();
        for object in ["a", "b", "a"] {
            contests.count(object.to_owned(), |times| *times += 1);
        }
        let times = |object: &str| contests.of(object, |times| Some(*times));
        assert_eq!(
            (times("a"), times("b"), times("c")),
            (Some(2), Some(1), None)
        );
    }
}
