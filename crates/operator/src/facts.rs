//! What was parsed of objects read before, by their revision: an idle pass costs no request and
//! no key bytes are kept.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use plan::{
    Refusal, Version,
    certificate::{Authority, Published, Store},
    rollout::Pod,
};

/// Parsed facts of Secrets and of the pods of workloads.
#[derive(Default)]
pub struct Facts {
    /// Of CA Secrets.
    pub authorities: Remembered<Authority>,
    /// Of store Secrets.
    pub stores: Remembered<Store>,
    /// Of published Secrets.
    pub published: Remembered<Published>,
    /// Of pods, by the revision of their workload.
    pub pods: Remembered<Vec<Pod>>,
    /// Why the last write to a workload failed, by the workload's name.
    pub refusals: Refusals,
    /// When a resource's objects were read from the API server last, by the resource's name.
    pub confirmed: Confirmed,
}

/// Facts of objects of one kind, each of one revision; none for the absence of the object.
pub struct Remembered<T>(Mutex<HashMap<String, (Option<Version>, T)>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Remembered<T> {
    /// What is known of exactly this revision of the object.
    pub fn get(&self, name: &str, version: Option<&Version>) -> Option<T> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, facts) = entries.get(name)?;
        (known.as_ref() == version).then(|| facts.clone())
    }

    /// Remembers what is known of a revision of the object.
    pub fn put(&self, name: &str, version: Option<Version>, facts: T) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(name.to_owned(), (version, facts));
    }

    /// Forgets the object.
    pub fn forget(&self, name: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

/// Writes to workloads that failed.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<String, Refused>>);

/// A write that failed, in the operator's own words and in full.
pub struct Refused {
    /// The message up to where it may differ from one try to the next.
    pub own_words: String,
    /// What is told.
    pub refusal: Refusal,
}

impl Refusals {
    /// Why the last write to a workload failed, if it did.
    pub fn get(&self, workload: &str) -> Option<Refusal> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(workload)
            .map(|refused| refused.refusal.clone())
    }

    /// Notes how the last write went; returns whether that is news. What differs only in words that
    /// differ at each try is none, and the first of them stand.
    pub fn note(&self, workload: &str, refused: Option<Refused>) -> bool {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(refused) = refused else {
            return refusals.remove(workload).is_some();
        };
        let known = refusals.get(workload).map(|known| &known.own_words);
        let is_news = known != Some(&refused.own_words);
        if is_news {
            refusals.insert(workload.to_owned(), refused);
        }
        is_news
    }
}

/// When objects were read last.
#[derive(Default)]
pub struct Confirmed(Mutex<HashMap<String, Timestamp>>);

impl Confirmed {
    /// When the objects of a resource were read last.
    pub fn at(&self, name: &str) -> Option<Timestamp> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .copied()
    }

    /// Forgets a resource.
    pub fn forget(&self, name: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    /// Notes that they were read.
    pub fn note(&self, name: &str, now: Timestamp) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), now);
    }
}

#[cfg(test)]
mod tests {
    use api::Reason;

    use super::*;

    fn refused(own_words: &str, message: &str) -> Refused {
        Refused {
            own_words: own_words.to_owned(),
            refusal: Refusal {
                reason: Reason::Refused,
                message: message.to_owned(),
            },
        }
    }

    #[test]
    fn only_a_refusal_in_other_own_words_is_news() {
        let refusals = Refusals::default();
        let is_news = |words, message| refusals.note("coturn", Some(refused(words, message)));
        assert!(!refusals.note("coturn", None));
        assert!(is_news("a webhook", "a webhook: at 12:30"));
        assert!(!is_news("a webhook", "a webhook: at 12:31"));
        let told = refusals.get("coturn").unwrap();
        assert_eq!(told.message, "a webhook: at 12:30");
        assert!(is_news("a quota", "a quota"));
        assert!(refusals.note("coturn", None));
        assert_eq!(refusals.get("coturn"), None);
    }
}
