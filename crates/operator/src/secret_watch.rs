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
        watcher,
    },
};
use plan::Version;

use crate::{
    health::Ready,
    secret::version,
    watches::{self, touched},
};

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

/// Watches the named Secrets, or all of the namespace if none is named. The stream yields the name
/// of each Secret that was touched.
pub fn watch(
    client: &Client,
    namespace: &str,
    names: &[String],
    ready: &Ready,
) -> (SecretIndex, impl Stream<Item = String> + Send + use<>) {
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
            let touched = watch.events.filter_map(async |event| touched(event));
            (
                Watched {
                    name,
                    store: watch.store,
                },
                touched.map(|secret| secret.name_any()).boxed(),
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
