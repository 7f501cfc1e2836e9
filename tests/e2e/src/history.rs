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

    /// The revisions whose pair the operator changed last.
    pub fn written_by_operator(&self) -> Vec<Secret> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|secret| is_operators(secret))
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
            let value = |key| data.get(key).map_or(&[][..], |value| &value.0);
            let pair = pki::inspect(value(names::TLS_CRT), value(names::TLS_KEY));
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

/// Whether the operator changed the pair, or a half of it, last: of those who own any of its keys
/// it is the newest. Times are in seconds; where two are the same there is no telling.
fn is_operators(secret: &Secret) -> bool {
    let owns = |fields: &serde_json::Value| {
        [names::TLS_CRT, names::TLS_KEY]
            .iter()
            .any(|key| fields["f:data"].get(format!("f:{key}")).is_some())
    };
    let mut operators = None;
    let mut others = None;
    for entry in secret.managed_fields() {
        if entry
            .fields_v1
            .as_ref()
            .is_some_and(|fields| owns(&fields.0))
        {
            let newest = match entry.manager.as_deref() {
                Some(names::FIELD_MANAGER | names::METADATA_FIELD_MANAGER) => &mut operators,
                Some(_) | None => &mut others,
            };
            *newest = (*newest).max(entry.time.as_ref().map(|time| time.0));
        }
    }
    operators > others
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned(owners: &[(&str, &str, &[&str])]) -> Secret {
        let entries: Vec<_> = owners
            .iter()
            .map(|(manager, time, keys)| {
                let fields: serde_json::Map<_, _> = keys
                    .iter()
                    .map(|key| (format!("f:{key}"), json!({})))
                    .collect();
                json!({
                    "manager": manager,
                    "time": time,
                    "operation": "Update",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:data": fields},
                })
            })
            .collect();
        serde_json::from_value(json!({"metadata": {"managedFields": entries}})).unwrap()
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-01-01T00:00:01Z";

    #[test]
    fn a_half_that_the_operator_wrote_over_somebody_elses_is_judged() {
        assert!(is_operators(&owned(&[
            ("somebody-else", EARLY, &["tls.crt"]),
            (names::FIELD_MANAGER, LATE, &["tls.key"]),
        ])));
    }

    #[test]
    fn a_half_that_somebody_else_wrote_last_is_not_the_operators() {
        assert!(!is_operators(&owned(&[
            (names::FIELD_MANAGER, EARLY, &["tls.key"]),
            ("somebody-else", LATE, &["tls.crt"]),
        ])));
        assert!(!is_operators(&owned(&[(
            "somebody-else",
            LATE,
            &["tls.crt", "tls.key"]
        )])));
    }

    #[test]
    fn other_fields_do_not_count() {
        assert!(is_operators(&owned(&[
            (names::FIELD_MANAGER, EARLY, &["tls.crt", "tls.key"]),
            ("somebody-else", LATE, &["ca.crt"]),
        ])));
    }
}
