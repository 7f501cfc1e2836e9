//! Every change of a Secret, as a watch sees it, and who made it.

use std::sync::{Arc, Mutex};

use api::{Fingerprint, Leaf, names};
use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt as _,
    runtime::watcher::{Config, Event},
};
use pki::PairError;
use tokio::task::JoinHandle;

use crate::{wait, watch};

/// Watches one Secret until dropped.
pub struct History {
    secrets: Api<Secret>,
    name: String,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// What a watch has seen of one Secret.
#[derive(Default)]
struct Seen {
    /// What it was since the watch began, whoever wrote it; none where it did not exist.
    states: Vec<Option<Secret>>,
    by_operator: Vec<Secret>,
    /// Whether the list has it with which the watch begins anew.
    is_listed: bool,
}

impl History {
    /// Watches from this moment on: what the Secret holds now is known when this returns.
    pub async fn of(secrets: Api<Secret>, name: &str) -> Self {
        let config = Config::default().fields(&format!("metadata.name={name}"));
        let mut events = watch::events(secrets.clone(), config);
        let seen = Arc::new(Mutex::new(Seen {
            states: vec![first(&mut events).await],
            ..Seen::default()
        }));
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                record.lock().unwrap().take(event);
            }
        });
        Self {
            secrets,
            name: name.to_owned(),
            seen,
            task,
        }
    }

    /// Waits until the watch has seen the Secret as it is: it may lag behind what a test has read.
    pub async fn until_up_to_date(&self) {
        wait::until("a watch that has seen the Secret as it is", async || {
            let found = self.secrets.get_opt(&self.name).await.ok()?;
            let is = found.and_then(|secret| secret.resource_version());
            (self.seen.lock().unwrap().revision() == is).then_some(())
        })
        .await;
    }

    /// The leaves that were published one after the other, since the watch began; none where there was
    /// no pair, or no Secret.
    pub fn leaves(&self) -> Vec<Option<Fingerprint>> {
        self.seen.lock().unwrap().leaves()
    }

    /// The revisions whose data the operator changed.
    pub fn written_by_operator(&self) -> Vec<Secret> {
        self.seen.lock().unwrap().by_operator.clone()
    }

    /// Stops the test if a revision of the operator's holds a key that is not its certificate's.
    pub fn assert_only_matching_pairs(&self) {
        self.assert_only_pairs(names::TLS_CRT, names::TLS_KEY);
    }

    /// The same for a pair that lies under other keys of the Secret.
    pub fn assert_only_pairs(&self, certificate: &str, key: &str) {
        assert_pairs(&self.written_by_operator(), certificate, key);
    }

    /// Stops the test if any revision held a key that is not its certificate's, whoever wrote it. What
    /// the operator applies in another's name is that one's by all that the Secret tells.
    pub fn assert_only_matching_pairs_of_anybody(&self) {
        let states = self.seen.lock().unwrap().states.clone();
        let revisions: Vec<_> = states.into_iter().flatten().collect();
        assert_pairs(&revisions, names::TLS_CRT, names::TLS_KEY);
    }
}

fn assert_pairs(revisions: &[Secret], certificate: &str, key: &str) {
    assert!(!revisions.is_empty(), "no revision to judge was seen");
    for secret in revisions {
        let pair = inspect(secret, certificate, key);
        let revision = secret.resource_version().unwrap_or_default();
        assert!(
            pair.is_ok(),
            "revision {revision} holds no pair: {:?}",
            pair.err()
        );
    }
}

/// The leaf of the pair under these keys.
fn inspect(secret: &Secret, certificate: &str, key: &str) -> Result<Leaf, PairError> {
    let value = |key| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.map_or(&[][..], |bytes| &bytes.0)
    };
    pki::inspect(value(certificate), value(key))
}

fn leaf(published: &Secret) -> Option<Fingerprint> {
    let pair = inspect(published, names::TLS_CRT, names::TLS_KEY);
    Some(pair.ok()?.fingerprint)
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The Secret as it is when the watch begins.
async fn first(events: &mut BoxStream<'_, Event<Secret>>) -> Option<Secret> {
    let mut found = None;
    loop {
        match events.next().await.expect("a watch that does not end") {
            Event::InitApply(secret) | Event::Apply(secret) => found = Some(secret),
            Event::InitDone => return found,
            Event::Init | Event::Delete(_) => {}
        }
    }
}

impl Seen {
    fn take(&mut self, event: Event<Secret>) {
        match event {
            Event::Apply(secret) => self.note(secret),
            Event::Delete(_) => self.states.push(None),
            Event::Init => self.is_listed = false,
            Event::InitApply(secret) => {
                self.is_listed = true;
                self.note(secret);
            }
            // It was deleted between two watches.
            Event::InitDone if !self.is_listed => self.states.push(None),
            Event::InitDone => {}
        }
    }

    fn note(&mut self, secret: Secret) {
        let last = self.states.last().and_then(Option::as_ref);
        if is_operators(last, &secret) {
            self.by_operator.push(secret.clone());
        }
        self.states.push(Some(secret));
    }

    /// Its newest revision; none where it does not exist.
    fn revision(&self) -> Option<String> {
        self.states.last()?.as_ref()?.resource_version()
    }

    fn leaves(&self) -> Vec<Option<Fingerprint>> {
        let states = self.states.iter();
        let mut leaves: Vec<_> = states.map(|state| leaf(state.as_ref()?)).collect();
        leaves.dedup();
        leaves
    }
}

/// Whether the operator changed the data. Whoever gives a key another value becomes its only owner
/// in that revision, so the owners of the changed keys tell, and no time has to.
fn is_operators(before: Option<&Secret>, after: &Secret) -> bool {
    let changed = changed_keys(before, after);
    let operators = [names::FIELD_MANAGER, names::METADATA_FIELD_MANAGER];
    !changed.is_empty()
        && changed.iter().all(|key| {
            let owners = owners(after, key);
            !owners.is_empty() && owners.iter().all(|owner| operators.contains(owner))
        })
}

/// The keys that have another value than before, or had none.
fn changed_keys<'a>(before: Option<&Secret>, after: &'a Secret) -> Vec<&'a str> {
    let before = before.and_then(|secret| secret.data.as_ref());
    let data = after.data.iter().flatten();
    data.filter(|(key, value)| before.and_then(|data| data.get(*key)) != Some(value))
        .map(|(key, _)| key.as_str())
        .collect()
}

/// Who owns a key of the data, by `metadata.managedFields`.
fn owners<'a>(secret: &'a Secret, key: &str) -> Vec<&'a str> {
    let owns = |fields: &serde_json::Value| fields["f:data"].get(format!("f:{key}")).is_some();
    let entries = secret.managed_fields().iter();
    entries
        .filter(|entry| {
            entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| owns(&fields.0))
        })
        .filter_map(|entry| entry.manager.as_deref())
        .collect()
}

#[cfg(test)]
mod tests {
    use pki::testing::TestCa;
    use serde_json::{Map, json};

    use super::*;
    use crate::fixtures;

    const SOMEBODY: &str = "somebody-else";

    /// A Secret with these keys: value and owner of each, all of the same second.
    fn secret(keys: &[(&str, &str, &str)]) -> Secret {
        let entry = |manager: &str| {
            let owned = keys.iter().filter(|(_, _, owner)| *owner == manager);
            let fields: Map<_, _> = owned
                .map(|(key, _, _)| (format!("f:{key}"), json!({})))
                .collect();
            json!({
                "manager": manager,
                "time": "2026-01-01T00:00:00Z",
                "operation": "Update",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": fields},
            })
        };
        let managers = [
            names::FIELD_MANAGER,
            names::METADATA_FIELD_MANAGER,
            SOMEBODY,
        ];
        let mut secret: Secret =
            serde_json::from_value(json!({"metadata": {"managedFields": managers.map(entry)}}))
                .unwrap();
        let data = keys
            .iter()
            .map(|(key, value, _)| ((*key).to_owned(), fixtures::text(value)));
        secret.data = Some(data.collect());
        secret
    }

    fn published() -> Secret {
        secret(&[
            (names::TLS_CRT, "certificate", names::FIELD_MANAGER),
            (names::TLS_KEY, "key", names::FIELD_MANAGER),
        ])
    }

    fn overwritten() -> Secret {
        secret(&[
            (names::TLS_CRT, "foreign", SOMEBODY),
            (names::TLS_KEY, "foreign", SOMEBODY),
        ])
    }

    #[test]
    fn what_the_operator_creates_is_judged() {
        assert!(is_operators(None, &published()));
    }

    #[test]
    fn a_half_that_is_restored_within_the_same_second_is_judged() {
        let half_restored = secret(&[
            (names::TLS_CRT, "foreign", SOMEBODY),
            (names::TLS_KEY, "key", names::FIELD_MANAGER),
        ]);
        assert!(is_operators(Some(&overwritten()), &half_restored));
    }

    #[test]
    fn a_write_of_the_operators_over_its_own_is_judged() {
        let renewed = secret(&[
            (names::TLS_CRT, "another", names::FIELD_MANAGER),
            (names::TLS_KEY, "another", names::FIELD_MANAGER),
        ]);
        assert!(is_operators(Some(&published()), &renewed));
    }

    #[test]
    fn what_somebody_else_writes_is_not_judged() {
        let spoilt = secret(&[
            (names::TLS_CRT, "foreign", SOMEBODY),
            (names::TLS_KEY, "key", names::FIELD_MANAGER),
        ]);
        assert!(!is_operators(Some(&published()), &spoilt));
        assert!(!is_operators(Some(&published()), &overwritten()));
        assert!(!is_operators(None, &overwritten()));
    }

    #[test]
    fn a_write_that_leaves_the_data_alone_is_not_judged() {
        let mut labelled = overwritten();
        labelled.labels_mut().insert("a".into(), "b".into());
        assert!(!is_operators(Some(&overwritten()), &labelled));
        assert!(!is_operators(Some(&published()), &published()));
    }

    #[test]
    fn the_watch_judges_by_the_revision_before() {
        let mut seen = Seen {
            states: vec![Some(published())],
            ..Seen::default()
        };
        seen.note(overwritten());
        assert!(seen.by_operator.is_empty());
        seen.note(published());
        assert_eq!(seen.by_operator, [published()]);
        let states = [published(), overwritten(), published()];
        assert_eq!(seen.states, states.map(Some));
    }

    #[test]
    fn leaves_are_told_in_their_order_and_each_once() {
        let pair = |ca: &TestCa| fixtures::tls_secret("pair", &ca.certificate(), &ca.key());
        let (one, another) = (pair(&TestCa::example()), pair(&TestCa::example()));
        let mut seen = Seen::default();
        for secret in [&one, &one, &overwritten(), &another] {
            seen.note(secret.clone());
        }
        seen.states.push(None);
        seen.note(one.clone());
        let (one, another) = (leaf(&one), leaf(&another));
        assert!(one.is_some() && another.is_some() && one != another);
        assert_eq!(seen.leaves(), [one, None, another, None, one]);
    }

    #[test]
    fn what_is_not_in_a_later_list_was_deleted() {
        let mut seen = Seen::default();
        for listed in [Some(published()), None] {
            seen.take(Event::Init);
            if let Some(secret) = listed {
                seen.take(Event::InitApply(secret));
            }
            seen.take(Event::InitDone);
        }
        assert_eq!(seen.states, [Some(published()), None]);
    }

    #[test]
    #[should_panic(expected = "holds no pair")]
    fn a_key_of_another_certificate_stops_the_test() {
        let (one, another) = (TestCa::example(), TestCa::example());
        let mixed = fixtures::tls_secret("mixed", &one.certificate(), &another.key());
        assert_pairs(&[mixed], names::TLS_CRT, names::TLS_KEY);
    }
}
