use rstest::rstest;

use super::*;
use crate::rules::testing::World;

const OWN: [&str; 2] = ["10.0.0.7", "fd00::7"];

fn own() -> [IpAddr; 2] {
    OWN.map(|address| address.parse().unwrap())
}

#[rstest]
#[case::told_nothing("", Some("10.0.0.7"))]
#[case::all("listening-ip=0.0.0.0", Some("10.0.0.7"))]
#[case::all_of_the_other_family("listening-ip=::", Some("fd00::7"))]
#[case::one_of_the_pods("listening-ip=fd00::7", Some("fd00::7"))]
#[case::another_beside_one_of_the_pods(
    "listening-ip=192.0.2.1\nlistening-ip=10.0.0.7",
    Some("10.0.0.7")
)]
#[case::none_of_the_pods("listening-ip=192.0.2.1", None)]
#[case::a_placeholder("listening-ip=__COTURN_EXT_IP__", None)]
fn a_listener_is_looked_for_where_coturn_was_told_to_listen(
    #[case] text: &str,
    #[case] found: Option<&str>,
) {
    let configuration = Configuration::read(&[("f", text)], &[]);
    let address = address(&configuration, ListenerKind::Tls, &own());
    match (address, found) {
        (Ok(address), Some(found)) => assert_eq!(address.to_string(), found),
        (Err(why), None) => assert!(why.contains("--address"), "{why}"),
        (address, found) => panic!("{address:?}, not {found:?}"),
    }
}

#[test]
fn the_version_is_asked_at_an_address_that_was_named_where_the_pods_own_is_not_known() {
    let text = "listening-ip=__COTURN_EXT_IP__";
    let configuration = Configuration::read(&[("f", text)], &[]);
    let unknown = || address(&configuration, ListenerKind::Tls, &own());
    let named: SocketAddr = "192.0.2.1:5349".parse().unwrap();
    assert_eq!(to_ask(unknown(), &[named]), Ok((named.ip(), false)));
    assert_eq!(to_ask(Ok(own()[0]), &[named]), Ok((own()[0], true)));
    assert!(to_ask(unknown(), &[]).unwrap_err().contains("--address"));
}

#[test]
fn federation_listens_by_an_option_of_its_own() {
    let text = "listening-ip=10.0.0.7\nfederation-listening-ip=__COTURN_EXT_IP__";
    let configuration = Configuration::read(&[("f", text)], &[]);
    assert!(address(&configuration, ListenerKind::Tls, &own()).is_ok());
    let why = address(&configuration, ListenerKind::Federation, &own()).unwrap_err();
    assert!(why.contains("__COTURN_EXT_IP__"), "{why}");
}

/// What is looked for, and whether it has to be there.
fn looked_for(world: &World, at: &str) -> Vec<(ListenerKind, bool)> {
    let expected = expected_at(&world.facts, at.parse().unwrap(), &own());
    let told = |it: &Expected| (it.kind, it.is_certain);
    expected.iter().map(told).collect()
}

#[test]
fn an_address_with_a_port_of_no_listener_is_scanned_as_both_and_need_have_neither() {
    let guessed = [(ListenerKind::Tls, false), (ListenerKind::Dtls, false)];
    assert_eq!(looked_for(&World::hardened(), "192.0.2.1:443"), guessed);
}

#[test]
fn a_load_balancer_need_not_have_both_listeners_that_share_a_port_and_the_pod_has() {
    let world = World::hardened();
    let [tls, dtls] = [ListenerKind::Tls, ListenerKind::Dtls];
    let some = [(tls, false), (dtls, false)];
    assert_eq!(looked_for(&world, "192.0.2.1:5349"), some);
    assert_eq!(
        looked_for(&world, "10.0.0.7:5349"),
        [(tls, true), (dtls, true)]
    );
    let alone = World::of((4, 6, 1), "no-dtls");
    assert_eq!(looked_for(&alone, "192.0.2.1:5349"), [(tls, true)]);
    let bound = World::of((4, 6, 1), "listening-ip=192.0.2.1");
    assert_eq!(
        looked_for(&bound, "192.0.2.1:5349"),
        [(tls, true), (dtls, true)]
    );
    assert_eq!(looked_for(&bound, "10.0.0.7:5349"), some);
    let all = World::of((4, 6, 1), "listening-ip=0.0.0.0");
    assert_eq!(
        looked_for(&all, "10.0.0.7:5349"),
        [(tls, true), (dtls, true)]
    );
    assert_eq!(looked_for(&all, "192.0.2.1:5349"), some);
}

#[test]
fn where_not_all_was_read_no_listener_has_to_be_there() {
    let mut world = World::of((4, 6, 1), "no-dtls");
    world.facts.extent = Extent::Partial;
    let tls = [(ListenerKind::Tls, false)];
    assert_eq!(looked_for(&world, "10.0.0.7:5349"), tls);
}

#[test]
fn a_name_for_the_server_is_no_address() {
    assert!(is_name("coturn.example.com") && !is_name("192.0.2.1"));
}

#[test]
fn a_listener_that_no_address_names_is_told_not_to_be_scanned() {
    let told = |world: &World, named: &[ListenerKind]| {
        let gaps = left_out(&world.facts, named).into_iter();
        gaps.map(|gap| gap.what).collect::<Vec<_>>()
    };
    let [tls, dtls] = [ListenerKind::Tls, ListenerKind::Dtls];
    let world = World::hardened();
    assert_eq!(told(&world, &[tls, dtls]), [""; 0]);
    assert_eq!(told(&world, &[tls]), ["what DTLS accepts"]);
    let alone = World::of((4, 6, 1), "no-dtls");
    assert_eq!(told(&alone, &[tls]), [""; 0]);
    let federation = ["what federation (DTLS) accepts"];
    assert_eq!(told(&World::federating(""), &[]), federation);
}
