use super::*;
use crate::publication::Held;

fn with_pair(before: Option<&StoreState>, handled_renew: Option<&str>) -> StoreState {
    let leaf = Leaf {
        fingerprint: Fingerprint::from_digest([1; 32]),
        serial: SerialNumber::from_octets(&[1]),
        issuer: "CN=CA".to_owned(),
        signer: api::Signer::Another,
        not_before: Timestamp::UNIX_EPOCH,
        not_after: Timestamp::UNIX_EPOCH,
        content: None,
        coverage: None,
        key_algorithm: "ECDSA-256".to_owned(),
    };
    let pair = NewPair {
        handled_rollback: None,
        leaf: &leaf,
        root: None,
        origin: Origin::Issued(Trigger::Renewing),
        beginning: Beginning::First,
        handled_renew,
        time: Timestamp::UNIX_EPOCH,
    };
    StoreState::with_pair(before, &pair)
}

#[test]
fn a_handled_request_is_remembered_while_its_annotation_is_gone() {
    let handled = with_pair(None, Some("a"));
    let renewed = with_pair(Some(&handled), None);
    assert_eq!(renewed.handled_renew.as_deref(), Some("a"));
}

#[test]
fn the_last_ten_issuances_are_kept() {
    let state = (0..20).fold(with_pair(None, None), |state, _| {
        with_pair(Some(&state), None)
    });
    assert_eq!(state.history.len(), HISTORY_KEPT);
}

#[test]
fn a_state_survives_its_encoding() {
    let state = with_pair(None, Some("a"));
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<StoreState>(&text).unwrap(), state);
}

#[test]
fn a_log_of_one_secret_says_nothing_of_another() {
    let publication = |byte, from| Publication {
        held: Held::Leaf(Fingerprint::from_digest([byte; 32])),
        from: Timestamp::from_second(from).unwrap(),
    };
    let secret = |name: &str| PublishedName {
        name: name.to_owned(),
        uid: Some(format!("uid of {name}")),
        adoption: None,
    };
    let one = with_pair(None, None).with_publication(publication(1, 10), &secret("one"));
    assert_eq!(one.log_of("one").last(), Some(publication(1, 10)));
    assert_eq!(one.log_of("other").last(), None);

    let other = one.with_publication(publication(1, 20), &secret("other"));
    assert_eq!(other.log_of("other").last(), Some(publication(1, 20)));
    assert_eq!(other.published_uid.as_deref(), Some("uid of other"));
}

#[test]
fn a_root_made_anew_from_its_key_under_another_name_is_another_root() {
    let root = |certificate, anchor| Root {
        certificate: Fingerprint::from_digest([certificate; 32]),
        anchor: Fingerprint::from_digest([anchor; 32]),
    };
    assert!(root(1, 1).is_trusted_like(&root(2, 1)));
    assert!(!root(1, 1).is_trusted_like(&root(2, 2)));
}

#[test]
fn a_state_tells_the_version_of_its_format() {
    let text = serde_json::to_value(with_pair(None, None)).unwrap();
    assert_eq!(text["version"], 1);
}

#[test]
fn a_line_of_history_that_a_later_version_wrote_is_left_out() {
    let mut text = serde_json::to_value(with_pair(None, None)).unwrap();
    let mut later = text["history"][0].clone();
    later["what"] = "Revoked".into();
    text["history"].as_array_mut().unwrap().push(later);
    let state: StoreState = serde_json::from_value(text).unwrap();
    assert_eq!(state, with_pair(None, None));
}

#[test]
fn a_root_that_cannot_be_read_loses_nothing_beside_it() {
    let mut text = serde_json::to_value(with_pair(None, Some("a"))).unwrap();
    text["root"] = serde_json::json!({"certificate": "ab", "key": "cd"});
    let state: StoreState = serde_json::from_value(text).unwrap();
    assert_eq!(state, with_pair(None, Some("a")));
}

#[test]
fn a_log_that_cannot_be_read_is_one_of_unknown_beginning() {
    let mut text = serde_json::to_value(with_pair(None, None)).unwrap();
    text["log"] = "nonsense".into();
    let state: StoreState = serde_json::from_value(text).unwrap();
    assert_eq!(state.log, PublicationLog::empty(Beginning::Unknown));
}
