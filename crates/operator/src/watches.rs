//! Watches that go on whatever happens: each backs off by itself, tells in the log what failed, and
//! notes when its first list is complete.

use std::{
    fmt::Debug,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{Stream, StreamExt as _};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Store},
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;

use crate::redact::redact;

/// Whether a watch has listed its objects once.
pub type Listed = Arc<AtomicBool>;

/// A watch: what it knows, whether that is complete, and its events.
pub struct Watch<K, S>
where
    K: Resource + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// The objects.
    pub store: Store<K>,
    /// Whether they were listed once.
    pub listed: Listed,
    /// Each event. Never an error: those are logged, and the watch goes on.
    pub events: S,
}

/// What a watch knows, for whoever looks things up in it.
pub struct Known<K>
where
    K: Resource + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// The objects.
    pub store: Store<K>,
    listed: Listed,
}

impl<K> Known<K>
where
    K: Resource + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// Whether the objects were listed once; before, what is missing may exist.
    pub fn is_complete(&self) -> bool {
        self.listed.load(Ordering::Relaxed)
    }
}

impl<K, S> Watch<K, S>
where
    K: Resource + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// What it knows.
    pub fn known(&self) -> Known<K> {
        Known {
            store: self.store.clone(),
            listed: Arc::clone(&self.listed),
        }
    }
}

/// Keeps an object as it is.
pub fn as_it_is<K>(_: &mut K) {}

/// Watches objects, each kept as `strip` leaves it.
pub fn watch<K>(
    what: &'static str,
    api: Api<K>,
    config: watcher::Config,
    strip: fn(&mut K),
) -> Watch<K, impl Stream<Item = Event<K>> + Send + 'static>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Default + Eq + Hash + Clone + Send + Sync,
{
    let (store, writer) = reflector::store();
    let listed = Listed::default();
    let flag = Arc::clone(&listed);
    let events = watcher::watcher(api, config)
        .default_backoff()
        .modify(strip)
        .reflect(writer)
        .filter_map(move |event| {
            let event = event
                .inspect(|event| {
                    if matches!(event, Event::InitDone) {
                        flag.store(true, Ordering::Relaxed);
                    }
                })
                .inspect_err(|error| {
                    let error = redact(&error.to_string());
                    tracing::warn!(what, error, "a watch failed; it is tried again");
                });
            std::future::ready(event.ok())
        });
    Watch {
        store,
        listed,
        events,
    }
}

/// The objects that events speak of, those that are gone included.
pub fn touched<K>(event: Event<K>) -> Option<K> {
    match event {
        Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => Some(object),
        Event::Init | Event::InitDone => None,
    }
}

/// The objects that events speak of, as far as they exist.
pub fn applied<K>(event: Event<K>) -> Option<K> {
    match event {
        Event::Apply(object) | Event::InitApply(object) => Some(object),
        Event::Delete(_) | Event::Init | Event::InitDone => None,
    }
}
