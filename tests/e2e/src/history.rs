//! Every revision of the published Secret, as a watch sees it.

use std::sync::{Arc, Mutex};

use api::names;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt as _,
    runtime::watcher::{self, Event},
};
use tokio::task::JoinHandle;

/// Watches one Secret until dropped.
pub struct History {
    seen: Arc<Mutex<Vec<Secret>>>,
    task: JoinHandle<()>,
}

impl History {
    /// Watches from this moment on.
    pub fn of(secrets: Api<Secret>, name: &str) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut events = watcher::watcher(secrets, config).boxed();
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(secret) | Event::InitApply(secret)) = event {
                    record.lock().unwrap().push(secret);
                }
            }
        });
        Self { seen, task }
    }

    /// The revisions that the operator wrote last: both keys of the pair are its own.
    pub fn written_by_operator(&self) -> Vec<Secret> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|secret| owns_pair(secret))
            .cloned()
            .collect()
    }

    /// Stops the test if a revision of the operator's holds a key that is not its certificate's.
    pub fn assert_only_matching_pairs(&self) {
        let written = self.written_by_operator();
        assert!(
            !written.is_empty(),
            "no revision of the operator's was seen"
        );
        for secret in written {
            let data = secret.data.clone().unwrap_or_default();
            let pair = pki::inspect(&data[names::TLS_CRT].0, &data[names::TLS_KEY].0);
            let revision = secret.resource_version().unwrap_or_default();
            assert!(
                pair.is_ok(),
                "revision {revision} holds no pair: {:?}",
                pair.err()
            );
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn owns_pair(secret: &Secret) -> bool {
    let owners = |key: &str| -> Vec<String> {
        let owns = |fields: &serde_json::Value| fields["f:data"].get(key).is_some();
        secret
            .managed_fields()
            .iter()
            .filter(|entry| {
                entry
                    .fields_v1
                    .as_ref()
                    .is_some_and(|fields| owns(&fields.0))
            })
            .filter_map(|entry| entry.manager.clone())
            .collect()
    };
    [names::TLS_CRT, names::TLS_KEY]
        .into_iter()
        .all(|key| owners(&format!("f:{key}")) == [names::FIELD_MANAGER])
}
