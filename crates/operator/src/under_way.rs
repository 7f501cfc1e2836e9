//! What is being done beside the passes, so that nothing is begun twice.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Names of what is being done.
pub struct UnderWay<K>(Arc<Mutex<HashSet<K>>>);

impl<K> Clone for UnderWay<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for UnderWay<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> UnderWay<K> {
    /// Begins something, unless it is being done.
    pub fn begin(&self, key: K) -> Option<Begun<K>> {
        let is_free = self.keys().insert(key.clone());
        is_free.then(|| Begun {
            key,
            among: self.clone(),
        })
    }
}

impl<K> UnderWay<K> {
    fn keys(&self) -> MutexGuard<'_, HashSet<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that is being done until this is dropped, also by a panic.
pub struct Begun<K: Eq + Hash> {
    key: K,
    among: UnderWay<K>,
}

impl<K: Eq + Hash> Drop for Begun<K> {
    fn drop(&mut self) {
        self.among.keys().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_begun_twice_until_it_has_ended() {
        let under_way = UnderWay::default();
        let begun = under_way.begin("a");
        assert!(begun.is_some() && under_way.begin("a").is_none());
        assert!(under_way.begin("b").is_some());
        drop(begun);
        assert!(under_way.begin("a").is_some());
    }

    #[tokio::test]
    async fn what_panics_has_ended() {
        let under_way = UnderWay::default();
        let begun = under_way.begin("a");
        let panicking = tokio::spawn(async move {
            let _begun = begun;
            panic!("as a bug would");
        });
        assert!(panicking.await.is_err());
        assert!(under_way.begin("a").is_some());
    }
}
