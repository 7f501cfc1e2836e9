//! Secrets that somebody else made.

use plan::{contest::Write, store::Adoption};

use super::*;

/// A Secret as a chart makes it, without any key of the operator's.
fn by_a_chart() -> Secret {
    let mut secret = plain(None, 0);
    let metadata = &mut secret.metadata;
    metadata.labels = Some([(names::MANAGED_BY_LABEL.to_owned(), "Helm".to_owned())].into());
    metadata.annotations = Some([("meta.helm.sh/release-name".to_owned(), "x".to_owned())].into());
    secret.type_ = Some("Opaque".to_owned());
    secret.data.as_mut().unwrap().remove(names::CA_CRT);
    secret
}

fn publish_adopted(before: Option<&Secret>, adoption: &Adoption) -> Secret {
    let template = template(&["team"], &[]);
    let content = PublishedContent {
        namespace: "wire",
        name: "tls",
        owner: "coturn",
        pair: content(1),
        fingerprint: fingerprint(1),
        template: &template,
        adoption: Some(adoption),
    };
    accepted(write_published(before, &content))
}

#[test]
fn a_secret_that_a_chart_made_stays_the_charts_and_tells_that_it_was_taken_over() {
    let found = by_a_chart();
    let adoption = read(&found).as_found().unwrap();
    let written = publish_adopted(Some(&found), &adoption);
    assert_eq!(written.type_.as_deref(), Some("Opaque"));
    let facts = read(&written);
    assert_eq!(facts.labels[names::MANAGED_BY_LABEL], "Helm");
    assert_eq!(facts.labels["team"], "ours");
    assert_eq!(facts.adopted_leaf(), Some(fingerprint(0)));
    assert_eq!(facts.pair.unwrap().leaf.fingerprint, fingerprint(1));
}

#[test]
fn a_secret_that_a_chart_made_is_made_anew_as_the_chart_made_it() {
    let adoption = read(&by_a_chart()).as_found().unwrap();
    let facts = read(&publish_adopted(None, &adoption));
    assert_eq!(facts.secret_type, "Opaque");
    assert_eq!(facts.labels[names::MANAGED_BY_LABEL], "Helm");
    assert_eq!(facts.annotations["meta.helm.sh/release-name"], "x");
    assert_eq!(facts.owner.as_deref(), Some("coturn"));
}

#[test]
fn what_is_kept_of_a_secret_that_was_taken_over_is_told_by_itself_as_well() {
    let found = by_a_chart();
    let adoption = read(&found).as_found().unwrap();
    let written = read(&publish_adopted(Some(&found), &adoption));
    let told = written.adoption().unwrap();
    assert_eq!(told.leaf, adoption.leaf);
    assert_eq!(told.annotations, adoption.annotations);
    assert!(
        told.annotations
            .keys()
            .all(|key| !key.starts_with(names::PREFIX))
    );
}

#[test]
fn the_controller_of_a_secret_and_who_wrote_it_last_are_known() {
    let mut secret = by_a_chart();
    let facts = read(&secret);
    assert_eq!((facts.controller, facts.last_writer), (None, None));
    assert_eq!(facts.operator_wrote, None);
    let entry = |manager: &str, time: &str| json!({"manager": manager, "operation": "Update", "time": time});
    let metadata = json!({
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "A", "name": "a", "uid": "1"},
            {"apiVersion": "v1", "kind": "ExternalSecret", "name": "x", "uid": "2", "controller": true},
        ],
        "managedFields": [
            entry("kubectl", "2026-01-01T00:00:00Z"),
            entry("helm", "2026-01-02T00:00:00Z"),
            entry(names::FIELD_MANAGER, "2026-01-03T00:00:00Z"),
            entry(names::METADATA_FIELD_MANAGER, "2026-01-04T00:00:00Z"),
            {"manager": "b", "operation": "Update", "time": "2026-01-05T00:00:00Z", "subresource": "status"},
            {"manager": "c", "operation": "Update"},
        ],
    });
    secret.metadata = serde_json::from_value(metadata).unwrap();
    let facts = read(&secret);
    assert_eq!(facts.controller.as_deref(), Some("ExternalSecret x"));
    let helm = Write {
        by: "helm".to_owned(),
        at: "2026-01-02T00:00:00Z".parse().unwrap(),
    };
    assert_eq!(facts.last_writer, Some(helm));
    let wrote = "2026-01-04T00:00:00Z".parse().unwrap();
    assert_eq!(facts.operator_wrote, Some(wrote));
}

#[test]
fn who_has_applied_no_labels_owns_none_afterwards() {
    let mut bare = by_a_chart();
    (bare.metadata.labels, bare.metadata.annotations) = (None, None);
    let adoption = read(&bare).as_found().unwrap();
    let template = template(&[], &[]);
    let applied = applied_like(&PublishedContent {
        namespace: "wire",
        name: "tls",
        owner: "coturn",
        pair: content(1),
        fingerprint: fingerprint(1),
        template: &template,
        adoption: Some(&adoption),
    });
    let body = serde_json::to_value(&applied).unwrap();
    assert_eq!(
        body["metadata"],
        json!({"name": "tls", "namespace": "wire"})
    );
}
