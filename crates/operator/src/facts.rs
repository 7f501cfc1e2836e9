//! What was parsed of objects read before, by their revision: an idle pass costs no request and
//! no key bytes are kept.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use api::WorkloadRef;
use jiff::Timestamp;
use plan::{
    Refusal, Version,
    certificate::{Authority, Published, Store},
};

use crate::workload::Members;

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
    pub pods: Remembered<Members, WorkloadRef>,
    /// Why the last write to a workload failed, by its kind and name.
    pub refusals: Refusals,
    /// When a resource's objects were read from the API server last, by the resource's name.
    pub confirmed: Confirmed,
}

/// Facts of objects, each of one revision; none for the absence of the object.
pub struct Remembered<T, K = String>(Mutex<HashMap<K, (Option<Version>, T)>>);

impl<T, K> Default for Remembered<T, K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone, K: Eq + Hash> Remembered<T, K> {
    /// What is known of exactly this revision of the object.
    pub fn get<Q>(&self, object: &Q, version: Option<&Version>) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, facts) = entries.get(object)?;
        (known.as_ref() == version).then(|| facts.clone())
    }

    /// Remembers what is known of a revision of the object.
    pub fn put(&self, object: impl Into<K>, version: Option<Version>, facts: T) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(object.into(), (version, facts));
    }

    /// Forgets the object.
    pub fn forget<Q>(&self, object: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(object);
    }

    /// Forgets all objects but these.
    pub fn retain(&self, is_kept: impl Fn(&K) -> bool) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|object, _| is_kept(object));
    }
}

/// Writes to workloads that failed.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<WorkloadRef, Refused>>);

/// A write that failed, in the operator's own words and in full.
pub struct Refused {
    /// The message up to where it may differ from one try to the next.
    pub own_words: String,
    /// What is told.
    pub refusal: Refusal,
    /// Since when writes have failed for this reason, by the API server's clock.
    pub since: Timestamp,
}

impl Refusals {
    /// Why the last write to a workload failed, if it did, and since when writes have failed for that reason.
    pub fn get(&self, workload: &WorkloadRef) -> Option<(Refusal, Timestamp)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(workload)
            .map(|refused| (refused.refusal.clone(), refused.since))
    }

    /// Notes how the last write went; returns whether that is news. What differs only in words that
    /// differ at each try is none, and the first of them stand.
    pub fn note(&self, workload: &WorkloadRef, refused: Option<Refused>) -> bool {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(refused) = refused else {
            return refusals.remove(workload).is_some();
        };
        let known = refusals.get(workload);
        let goes_on = known.filter(|known| known.refusal.reason == refused.refusal.reason);
        let is_news = goes_on.is_none_or(|known| known.own_words != refused.own_words);
        if is_news {
            let since = goes_on.map_or(refused.since, |known| known.since);
            refusals.insert(workload.clone(), Refused { since, ..refused });
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
    use api::{Reason, WorkloadKind};

    use super::*;

    fn refused(own_words: &str, message: &str) -> Refused {
        refused_at(0, Reason::Refused, own_words, message)
    }

    fn refused_at(minute: i64, reason: Reason, own_words: &str, message: &str) -> Refused {
        Refused {
            own_words: own_words.to_owned(),
            refusal: Refusal {
                reason,
                message: message.to_owned(),
            },
            since: minutes(minute),
        }
    }

    fn minutes(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minute)
    }

    #[test]
    fn a_refusal_stands_since_the_first_of_its_reason() {
        let (refusals, coturn) = (Refusals::default(), coturn(WorkloadKind::StatefulSet));
        let since = |minute, reason, pod: &str| {
            refusals.note(&coturn, Some(refused_at(minute, reason, pod, pod)));
            refusals.get(&coturn).unwrap().1
        };
        let budget = Reason::DisruptionBudget;
        assert_eq!(since(1, budget, "coturn-1"), minutes(1));
        assert_eq!(since(2, budget, "coturn-0"), minutes(1));
        assert_eq!(since(3, Reason::Forbidden, "coturn-0"), minutes(3));
        assert_eq!(since(4, budget, "coturn-0"), minutes(4));
        refusals.note(&coturn, None);
        assert_eq!(since(5, budget, "coturn-0"), minutes(5));
    }

    fn coturn(kind: WorkloadKind) -> WorkloadRef {
        let name = "coturn".to_owned();
        WorkloadRef { kind, name }
    }

    #[test]
    fn only_a_refusal_in_other_own_words_is_news() {
        let (refusals, coturn) = (Refusals::default(), coturn(WorkloadKind::StatefulSet));
        let is_news = |words, message| refusals.note(&coturn, Some(refused(words, message)));
        assert!(!refusals.note(&coturn, None));
        assert!(is_news("a webhook", "a webhook: at 12:30"));
        assert!(!is_news("a webhook", "a webhook: at 12:31"));
        let (told, _) = refusals.get(&coturn).unwrap();
        assert_eq!(told.message, "a webhook: at 12:30");
        assert!(is_news("a quota", "a quota"));
        assert!(refusals.note(&coturn, None));
        assert_eq!(refusals.get(&coturn), None);
    }

    #[test]
    fn what_is_known_of_a_workload_is_not_taken_for_that_of_another_kind_and_the_same_name() {
        let (facts, refusals) = (
            Remembered::<u8, WorkloadRef>::default(),
            Refusals::default(),
        );
        facts.put(coturn(WorkloadKind::Deployment), None, 1);
        refusals.note(&coturn(WorkloadKind::Deployment), Some(refused("a", "a")));
        for (kind, known) in [
            (WorkloadKind::StatefulSet, None),
            (WorkloadKind::Deployment, Some(1)),
            (WorkloadKind::DaemonSet, None),
        ] {
            assert_eq!(facts.get(&coturn(kind), None), known);
            assert_eq!(refusals.get(&coturn(kind)).is_some(), known.is_some());
        }
    }
}
