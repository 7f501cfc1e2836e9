//! What servers accept, told by scanning them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use api::KeyKind;
use openssl::ssl::SslVersion;
use pki::testing::TestCa;
use probe::{
    Answer, Demand, Ephemeral, Group, Limits, Scan, ScanTarget, Spoken, Transport, Trouble,
    Version, scan,
};
use rstest::rstest;
use support::{
    Asks, PATIENT,
    many::{Many, Taste},
    of_kind,
};

/// Scans a server with this taste and a key of this kind.
fn scanned(key: KeyKind, taste: &Taste) -> Scan {
    let pair = of_kind(&TestCa::example(), key);
    scan(&Many::of(&pair, taste).start(), PATIENT)
}

fn spoken(scan: &Scan, version: Version) -> &Spoken {
    let mut versions = scan.versions.iter();
    versions.find(|spoken| spoken.version == version).unwrap()
}

fn suites(spoken: &Spoken) -> Vec<&str> {
    let mut suites: Vec<_> = spoken
        .answer
        .accepted()
        .map(|it| it.suite.as_str())
        .collect();
    suites.sort_unstable();
    suites
}

fn answer(spoken: &Spoken, group: Group) -> &Answer {
    let mut offers = spoken.offers.iter();
    &offers.find(|offer| offer.group == group).unwrap().answer
}

#[test]
fn every_suite_of_a_server_is_found_and_no_other() {
    let taste = Taste {
        ciphers: "ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA:DHE-RSA-AES128-SHA",
        ..Taste::of_tls(SslVersion::TLS1_2, SslVersion::TLS1_2)
    };
    let scan = scanned(KeyKind::Rsa2048, &taste);
    let tls12 = spoken(&scan, Version::Tls12);
    assert_eq!(
        suites(tls12),
        [
            "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_RSA_WITH_AES_256_CBC_SHA",
        ]
    );
    assert!(matches!(answer(tls12, Group::RsaAead), Answer::Refused(_)));
    assert!(matches!(
        answer(tls12, Group::Anonymous),
        Answer::Refused(_)
    ));
    assert!(!spoken(&scan, Version::Tls13).answer.is_accepted());
    assert!(!spoken(&scan, Version::Tls11).answer.is_accepted());
}

#[rstest]
#[case(Transport::Stream, SslVersion::TLS1, Version::Tls10)]
#[case(Transport::Stream, SslVersion::TLS1_1, Version::Tls11)]
#[case(Transport::Stream, SslVersion::TLS1_2, Version::Tls12)]
#[case(Transport::Stream, SslVersion::TLS1_3, Version::Tls13)]
#[case(Transport::Datagrams, SslVersion::DTLS1, Version::Dtls10)]
#[case(Transport::Datagrams, SslVersion::DTLS1_2, Version::Dtls12)]
fn a_version_is_accepted_alone(
    #[case] transport: Transport,
    #[case] only: SslVersion,
    #[case] version: Version,
) {
    let taste = Taste {
        transport,
        ..Taste::of_tls(only, only)
    };
    let scan = scanned(KeyKind::EcdsaP256, &taste);
    let accepted: Vec<_> = scan
        .versions
        .iter()
        .filter(|spoken| spoken.answer.is_accepted())
        .map(|spoken| spoken.version)
        .collect();
    assert_eq!(accepted, [version]);
    let spoken = spoken(&scan, version);
    assert_eq!(spoken.chain.len(), 1);
    assert_eq!(spoken.demand, Demand::NotAsked);
    assert!(spoken.has_secure_renegotiation && !spoken.has_staple);
}

#[test]
fn what_openssl_was_built_without_is_not_tested_and_says_why() {
    let scan = scanned(
        KeyKind::Rsa2048,
        &Taste::of_tls(SslVersion::TLS1, SslVersion::TLS1_2),
    );
    let Answer::NotTested(reason) = &spoken(&scan, Version::Ssl30).answer else {
        panic!("{scan:?}")
    };
    assert_eq!(
        reason,
        "OpenSSL was built without SSL 3.0 (no protocols available)"
    );
    let tls10 = spoken(&scan, Version::Tls10);
    for group in [Group::Rc4, Group::TripleDes, Group::Export] {
        assert!(
            matches!(answer(tls10, group), Answer::NotTested(_)),
            "{group}"
        );
    }
    let rare = tls10.offers.iter().find(|it| it.group == Group::Rare);
    assert!(rare.unwrap().missing.contains(&"TLS_RSA_WITH_IDEA_CBC_SHA"));
}

#[test]
fn the_size_of_a_dh_group_and_the_name_of_a_curve_are_told() {
    let taste = Taste {
        ciphers: "DHE-RSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AES128-SHA:@SECLEVEL=0",
        curve: Some("P-384"),
        ..Taste::of_tls(SslVersion::TLS1_2, SslVersion::TLS1_2)
    };
    let scan = scanned(KeyKind::Rsa2048, &taste);
    let of = |group| {
        let accepted = answer(spoken(&scan, Version::Tls12), group).accepted();
        accepted.map(|it| it.ephemeral.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(Group::DheCbc), [Some(Ephemeral::Dh(2048))]);
    let curve = Ephemeral::Curve("secp384r1".to_owned());
    assert_eq!(of(Group::EcdheCbc), [Some(curve)]);
    assert_eq!(of(Group::RsaCbc), [None]);
}

#[test]
fn suites_without_a_certificate_or_encryption_are_found() {
    let taste = Taste {
        ciphers: "ADH-AES128-SHA:NULL-SHA:@SECLEVEL=0",
        ..Taste::of_tls(SslVersion::TLS1_2, SslVersion::TLS1_2)
    };
    let scan = scanned(KeyKind::Rsa2048, &taste);
    let tls12 = spoken(&scan, Version::Tls12);
    assert_eq!(
        suites(tls12),
        ["TLS_DH_anon_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_NULL_SHA"]
    );
}

#[rstest]
#[case(Transport::Stream, SslVersion::TLS1_2, Version::Tls12)]
#[case(Transport::Stream, SslVersion::TLS1_3, Version::Tls13)]
#[case(Transport::Datagrams, SslVersion::DTLS1_2, Version::Dtls12)]
fn a_server_that_demands_certificates_is_scanned_all_the_same(
    #[case] transport: Transport,
    #[case] only: SslVersion,
    #[case] version: Version,
) {
    let taste = Taste {
        transport,
        asks: Asks::Insists(TestCa::example().root()),
        ..Taste::of_tls(only, only)
    };
    let scan = scanned(KeyKind::EcdsaP256, &taste);
    let spoken = spoken(&scan, version);
    assert!(suites(spoken).len() >= 3, "{spoken:?}");
    assert_eq!(spoken.demand, Demand::Asked);
    assert_eq!(spoken.chain.len(), 1);
}

#[test]
fn an_ocsp_response_is_seen() {
    let taste = Taste {
        staple: true,
        ..Taste::of_tls(SslVersion::TLS1_2, SslVersion::TLS1_2)
    };
    let scan = scanned(KeyKind::EcdsaP256, &taste);
    assert!(spoken(&scan, Version::Tls12).has_staple);
}

/// A server of TLS 1.2 that says nothing of RFC 5746, chooses `TLS_RSA_WITH_AES_128_CBC_SHA`, and is gone.
fn old_server() -> ScanTarget {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hello = [&[3, 3], &[7; 32][..], &[0, 0, 0x2f, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let message = [&[2, 0, 0, length], &hello[..]].concat();
    let record = [&[22, 3, 3, 0, length + 4], &message[..]].concat();
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(&record);
        }
    });
    ScanTarget {
        address,
        transport: Transport::Stream,
        server_name: None,
    }
}

#[test]
fn a_server_without_secure_renegotiation_is_told_of_and_spoken_to() {
    let scan = scan(&old_server(), PATIENT);
    let tls12 = spoken(&scan, Version::Tls12);
    assert!(!tls12.has_secure_renegotiation);
    // The second attempt came as far as the server goes.
    assert_eq!(tls12.answer, Answer::Failed(Trouble::Cut));
}

#[test]
fn where_nobody_listens_every_version_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = ScanTarget {
        address,
        transport: Transport::Stream,
        server_name: None,
    };
    let scan = scan(&target, PATIENT);
    assert!(!scan.is_spoken());
    for spoken in &scan.versions[1..] {
        assert_eq!(spoken.answer, Answer::Failed(Trouble::Closed));
        assert!(spoken.offers.is_empty());
    }
}

#[test]
fn a_server_that_says_nothing_costs_two_waits_for_each_version() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = ScanTarget {
        address: listener.local_addr().unwrap(),
        transport: Transport::Stream,
        server_name: None,
    };
    let limits = Limits {
        time: Duration::from_millis(300),
        ..PATIENT
    };
    let began = Instant::now();
    let scan = scan(&target, limits);
    let silent = Answer::Failed(Trouble::Silent(limits.time));
    let answers: Vec<_> = scan.versions[1..].iter().map(|it| &it.answer).collect();
    assert_eq!(answers, [&silent; 4]);
    assert!(began.elapsed() < limits.time * 12);
}

/// A server of TLS 1.2 with two suites, before which these connections, counted from 1, are cut.
fn cutting(is_cut: fn(usize) -> bool) -> ScanTarget {
    let taste = Taste {
        ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
        ..Taste::of_tls(SslVersion::TLS1_2, SslVersion::TLS1_2)
    };
    let pair = of_kind(&TestCa::example(), KeyKind::EcdsaP256);
    let behind = Many::of(&pair, &taste).start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, client) in (1..).zip(listener.incoming()) {
            let client = client.unwrap();
            if !is_cut(number) {
                let server = TcpStream::connect(behind.address).unwrap();
                pass(client.try_clone().unwrap(), server.try_clone().unwrap());
                pass(server, client);
            }
        }
    });
    ScanTarget { address, ..behind }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

/// The first two connections are for versions that the server turns down.
#[test]
fn a_handshake_that_was_cut_once_is_made_again() {
    let scan = scan(&cutting(|number| number == 3), PATIENT);
    let tls12 = spoken(&scan, Version::Tls12);
    assert_eq!(suites(tls12).len(), 2, "{tls12:?}");
    assert!(tls12.offers.iter().all(|offer| offer.trouble().is_none()));
}

#[test]
fn a_group_that_was_cut_twice_says_so_beside_what_it_accepts() {
    let scan = scan(&cutting(|number| [5, 6].contains(&number)), PATIENT);
    let tls12 = spoken(&scan, Version::Tls12);
    assert_eq!(suites(tls12).len(), 1, "{tls12:?}");
    let troubled = tls12.offers.iter().filter(|it| it.trouble().is_some());
    let groups: Vec<_> = troubled.map(|it| (it.group, it.trouble())).collect();
    assert_eq!(groups, [(Group::EcdheAead, Some(&Trouble::Cut))]);
}
