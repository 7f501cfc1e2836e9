use api::{Fingerprint, Usage};
use jiff::SignedDuration;
use pki::{
    Authority, LeafRequest, issue,
    testing::{CaBuilder, NOW, TestCa, request},
};
use rstest::rstest;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::*;

const HOST: &str = "coturn.partner.example";

/// The chain of a partner with a certificate of this name.
fn chain(ca: &TestCa, name: &str) -> Vec<Certificate> {
    issued(ca, &request(&[name]))
}

fn issued(ca: &TestCa, request: &LeafRequest) -> Vec<Certificate> {
    let authority = Authority::load(&ca.secret().as_secret(), NOW).unwrap();
    let pair = issue(&authority, request, NOW).unwrap();
    let certificates = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
    certificates
        .map(|it| served(it.unwrap().to_vec()))
        .collect()
}

fn served(der: Vec<u8>) -> Certificate {
    Certificate {
        fingerprint: Fingerprint::from_digest([0; 32]),
        der,
    }
}

fn trust(ca: &TestCa, whitelist: &[&str]) -> Trust {
    Trust {
        bundle: ca.root().into_bytes(),
        authorities: "key ca.crt of Secret wire/bundle".to_owned(),
        whitelist: whitelist.iter().map(|entry| Entry::parse(entry)).collect(),
    }
}

fn called(host: &str) -> Partner {
    Partner {
        host: host.to_owned(),
        port: 9191,
    }
}

/// What is made of a partner that is called so, by a coturn that trusts this.
fn judged(host: &str, chain: &[Certificate], trust: Trust) -> Own {
    judged_by(host, chain, &Ok(trust))
}

fn judged_by(host: &str, chain: &[Certificate], trust: &Result<Trust, String>) -> Own {
    let now = NOW + SignedDuration::from_hours(1);
    judge(&called(host), chain, trust, now)
}

fn turned_away(own: Own) -> String {
    match own {
        Own::NotTrusted(why) => why,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::anybody(&[])]
#[case::its_name(&["other.example", HOST])]
#[case::its_name_and_its_issuer(&["coturn.partner.example,Example Org CA"])]
fn a_partner_is_let_in_whom_coturn_lists_and_trusts(#[case] whitelist: &[&str]) {
    let ca = TestCa::example();
    let own = judged(HOST, &chain(&ca, HOST), trust(&ca, whitelist));
    assert_eq!(own, Own::Trusted);
}

#[test]
fn a_partner_that_is_not_listed_is_turned_away_with_its_name() {
    let ca = TestCa::example();
    let why = turned_away(judged(
        HOST,
        &chain(&ca, HOST),
        trust(&ca, &["other.example"]),
    ));
    assert!(why.contains("none of its names is on the whitelist: coturn.partner.example"));
    assert!(why.contains("add `federation-remote-whitelist="), "{why}");
}

#[test]
fn a_partner_of_another_issuer_than_is_listed_is_turned_away() {
    let ca = TestCa::example();
    let listed = trust(&ca, &["coturn.partner.example,Other CA"]);
    let why = turned_away(judged(HOST, &chain(&ca, HOST), listed));
    assert!(
        why.contains("Other CA") && why.contains("Example Org CA"),
        "{why}"
    );
}

#[test]
fn a_partner_of_a_ca_that_coturn_does_not_trust_is_turned_away_with_that_ca() {
    let root = CaBuilder::root("CN=Partner CA").build();
    let ca = CaBuilder::intermediate("CN=Issuing CA", &root).build();
    let bundle = trust(&TestCa::example(), &[HOST]);
    let why = turned_away(judged(HOST, &chain(&ca, HOST), bundle));
    assert!(why.contains("unable to get"), "{why}");
    assert!(why.contains("that CN=Partner CA issued"), "{why}");
    assert!(why.contains("key ca.crt of Secret wire/bundle"), "{why}");
}

#[test]
fn a_partner_whose_certificate_is_for_servers_alone_is_turned_away_when_it_dials() {
    let ca = TestCa::example();
    let mut for_servers = request(&[HOST]);
    for_servers.content.usages.remove(&Usage::ClientAuth);
    let chain = issued(&ca, &for_servers);
    let why = turned_away(judged(HOST, &chain, trust(&ca, &[HOST])));
    for words in [
        "not for clients",
        "dials coturn",
        "have the partner add clientAuth",
    ] {
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn a_bundle_without_a_certificate_trusts_nobody() {
    let ca = TestCa::example();
    let empty = Trust {
        bundle: b"none".to_vec(),
        ..trust(&ca, &[])
    };
    let why = turned_away(judged(HOST, &chain(&ca, HOST), empty));
    assert!(why.contains("holds no certificate"), "{why}");
}

#[test]
fn a_partner_that_has_expired_is_turned_away() {
    let ca = TestCa::example();
    let late = NOW + SignedDuration::from_hours(366 * 24);
    let own = judge(&called(HOST), &chain(&ca, HOST), &Ok(trust(&ca, &[])), late);
    assert!(turned_away(own).contains("certificate has expired"));
}

#[rstest]
#[case::the_same(HOST, HOST, true)]
#[case::in_other_letters("Coturn.Partner.Example", HOST, true)]
#[case::by_a_wildcard(HOST, "*.partner.example", true)]
#[case::another("turn.partner.example", HOST, false)]
#[case::an_address("192.0.2.7", HOST, true)]
fn a_partner_that_is_called_by_a_name_has_to_bear_it(
    #[case] host: &str,
    #[case] name: &str,
    #[case] bears: bool,
) {
    let ca = TestCa::example();
    let chain = chain(&ca, name);
    for trust in [Ok(trust(&ca, &[])), Err("not in sight".to_owned())] {
        let own = judged_by(host, &chain, &trust);
        match own {
            Own::NotTrusted(why) => {
                assert!(!bears && why.contains(host) && why.contains(name), "{why}");
            }
            Own::Trusted => assert!(bears && trust.is_ok()),
            Own::NotJudged(why) => assert!(bears && why == "not in sight"),
        }
    }
}

#[test]
fn what_coturn_makes_of_it_is_told_before_a_wrong_name() {
    let ca = TestCa::example();
    let why = turned_away(judged(
        "turn.partner.example",
        &chain(&ca, HOST),
        trust(&ca, &["other.example"]),
    ));
    assert!(why.contains("on the whitelist"), "{why}");
}

#[test]
fn what_is_no_certificate_is_turned_away() {
    let garbage = [served(b"none".to_vec())];
    let why = turned_away(judged_by(HOST, &garbage, &Err(String::new())));
    assert!(why.contains("cannot read"), "{why}");
}

#[test]
fn however_many_names_a_partner_shows_what_is_told_of_it_is_short() {
    let ca = TestCa::example();
    let mut many = request(&[HOST]);
    let names = (0..900).map(|number| format!("host-{number}.partner.example"));
    many.content.dns_names.extend(names);
    let chain = issued(&ca, &many);
    let listed = trust(&ca, &["other.example"]);
    assert!(turned_away(judged(HOST, &chain, listed)).len() < 1000);
    let all = trust(&ca, &[]);
    assert!(turned_away(judged("turn.example", &chain, all)).len() < 1000);
}
