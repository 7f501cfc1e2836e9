//! What holds for any input: round trips, arithmetic, and parsers that do not panic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeSet, net::IpAddr, sync::LazyLock};

use api::{Content, Fingerprint, KeyKind, Subject, Usage};
use jiff::{SignedDuration, Timestamp};
use pki::{
    Authority, AuthorityFacts, CaSecret, LeafRequest, inspect, issue, lint,
    testing::{CaBuilder, NOW, TestCa, TestSecret},
    validity,
};
use proptest::{collection, option, prelude::*, sample::subsequence};

static CA: LazyLock<TestCa> = LazyLock::new(|| {
    let root = CaBuilder::root("CN=Root,DC=example,DC=com").build();
    CaBuilder::intermediate("CN=Issuing,DC=example,DC=com", &root).build()
});
static SECRET: LazyLock<TestSecret> = LazyLock::new(|| CA.secret());
static AUTHORITY: LazyLock<Authority> =
    LazyLock::new(|| Authority::load(&SECRET.as_secret(), NOW).unwrap());

fn attributes() -> impl Strategy<Value = Vec<String>> {
    collection::vec("[^\\pC]{1,64}", 0..4)
}

fn subject() -> impl Strategy<Value = Subject> {
    let countries = collection::vec("[A-Z]{2}", 0..3);
    (
        attributes(),
        attributes(),
        countries,
        attributes(),
        attributes(),
    )
        .prop_map(
            |(organizations, organizational_units, countries, localities, provinces)| Subject {
                organizations,
                organizational_units,
                countries,
                localities,
                provinces,
            },
        )
}

fn dns_names() -> impl Strategy<Value = BTreeSet<String>> {
    let name =
        "(\\*\\.)?[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\\.[a-z]([-a-z0-9]{0,20}[a-z0-9])?){1,3}";
    collection::btree_set(name, 0..8)
}

fn content() -> impl Strategy<Value = Content> {
    let usages = subsequence(
        vec![
            Usage::DigitalSignature,
            Usage::KeyEncipherment,
            Usage::KeyAgreement,
            Usage::ServerAuth,
            Usage::ClientAuth,
        ],
        0..=5,
    );
    (
        dns_names(),
        collection::btree_set(any::<IpAddr>(), 0..4),
        option::of("[^\\pC]{1,64}"),
        subject(),
        usages,
        prop_oneof![Just(KeyKind::EcdsaP256), Just(KeyKind::EcdsaP384)],
    )
        .prop_map(
            |(dns_names, ip_addresses, common_name, subject, usages, key)| Content {
                dns_names,
                ip_addresses,
                common_name,
                subject,
                usages: usages.into_iter().collect(),
                key,
            },
        )
        .prop_filter("a certificate needs a name", |content| {
            !content.dns_names.is_empty() || !content.ip_addresses.is_empty()
        })
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second())
        .prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn facts(not_before: Timestamp, not_after: Timestamp) -> AuthorityFacts {
    let fingerprint = Fingerprint::from_digest([0; 32]);
    AuthorityFacts {
        subject: String::new(),
        fingerprint,
        root_fingerprint: fingerprint,
        root_anchor: fingerprint,
        not_before,
        not_after,
    }
}

fn load(secret: &TestSecret) -> Result<Authority, pki::AuthorityError> {
    Authority::load(&secret.as_secret(), NOW)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_certificate_inspects_back_to_what_was_asked_for(content in content(), hours in 1_i64..200_000) {
        let request = LeafRequest { content, duration: SignedDuration::from_hours(hours) };
        let pair = issue(&AUTHORITY, &request, NOW).unwrap();
        let leaf = inspect(pair.certificate.as_bytes(), pair.key.as_bytes()).unwrap();
        prop_assert_eq!(&leaf, &pair.leaf);
        prop_assert_eq!(leaf.content, Some(request.content));
        prop_assert_eq!(leaf.issuer, "CN=Issuing,DC=example,DC=com");
        let expected = validity(AUTHORITY.facts(), request.duration, NOW);
        prop_assert_eq!((leaf.not_before, leaf.not_after), (expected.not_before, expected.not_after));
        let findings = lint::leaf(pair.certificate.as_bytes(), CA.certificate().as_bytes()).unwrap();
        prop_assert!(!findings.iter().any(lint::Finding::is_fault), "{:?}", findings);
    }

    #[test]
    fn bits_changed_in_a_secret_never_panic_nor_leak_the_key(
        which in 0..3_usize,
        changes in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut texts = [&SECRET.certificate, &SECRET.key, &SECRET.root].map(|text| text.clone().into_bytes());
        for (at, octet) in changes {
            let at = at.index(texts[which].len());
            texts[which][at] = octet;
        }
        let [certificate, key, root] = &texts;
        let secret = CaSecret { certificate: Some(certificate), key: Some(key), root: Some(root) };
        if let Err(error) = Authority::load(&secret, NOW) {
            let text = format!("{error} {error:?}");
            prop_assert!(SECRET.key.lines().filter(|line| line.len() > 8).all(|line| !text.contains(line)));
        }
        let _ = inspect(certificate, key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_leaf_never_leaves_the_validity_of_its_authority(
        not_before in instant(),
        not_after in instant(),
        now in instant(),
        seconds in any::<i64>(),
    ) {
        let validity = validity(&facts(not_before, not_after), SignedDuration::from_secs(seconds), now);
        prop_assert!(validity.not_before >= not_before);
        prop_assert!(validity.not_after <= not_after);
        prop_assert_eq!(validity.not_before.subsec_nanosecond(), 0);
        if not_before <= now && now <= not_after && seconds > 0 {
            prop_assert!(validity.not_before <= now && now <= validity.not_after);
            prop_assert!(validity.not_after.as_second() <= now.as_second().saturating_add(seconds));
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_authority_and_no_pair(octets in collection::vec(any::<u8>(), 0..2048), key in any::<Vec<u8>>()) {
        let secret = CaSecret { certificate: Some(&octets), key: Some(&key), root: Some(&octets) };
        prop_assert!(Authority::load(&secret, NOW).is_err());
        prop_assert!(inspect(&octets, &key).is_err());
    }

    #[test]
    fn arbitrary_der_in_good_pem_is_no_authority_and_no_pair(octets in collection::vec(any::<u8>(), 0..512)) {
        let pem = |label| der::pem::encode_string(label, der::pem::LineEnding::LF, &octets).unwrap();
        let certificate = TestSecret { certificate: pem("CERTIFICATE"), ..SECRET.clone() };
        prop_assert!(load(&certificate).is_err());
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let key = TestSecret { key: pem(label), ..SECRET.clone() };
            prop_assert!(load(&key).is_err());
            prop_assert!(inspect(key.certificate.as_bytes(), key.key.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_half_written_secret_is_no_authority(which in 0..3_usize, cut in any::<prop::sample::Index>()) {
        let mut secret = SECRET.clone();
        let text = [&mut secret.certificate, &mut secret.key, &mut secret.root].into_iter().nth(which).unwrap();
        // Before the last hyphens of the END line: shorter than that, the block is incomplete.
        let length = text.trim_end().len() - 5;
        text.truncate(cut.index(length));
        prop_assert!(load(&secret).is_err());
    }
}
