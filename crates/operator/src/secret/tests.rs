//! Secrets as they lie in the API server, there and back.

use std::{collections::BTreeMap, sync::LazyLock};

use api::{Fingerprint, SecretTemplate, Trigger, names};
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use pki::{
    Authority, IssuedPair,
    testing::{NOW, TestCa, request},
};
use plan::{
    certificate::{Published, PublishedSecret, Store, Stored},
    publication::Beginning,
    store::{Asked, NewPair, Origin, Root, StoreState},
};
use serde_json::json;

use super::*;

mod adoption;

static PAIRS: LazyLock<[IssuedPair; 3]> = LazyLock::new(|| {
    let secret = TestCa::example().secret();
    let authority = Authority::load(&secret.as_secret(), NOW).unwrap();
    [(); 3].map(|()| pki::issue(&authority, &request(&["coturn.example.com"]), NOW).unwrap())
});

fn content(number: usize) -> StoreContent<'static> {
    let pair = &PAIRS[number];
    StoreContent {
        certificate: pair.certificate.as_bytes(),
        key: pair.key.as_bytes(),
        roots: pair.root.as_bytes(),
    }
}

fn fingerprint(number: usize) -> Fingerprint {
    PAIRS[number].leaf.fingerprint
}

fn state(number: usize) -> StoreState {
    let pair = &PAIRS[number];
    let root = pki::root_of(pair.certificate.as_bytes(), pair.root.as_bytes()).unwrap();
    let pair = NewPair {
        leaf: &pair.leaf,
        root: Some(Root {
            certificate: root.fingerprint,
            anchor: root.anchor,
        }),
        origin: Origin::Issued(Trigger::DoesNotExist),
        beginning: Beginning::First,
        handled_renew: Some("a"),
        handled_rollback: None,
        time: NOW,
    };
    StoreState::with_pair(None, &pair)
}

/// The API server's side of a write: identity and revision.
fn accepted(mut secret: Secret) -> Secret {
    secret.metadata.uid = Some("uid".to_owned());
    secret.metadata.resource_version = Some("1".to_owned());
    secret
}

fn store_of(number: usize) -> Secret {
    let base = Base::New {
        namespace: "wire",
        name: "coturn-coturn-cert-store",
    };
    accepted(written(base, &content(number), &state(number)).unwrap())
}

fn usable(secret: &Secret) -> Stored {
    match read_store(Some(secret), ASKED) {
        Store::Present(stored) => *stored,
        other => panic!("{other:?}"),
    }
}

const ASKED: Asked<'_> = Asked {
    renew: Some("please"),
    rollback_to: Some("that"),
};

#[test]
fn a_store_is_read_as_it_was_written() {
    let stored = usable(&store_of(0));
    assert_eq!(stored.current.leaf, PAIRS[0].leaf);
    assert_eq!(stored.state, state(0));
    assert_eq!(stored.previous, None);
    assert_eq!(
        (
            stored.version.uid.as_str(),
            stored.version.resource_version.as_str()
        ),
        ("uid", "1")
    );
}

#[test]
fn the_pair_in_service_becomes_the_previous_one() {
    let first = store_of(0);
    let second = written(Base::Existing(&first), &content(1), &state(1)).unwrap();
    let third = written(Base::Existing(&second), &content(2), &state(2)).unwrap();
    let stored = usable(&third);
    assert_eq!(stored.current.leaf.fingerprint, fingerprint(2));
    assert_eq!(stored.previous.unwrap().leaf.fingerprint, fingerprint(1));
}

#[test]
fn a_pair_in_service_that_became_unusable_is_not_kept() {
    let mut first = store_of(0);
    first
        .data
        .as_mut()
        .unwrap()
        .insert("current.key".to_owned(), ByteString(b"garbage".to_vec()));
    let second = written(Base::Existing(&first), &content(1), &state(1)).unwrap();
    assert!(!second.data.unwrap().contains_key("previous.key"));
}

#[test]
fn a_store_is_replaced_at_the_revision_that_was_read() {
    let second = written(Base::Existing(&store_of(0)), &content(1), &state(1)).unwrap();
    assert_eq!(version(&second.metadata), version(&store_of(0).metadata));
}

#[test]
fn a_pair_that_is_dropped_leaves_no_trace_and_the_rest_as_it_is() {
    let both = written(Base::Existing(&store_of(0)), &content(1), &state(1)).unwrap();
    let dropped = without_the_pair_before(&both);
    let (left, stored) = (dropped.data.clone().unwrap(), usable(&dropped));
    assert!(!left.keys().any(|key| key.starts_with("previous")));
    assert_eq!(stored.previous, None);
    assert_eq!(stored.current, usable(&both).current);
    assert_eq!(stored.state, state(1));
}

#[test]
fn a_record_leaves_both_pairs_as_they_are() {
    let both = written(Base::Existing(&store_of(0)), &content(1), &state(1)).unwrap();
    let stored = usable(&recorded(&both, &state(2)).unwrap());
    assert_eq!(stored.current, usable(&both).current);
    assert_eq!(stored.previous, usable(&both).previous);
    assert_eq!(stored.state, state(2));
}

fn store_with(key: &str, value: &str) -> Secret {
    let mut store = store_of(0);
    let data = store.data.as_mut().unwrap();
    data.insert(key.to_owned(), ByteString(value.into()));
    store
}

#[test]
fn a_store_with_a_foreign_key_is_corrupt() {
    let store = store_with("current.key", PAIRS[1].key.as_str());
    assert!(matches!(read_store(Some(&store), ASKED), Store::Corrupt(_)));
}

#[test]
fn a_good_pair_stays_in_service_beside_a_record_that_cannot_be_read() {
    let stored = usable(&store_with("state.json", "{"));
    assert_eq!(stored.current, usable(&store_of(0)).current);
    assert_eq!(stored.state.handled_renew.as_deref(), ASKED.renew);
    assert_eq!(stored.state.handled_rollback.as_deref(), ASKED.rollback_to);
}

#[test]
fn a_root_that_the_record_does_not_tell_is_found_beside_the_pair() {
    let mut record: serde_json::Value = serde_json::to_value(state(0)).unwrap();
    record["root"] = json!({"certificate": "of an earlier version"});
    let stored = usable(&store_with("state.json", &record.to_string()));
    assert_eq!(stored.state, state(0));
}

#[test]
fn a_secret_of_another_type_is_no_store() {
    let store = Secret {
        type_: Some("Opaque".to_owned()),
        ..store_of(0)
    };
    assert_eq!(read_store(Some(&store), ASKED), Store::NotAStore);
    assert_eq!(read_store(None, ASKED), Store::Absent);
}

fn publish(before: Option<&Secret>, number: usize, template: &SecretTemplate) -> Secret {
    let content = PublishedContent {
        namespace: "wire",
        name: "tls",
        owner: "coturn",
        pair: content(number),
        fingerprint: fingerprint(number),
        template,
        adoption: None,
    };
    accepted(write_published(before, &content))
}

fn plain(before: Option<&Secret>, number: usize) -> Secret {
    publish(before, number, &SecretTemplate::default())
}

fn read(secret: &Secret) -> PublishedSecret {
    match read_published(Some(secret)) {
        Published::Present(published) => *published,
        other => panic!("{other:?}"),
    }
}

fn template(labels: &[&str], annotations: &[&str]) -> SecretTemplate {
    let pairs = |keys: &[&str]| {
        keys.iter()
            .map(|key| ((*key).to_owned(), "ours".to_owned()))
            .collect()
    };
    SecretTemplate {
        labels: pairs(labels),
        annotations: pairs(annotations),
    }
}

#[test]
fn a_published_secret_is_read_as_it_was_written() {
    let published = read(&publish(None, 0, &template(&["a"], &["b"])));
    assert_eq!(published.owner.as_deref(), Some("coturn"));
    assert_eq!(published.pair.unwrap().leaf, PAIRS[0].leaf);
    assert_eq!(published.template_keys.labels, ["a"]);
    assert_eq!(published.template_keys.annotations, ["b"]);
}

#[test]
fn a_stored_and_a_published_pair_compare_equal() {
    let published = read(&plain(None, 0));
    assert_eq!(published.pair.unwrap(), usable(&store_of(0)).current);
}

#[test]
fn a_created_secret_has_the_tls_type_and_the_label_that_marks_it() {
    let secret = plain(None, 0);
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    let labels = secret.metadata.labels.unwrap();
    assert_eq!(
        labels.get(names::MANAGED_BY_LABEL).map(String::as_str),
        Some(names::FIELD_MANAGER)
    );
}

/// A Secret of ours to which others added what is theirs.
fn shared() -> Secret {
    let mut secret = plain(None, 0);
    secret.type_ = Some("Opaque".to_owned());
    let theirs = || ("theirs".to_owned(), "kept".to_owned());
    secret.metadata.labels.as_mut().unwrap().extend([theirs()]);
    secret
        .metadata
        .annotations
        .as_mut()
        .unwrap()
        .extend([theirs()]);
    secret
        .data
        .as_mut()
        .unwrap()
        .insert("dhparam.pem".to_owned(), ByteString(b"kept".to_vec()));
    secret
}

#[test]
fn what_others_added_stays() {
    let secret = plain(Some(&shared()), 1);
    assert_eq!(value(&secret, "dhparam.pem"), Some(b"kept".as_slice()));
    assert_eq!(
        secret.metadata.labels.unwrap().get("theirs").unwrap(),
        "kept"
    );
    assert_eq!(
        secret.metadata.annotations.unwrap().get("theirs").unwrap(),
        "kept"
    );
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
}

#[test]
fn all_three_keys_are_written_at_once_at_the_revision_that_was_read() {
    let secret = plain(Some(&shared()), 1);
    assert_eq!(
        value(&secret, names::TLS_CRT),
        Some(PAIRS[1].certificate.as_bytes())
    );
    assert_eq!(
        value(&secret, names::TLS_KEY),
        Some(PAIRS[1].key.as_bytes())
    );
    assert_eq!(
        value(&secret, names::CA_CRT),
        Some(PAIRS[1].root.as_bytes())
    );
    assert_eq!(version(&secret.metadata), version(&shared().metadata));
}

#[test]
fn what_the_template_names_no_more_is_removed_and_what_it_never_named_is_not() {
    let before = publish(Some(&shared()), 0, &template(&["a", "b"], &["c"]));
    let after = publish(Some(&before), 0, &template(&["b"], &[]));
    let labels: Vec<_> = after.metadata.labels.clone().unwrap().into_keys().collect();
    assert_eq!(labels, [names::MANAGED_BY_LABEL, "b", "theirs"]);
    assert!(!after.metadata.annotations.unwrap().contains_key("c"));
}

#[test]
fn an_empty_template_leaves_no_note_of_its_keys() {
    let before = publish(None, 0, &template(&["a"], &[]));
    let annotations = plain(Some(&before), 0).metadata.annotations.unwrap();
    assert!(!annotations.contains_key(names::TEMPLATE_KEYS));
}

#[test]
fn a_certificate_beside_a_foreign_key_is_no_pair() {
    let mut secret = plain(None, 0);
    let key = ByteString(PAIRS[1].key.as_bytes().to_vec());
    secret
        .data
        .as_mut()
        .unwrap()
        .insert(names::TLS_KEY.to_owned(), key);
    assert_eq!(read(&secret).pair, None);
}

/// An entry of `metadata.managedFields` that owns these data keys.
fn owning(manager: &str, second: i64, keys: &[&str]) -> ManagedFieldsEntry {
    let fields: BTreeMap<_, _> = keys
        .iter()
        .map(|key| (format!("f:{key}"), json!({})))
        .collect();
    serde_json::from_value(json!({
        "manager": manager,
        "time": at(second).to_string(),
        "fieldsV1": {"f:data": fields},
    }))
    .unwrap()
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn written_at(entries: Vec<ManagedFieldsEntry>) -> jiff::Timestamp {
    let mut secret = plain(None, 0);
    secret.metadata.creation_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(0)));
    secret.metadata.managed_fields = Some(entries);
    read(&secret).written
}

#[test]
fn a_pair_was_written_when_the_last_writer_of_one_of_its_keys_wrote() {
    let ours = owning("coturn-cert-operator", 10, &["tls.key", "ca.crt"]);
    let theirs = owning("kubectl-edit", 20, &["tls.crt"]);
    assert_eq!(written_at(vec![ours, theirs]), at(20));
}

#[test]
fn a_later_write_of_something_else_does_not_make_the_pair_younger() {
    let pair = owning("coturn-cert-operator", 10, &["tls.crt", "tls.key"]);
    let roots = owning("coturn-cert-operator-metadata", 20, &["ca.crt"]);
    let labels = ManagedFieldsEntry {
        fields_v1: None,
        ..owning("kubectl-label", 30, &[])
    };
    assert_eq!(written_at(vec![pair, roots, labels]), at(10));
}

#[test]
fn without_an_owner_of_its_keys_a_pair_is_as_old_as_its_secret() {
    assert_eq!(written_at(vec![]), at(0));
}
