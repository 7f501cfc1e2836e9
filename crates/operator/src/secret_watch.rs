//! The Secrets' revisions, from metadata-only watches: one per name that the operator may read, or
//! one for the whole namespace. A revision is a wake-up and a key into [`crate::facts`], never
//! content.

use futures::{Stream, StreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt as _,
    core::PartialObjectMeta,
    runtime::{
        reflector::{ObjectRef, Store},
        watcher::{self, Event},
    },
};
use plan::Version;

use crate::{health::Ready, secret::version, watches};

type Metadata = PartialObjectMeta<Secret>;

/// Revisions of Secrets as of their watches.
pub struct SecretIndex {
    namespace: String,
    watches: Vec<Watched>,
}

struct Watched {
    /// None: every Secret of the namespace.
    name: Option<String>,
    store: Store<Metadata>,
}

impl SecretIndex {
    /// The revision of a Secret; none if it does not exist, or is not watched.
    pub fn version(&self, name: &str) -> Option<Version> {
        let reference = ObjectRef::<Metadata>::new(name).within(&self.namespace);
        self.watches
            .iter()
            .filter(|watched| watched.covers(name))
            .find_map(|watched| watched.store.get(&reference))
            .map(|secret| version(&secret.metadata))
    }

    /// Whether the operator was told that it may read this Secret.
    pub fn covers(&self, name: &str) -> bool {
        self.watches.iter().any(|watched| watched.covers(name))
    }
}

impl Watched {
    fn covers(&self, name: &str) -> bool {
        self.name.as_deref().is_none_or(|only| only == name)
    }
}

/// What may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The Secret of this name.
    Secret(String),
    /// Any Secret of the namespace.
    Any,
}

/// What an event of a watch tells to have changed. A list tells neither what changed nor what is
/// gone, and the index has it only once it is complete.
fn touched(watched: Option<&str>, event: Event<Metadata>) -> Option<Touched> {
    match event {
        Event::Apply(secret) | Event::Delete(secret) => Some(Touched::Secret(secret.name_any())),
        Event::InitDone => {
            Some(watched.map_or(Touched::Any, |name| Touched::Secret(name.to_owned())))
        }
        Event::Init | Event::InitApply(_) => None,
    }
}

/// Watches the named Secrets, or all of the namespace if none is named. The stream tells what may
/// have changed.
pub fn watch(
    client: &Client,
    namespace: &str,
    names: &[String],
    ready: &Ready,
) -> (SecretIndex, impl Stream<Item = Touched> + Send + use<>) {
    let api: Api<Metadata> = Api::namespaced(client.clone(), namespace);
    let selections: Vec<_> = if names.is_empty() {
        vec![None]
    } else {
        names.iter().cloned().map(Some).collect()
    };
    let (watches, streams): (Vec<_>, Vec<_>) = selections
        .into_iter()
        .map(|name| {
            let watch = watches::watch(
                "Secrets",
                api.clone(),
                config(name.as_deref()),
                only_revision,
            );
            ready.expect(name.as_deref().unwrap_or("Secrets"), watch.listed);
            let of = name.clone();
            let touched = watch
                .events
                .filter_map(move |event| std::future::ready(touched(of.as_deref(), event)));
            (
                Watched {
                    name,
                    store: watch.store,
                },
                touched.boxed(),
            )
        })
        .unzip();
    (
        SecretIndex {
            namespace: namespace.to_owned(),
            watches,
        },
        stream::select_all(streams),
    )
}

fn config(name: Option<&str>) -> watcher::Config {
    let all = watcher::Config::default();
    match name {
        Some(name) => all.fields(&format!("metadata.name={name}")),
        None => all,
    }
}

/// What is kept of a Secret: its name and revision. Annotations may hold its content, as
/// `kubectl apply` leaves it.
fn only_revision(secret: &mut Metadata) {
    secret.metadata.annotations = None;
    secret.metadata.managed_fields = None;
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector::store::Writer;

    use super::*;

    fn secret(name: &str, revision: &str) -> Metadata {
        let mut secret = Metadata::default();
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.namespace = Some("wire".to_owned());
        secret.metadata.resource_version = Some(revision.to_owned());
        secret
    }

    /// What the events of a watch tell, and the revision of the Secret `tls` that a pass woken by it
    /// finds.
    fn told(watched: Option<&str>, events: Vec<Event<Metadata>>) -> Vec<(Touched, Option<String>)> {
        let mut writer = Writer::default();
        let index = SecretIndex {
            namespace: "wire".to_owned(),
            watches: vec![Watched {
                name: watched.map(str::to_owned),
                store: writer.as_reader(),
            }],
        };
        let told = |event: Event<Metadata>| {
            writer.apply_watcher_event(&event);
            let touched = touched(watched, event)?;
            let version = index.version("tls");
            Some((touched, version.map(|version| version.resource_version)))
        };
        events.into_iter().filter_map(told).collect()
    }

    fn relist(secrets: Vec<Metadata>) -> Vec<Event<Metadata>> {
        let listed = secrets.into_iter().map(Event::InitApply);
        let listed = std::iter::once(Event::Init).chain(listed);
        listed.chain([Event::InitDone]).collect()
    }

    fn tls() -> Touched {
        Touched::Secret("tls".to_owned())
    }

    #[test]
    fn a_list_without_the_watched_secret_tells_that_it_may_be_gone() {
        let mut events = vec![Event::Apply(secret("tls", "1"))];
        events.extend(relist(Vec::new()));
        let expected = [(tls(), Some("1".to_owned())), (tls(), None)];
        assert_eq!(told(Some("tls"), events), expected);
    }

    #[test]
    fn a_list_wakes_once_the_index_has_its_revisions() {
        let mut events = vec![Event::Apply(secret("tls", "1"))];
        events.extend(relist(vec![secret("tls", "2")]));
        let woken = told(Some("tls"), events);
        assert_eq!(woken.last(), Some(&(tls(), Some("2".to_owned()))));
        assert_eq!(woken.len(), 2);
    }

    #[test]
    fn a_list_of_the_whole_namespace_tells_that_any_secret_may_have_changed() {
        let events = relist(vec![secret("tls", "2")]);
        assert_eq!(told(None, events), [(Touched::Any, Some("2".to_owned()))]);
    }

    #[test]
    fn a_secret_that_is_deleted_is_named() {
        let events = vec![Event::Delete(secret("tls", "2"))];
        assert_eq!(told(None, events), [(tls(), None)]);
    }
}
