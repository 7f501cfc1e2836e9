//! Watches that go on whatever happens: each backs off by itself, tells in the log what failed, and
//! notes when its first list is complete.

use std::{
    fmt::Debug,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _, stream};
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

/// Whether a watch has listed its objects once, and when it was heard of last.
#[derive(Clone, Default)]
pub struct Listed(Arc<Mutex<Heard>>);

#[derive(Clone, Copy, Default)]
struct Heard {
    complete: bool,
    refused: bool,
    last: Option<Instant>,
}

impl Listed {
    /// Whether the objects were listed once.
    pub fn is_complete(&self) -> bool {
        self.heard().complete
    }

    /// Whether the API server refused the list when it was asked last.
    pub fn is_refused(&self) -> bool {
        self.heard().refused
    }

    /// Whether the first list is under way and the watch was silent, without so much as an error,
    /// for longer than this.
    pub fn hangs(&self, longest: Duration) -> bool {
        let heard = self.heard();
        !heard.complete && heard.last.is_some_and(|last| last.elapsed() > longest)
    }

    /// Notes a sign of life: an event, or an error.
    pub fn hear(&self, complete: bool) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.complete |= complete;
        heard.refused &= !complete;
        heard.last = Some(Instant::now());
    }

    /// Notes that the operator's Role does not allow the list.
    pub fn refuse(&self) {
        self.hear(false);
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.refused = true;
    }

    fn note<K>(&self, event: &watcher::Result<Event<K>>) {
        match event {
            Ok(event) => self.hear(matches!(event, Event::InitDone)),
            Err(error) if is_forbidden(error) => self.refuse(),
            Err(_) => self.hear(false),
        }
    }

    fn heard(&self) -> Heard {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        self.listed.is_complete()
    }
}

#[cfg(test)]
impl<K> Known<K>
where
    K: Resource + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// What a watch knows that has listed these objects.
    pub fn complete(store: Store<K>) -> Self {
        let listed = Listed::default();
        listed.hear(true);
        Self { store, listed }
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
            listed: self.listed.clone(),
        }
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.is_forbidden(),
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => false,
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
    // A list that does not so much as begin hangs as well.
    listed.hear(false);
    let heard = listed.clone();
    let events = watcher::watcher(api, config)
        .default_backoff()
        .modify(strip)
        .reflect(writer)
        .filter_map(move |event| {
            heard.note(&event);
            let event = event.inspect_err(|error| {
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

/// The objects to look at after an event, as far as they exist. Those of a list only once the store
/// has it: a pass that came before would look into the list before. Then all of them, as the list
/// tells neither what changed nor what is gone.
pub fn applied<K>(store: &Store<K>, event: Event<K>) -> Vec<K>
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    match event {
        Event::Apply(object) => vec![object],
        Event::InitDone => store.state().iter().map(|one| (**one).clone()).collect(),
        Event::Delete(_) | Event::Init | Event::InitApply(_) => Vec::new(),
    }
}

/// The objects of a watch as [`applied`] has them, one by one.
pub fn objects<K>(
    store: Store<K>,
    events: impl Stream<Item = Event<K>> + Send + 'static,
) -> impl Stream<Item = K> + Send + 'static
where
    K: Resource + Clone + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Send + Sync,
{
    events.flat_map(move |event| stream::iter(applied(&store, event)))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{ResourceExt, runtime::reflector::store::Writer};

    use super::*;

    fn object(name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object
    }

    /// The names of the objects that the events of a watch ask to be looked at, event by event.
    fn looked_at(events: Vec<Event<ConfigMap>>) -> Vec<Vec<String>> {
        let mut writer = Writer::default();
        let names = |event: Event<ConfigMap>| {
            writer.apply_watcher_event(&event);
            let objects = applied(&writer.as_reader(), event);
            let mut names: Vec<_> = objects.iter().map(ResourceExt::name_any).collect();
            names.sort();
            names
        };
        events.into_iter().map(names).collect()
    }

    #[test]
    fn the_objects_of_a_list_are_looked_at_once_the_list_is_complete() {
        let listed = looked_at(vec![
            Event::Init,
            Event::InitApply(object("a")),
            Event::InitApply(object("b")),
            Event::InitDone,
        ]);
        assert_eq!(listed, [vec![], vec![], vec![], vec!["a", "b"]]);
    }

    #[test]
    fn all_objects_are_looked_at_after_a_list_that_lacks_one() {
        let listed = looked_at(vec![
            Event::Apply(object("a")),
            Event::Apply(object("gone")),
            Event::Init,
            Event::InitApply(object("a")),
            Event::InitDone,
        ]);
        assert_eq!(listed[4], ["a"]);
    }

    #[test]
    fn a_changed_object_is_looked_at_and_a_deleted_one_is_not() {
        let listed = looked_at(vec![Event::Apply(object("a")), Event::Delete(object("a"))]);
        assert_eq!(listed, [vec!["a".to_owned()], vec![]]);
    }

    #[test]
    fn a_list_hangs_that_is_silent_and_not_one_that_fails_again_and_again() {
        let listed = Listed::default();
        assert!(!listed.hangs(Duration::ZERO));
        listed.hear(false);
        assert!(!listed.hangs(Duration::from_mins(1)));
        std::thread::sleep(Duration::from_millis(1));
        assert!(listed.hangs(Duration::ZERO));
        listed.hear(true);
        assert!(!listed.hangs(Duration::ZERO));
    }
}
