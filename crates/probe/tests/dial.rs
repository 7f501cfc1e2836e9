//! What servers show, and how they end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use api::{KeyKind, Usage};
use pki::testing::{CaBuilder, TestCa};
use probe::{Alert, Demand, Limits, Outcome, Protocol, Report, dial};
use rstest::rstest;
use support::{Asks, PATIENT, Setup, identity, issued, of_kind, refusing::refusing};

const PROTOCOLS: [Protocol; 3] = [Protocol::Dtls12, Protocol::Tls12, Protocol::Tls13];

#[rstest]
#[case::p_256(KeyKind::EcdsaP256)]
#[case::p_384(KeyKind::EcdsaP384)]
#[case::rsa(KeyKind::Rsa2048)]
fn what_is_served_is_seen_whatever_the_key(
    #[case] key: KeyKind,
    #[values(Protocol::Dtls12, Protocol::Tls12, Protocol::Tls13, Protocol::Tls)] protocol: Protocol,
) {
    let pair = of_kind(&TestCa::example(), key);
    let report = dial(&Setup::of(protocol, &pair).start(), None, PATIENT);
    assert_eq!(report.outcome, Outcome::Completed);
    assert_eq!(report.fingerprint(), Some(pair.leaf.fingerprint));
    assert_eq!(report.demand, Demand::NotAsked);
    let session = report.session.unwrap();
    let version = match protocol {
        Protocol::Dtls12 => "DTLSv1.2",
        Protocol::Tls12 => "TLSv1.2",
        Protocol::Tls13 | Protocol::Tls => "TLSv1.3",
    };
    assert_eq!(session.version, version);
    assert!(session.cipher.starts_with("TLS_"), "{}", session.cipher);
}

#[test]
fn the_whole_chain_is_seen_in_its_order() {
    let root = CaBuilder::root("CN=Root").build();
    let ca = CaBuilder::intermediate("CN=Intermediate", &root).build();
    let pair = issued(&ca, |_| {});
    for protocol in PROTOCOLS {
        let report = dial(&Setup::of(protocol, &pair).start(), None, PATIENT);
        assert_eq!(report.chain.len(), 2, "{report:?}");
        assert_eq!(report.fingerprint(), Some(pair.leaf.fingerprint));
    }
}

#[test]
fn a_flight_in_many_fragments_is_put_together() {
    let pair = of_kind(&TestCa::example(), KeyKind::Rsa4096);
    let fragmented = Setup {
        mtu: 256,
        ..Setup::of(Protocol::Dtls12, &pair)
    };
    let report = dial(&fragmented.start(), None, PATIENT);
    assert_eq!(report.outcome, Outcome::Completed);
    assert_eq!(report.fingerprint(), Some(pair.leaf.fingerprint));
}

/// A server with a pair of its own that asks for certificates of a CA, and a client of that CA.
struct Two {
    ours: TestCa,
    theirs: TestCa,
}

impl Two {
    fn new() -> Self {
        Self {
            ours: TestCa::example(),
            theirs: CaBuilder::root("CN=Partner").build(),
        }
    }

    fn server(&self, protocol: Protocol, asks: Asks) -> Setup {
        Setup::of(protocol, &issued(&self.theirs, |_| {})).asking(asks)
    }

    fn trusting_us(&self) -> Asks {
        Asks::Insists(self.ours.root())
    }
}

fn assert_refused(report: &Report, alerts: &[Alert]) {
    let Outcome::Refused(alert) = report.outcome else {
        panic!("{report:?}")
    };
    assert!(alerts.contains(&alert), "{alert:?}");
    // What it serves is seen all the same.
    assert_eq!(report.chain.len(), 1, "{report:?}");
    assert_eq!(report.demand, Demand::Asked);
}

#[test]
fn a_server_that_asks_and_does_not_insist_is_told_from_one_that_does_not_ask() {
    let two = Two::new();
    for protocol in PROTOCOLS {
        let server = two.server(protocol, Asks::Perhaps(two.ours.root()));
        let report = dial(&server.start(), None, PATIENT);
        assert_eq!(
            (report.demand, &report.outcome),
            (Demand::Asked, &Outcome::Completed),
            "{protocol:?}"
        );
    }
}

#[test]
fn a_server_that_insists_refuses_who_has_nothing() {
    let two = Two::new();
    for protocol in PROTOCOLS {
        let server = two.server(protocol, two.trusting_us());
        let report = dial(&server.start(), None, PATIENT);
        let alerts = [Alert::HANDSHAKE_FAILURE, Alert::CERTIFICATE_REQUIRED];
        assert_refused(&report, &alerts);
    }
}

#[test]
fn a_server_that_trusts_the_client_accepts_it() {
    let two = Two::new();
    let client = identity(&issued(&two.ours, |_| {}));
    for protocol in PROTOCOLS {
        let server = two.server(protocol, two.trusting_us());
        let report = dial(&server.start(), Some(&client), PATIENT);
        assert_eq!(report.outcome, Outcome::Completed, "{protocol:?}");
        assert_eq!(report.demand, Demand::Asked);
    }
}

#[test]
fn a_server_that_does_not_know_the_clients_ca_says_so() {
    let two = Two::new();
    let stranger = CaBuilder::root("CN=Stranger").build();
    let client = identity(&issued(&stranger, |_| {}));
    for protocol in PROTOCOLS {
        let server = two.server(protocol, two.trusting_us());
        let report = dial(&server.start(), Some(&client), PATIENT);
        assert_refused(&report, &[Alert::UNKNOWN_CA]);
        let told = report.outcome.to_string();
        assert!(told.contains("does not trust the CA"), "{told}");
    }
}

#[test]
fn a_certificate_without_client_auth_is_refused_for_its_purpose() {
    let two = Two::new();
    let server_only = issued(&two.ours, |request| {
        request.content.usages.remove(&Usage::ClientAuth);
    });
    for protocol in PROTOCOLS {
        let server = two.server(protocol, two.trusting_us());
        let report = dial(&server.start(), Some(&identity(&server_only)), PATIENT);
        assert_refused(&report, &[Alert::UNSUPPORTED_CERTIFICATE]);
    }
}

#[rstest]
#[case::by_the_whitelist_of_coturns_fork(
    Alert::CERTIFICATE_UNKNOWN,
    "its name is not on the whitelist"
)]
#[case::by_its_clock(Alert::CERTIFICATE_EXPIRED, "has expired by its clock")]
fn a_refusal_in_the_clear_is_told_in_words(#[case] alert: Alert, #[case] words: &str) {
    let two = Two::new();
    let client = identity(&issued(&two.ours, |_| {}));
    let server = two.server(Protocol::Dtls12, two.trusting_us()).start();
    let report = dial(&refusing(&server, alert.code()), Some(&client), PATIENT);
    assert_refused(&report, &[alert]);
    let told = report.outcome.to_string();
    assert!(told.contains(words), "{told}");
}

#[test]
fn a_refusal_after_a_long_flight_of_the_client_is_heard() {
    let two = Two::new();
    let stranger = CaBuilder::root("CN=Stranger").key(KeyKind::Rsa4096).build();
    let between = CaBuilder::intermediate("CN=Between", &stranger)
        .key(KeyKind::Rsa4096)
        .build();
    let client = identity(&of_kind(&between, KeyKind::Rsa2048));
    for protocol in PROTOCOLS {
        let server = two.server(protocol, two.trusting_us());
        let report = dial(&server.start(), Some(&client), PATIENT);
        assert_refused(&report, &[Alert::UNKNOWN_CA]);
    }
}

#[test]
fn a_server_that_never_says_what_it_makes_of_a_certificate_is_not_taken_to_accept_it() {
    let two = Two::new();
    let client = identity(&issued(&two.ours, |_| {}));
    let silent = Setup {
        tickets: 0,
        ..two.server(Protocol::Tls13, two.trusting_us())
    };
    let limits = Limits {
        time: std::time::Duration::from_secs(6),
        ..PATIENT
    };
    let report = dial(&silent.start(), Some(&client), limits);
    assert_eq!(report.outcome, Outcome::Unanswered);
    assert_eq!(report.chain.len(), 1);
}

#[test]
fn a_server_without_a_certificate_completes_no_handshake() {
    let pair = issued(&TestCa::example(), |_| {});
    for protocol in [Protocol::Dtls12, Protocol::Tls12] {
        let anonymous = Setup {
            is_anonymous: true,
            ..Setup::of(protocol, &pair)
        };
        let report = dial(&anonymous.start(), None, PATIENT);
        let refused = Outcome::Refused(Alert::HANDSHAKE_FAILURE);
        assert_eq!(report.outcome, refused, "{protocol:?}");
    }
}
