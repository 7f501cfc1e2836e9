//! Scanning what listens: which listeners there are, and at which addresses.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use coturn::{Bound, Build, Configuration, Listener, ListenerKind, Port, Service};
use probe::{Limits, ScanTarget, Software, Transport, scan, software};

use super::answers::{gaps, what};
use crate::{
    args::Audit,
    facts::{Extent, Facts, Heard},
    reach::{Reach, Way, addresses},
    read::{Cluster, Subject},
    report::Gap,
};

/// How long one handshake may take, and how much it may bring.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(5),
    bytes: 256 * 1024,
};
/// Port of STUN and TURN unless `listening-port` says otherwise (RFC 8489, section 18.6).
const STUN_PORT: u16 = 3478;

/// Scans what listens.
pub(super) struct Listening<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) subject: &'a Subject,
    pub(super) options: &'a Audit,
    pub(super) addresses: &'a [SocketAddr],
    pub(super) gaps: &'a mut Vec<Gap>,
}

/// A listener to scan.
struct Expected {
    kind: ListenerKind,
    at: SocketAddr,
    /// Whether coturn was told to listen there, so that it has to.
    is_certain: bool,
}

impl Listening<'_> {
    pub(super) async fn hear(mut self, facts: &mut Facts) {
        if !self.addresses.is_empty() {
            return self.hear_addresses(facts).await;
        }
        let pod = self.subject.ready.as_ref();
        let reach = pod.and_then(|pod| Reach::of(&self.cluster.client, pod, self.options.via));
        if let Some(reach) = reach {
            return self.hear_pod(facts, &reach).await;
        }
        let why = format!("{} has no Ready pod", self.subject.title);
        self.gaps.push(Gap::new("what the listeners accept", why));
    }

    async fn hear_addresses(&mut self, facts: &mut Facts) {
        let own = self.subject.ready.as_ref().map(addresses);
        let own = own.unwrap_or_default();
        for address in self.addresses {
            for expected in expected_at(facts, *address, &own) {
                self.scan(facts, &expected, Ok(Way::to(*address))).await;
            }
        }
    }

    /// The version first: on it depends what listens.
    async fn hear_pod(&mut self, facts: &mut Facts, reach: &Reach) {
        let running = self.running(facts, reach).await;
        facts.take_running(running);
        for expected in self.expected(facts, &reach.addresses) {
            let way = match expected.kind {
                ListenerKind::Tls => reach.tcp(expected.at).await,
                ListenerKind::Dtls | ListenerKind::Federation => reach.udp(expected.at),
            };
            self.scan(facts, &expected, way).await;
        }
    }

    /// Listeners that are there, or may be, at the pod's own addresses.
    fn expected(&mut self, facts: &Facts, own: &[IpAddr]) -> Vec<Expected> {
        let Some(configuration) = &facts.configuration else {
            let why = "which ports it listens on is not known; name them by --address";
            self.gaps.push(Gap::new("what the listeners accept", why));
            return Vec::new();
        };
        let mut all = Vec::new();
        for listener in configuration.listeners(facts.build) {
            if listener.service == Service::Off {
                continue;
            }
            match socket(configuration, &listener, own) {
                Ok(at) => all.push(Expected {
                    kind: listener.kind,
                    at,
                    is_certain: is_told(facts, &listener),
                }),
                Err(why) => self.gaps.push(Gap::new(what(listener.kind), why)),
            }
        }
        all
    }

    async fn scan(&mut self, facts: &mut Facts, expected: &Expected, way: Result<Way, String>) {
        let kind = expected.kind;
        let way = match way {
            Ok(way) => way,
            Err(why) => return self.gaps.push(Gap::new(what(kind), why)),
        };
        let target = ScanTarget {
            address: way.address,
            transport: match kind {
                ListenerKind::Tls => Transport::Stream,
                ListenerKind::Dtls | ListenerKind::Federation => Transport::Datagrams,
            },
            server_name: self.options.names.iter().find(|it| is_name(it)).cloned(),
        };
        let Ok(scan) = tokio::task::spawn_blocking(move || scan(&target, LIMITS)).await else {
            return;
        };
        let heard = Heard {
            kind,
            is_evidence: way.is_direct && expected.is_certain,
            at: way.name,
            scan,
        };
        self.gaps.extend(gaps(&heard));
        facts.heard.push(heard);
    }

    /// What the server says of itself, over TCP on its plain port.
    async fn running(&mut self, facts: &Facts, reach: &Reach) -> Option<coturn::Version> {
        let (told, why) = match self.asked(facts, reach).await {
            Ok(Software::Told(software)) => {
                let version = Build::version_of_software(&software);
                (version, format!("the server says that it is {software:?}"))
            }
            Ok(Software::Hidden) => (
                None,
                "the server does not say it, which is well: see the image".to_owned(),
            ),
            Ok(Software::Unanswered) => (
                None,
                "nothing answers as a server of TURN over TCP".to_owned(),
            ),
            Err(why) => (None, why),
        };
        if told.is_none() {
            self.gaps.push(Gap::new("the version that runs", why));
        }
        told
    }

    async fn asked(&self, facts: &Facts, reach: &Reach) -> Result<Software, String> {
        let unknown = || "which port answers is not known".to_owned();
        let configuration = facts.configuration.as_ref().ok_or_else(unknown)?;
        let port = match configuration.last("listening-port") {
            None => STUN_PORT,
            Some(setting) => {
                let port = setting
                    .value
                    .text()
                    .and_then(|text| text.trim().parse().ok());
                port.ok_or_else(unknown)?
            }
        };
        let address = address(configuration, ListenerKind::Tls, &reach.addresses)?;
        let way = reach.tcp(SocketAddr::new(address, port)).await?;
        let at = way.address;
        let asking = tokio::task::spawn_blocking(move || software(at, LIMITS.time));
        asking.await.map_err(|error| error.to_string())
    }
}

fn is_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_err()
}

/// Whether coturn was told to have a listener, whatever a placeholder or an unread file may say.
fn is_told(facts: &Facts, listener: &Listener<'_>) -> bool {
    facts.extent == Extent::Whole && listener.service == Service::On
}

/// As what to scan an address that was named. One that only leads to the pod, as that of a load balancer,
/// need not have every listener that shares a port.
fn expected_at(facts: &Facts, at: SocketAddr, own: &[IpAddr]) -> Vec<Expected> {
    let is_there = |listener: &Listener<'_>| {
        listener.service != Service::Off && listener.port == Port::Number(at.port())
    };
    let configuration = facts.configuration.as_ref();
    let listeners = configuration.map(|it| it.listeners(facts.build));
    let there: Vec<_> = listeners.into_iter().flatten().filter(is_there).collect();
    if there.is_empty() {
        let guessed = [ListenerKind::Tls, ListenerKind::Dtls];
        return guessed
            .map(|kind| Expected {
                kind,
                at,
                is_certain: false,
            })
            .into();
    }
    let is_own = |kind| {
        let bounds = configuration.map(|it| it.bounds(kind)).unwrap_or_default();
        let is_bound = |bound: &Bound<'_>| match bound {
            Bound::Address(address) => {
                *address == at.ip() || (is_all(*address, at.ip()) && own.contains(&at.ip()))
            }
            Bound::Unresolved(_) => false,
        };
        bounds.iter().any(is_bound) || (bounds.is_empty() && own.contains(&at.ip()))
    };
    let expected = |listener: &Listener<'_>| Expected {
        kind: listener.kind,
        at,
        is_certain: is_told(facts, listener) && (there.len() == 1 || is_own(listener.kind)),
    };
    there.iter().map(expected).collect()
}

/// Where a listener of a pod with these addresses is; or why that is not known.
fn socket(
    configuration: &Configuration,
    listener: &Listener<'_>,
    own: &[IpAddr],
) -> Result<SocketAddr, String> {
    match listener.port {
        Port::Number(port) => {
            let address = address(configuration, listener.kind, own)?;
            Ok(SocketAddr::new(address, port))
        }
        Port::Unresolved => {
            Err("a placeholder stands for its port; name it by --address".to_owned())
        }
    }
}

/// At which of a pod's addresses a listener is. What coturn was told may be none of them: with hostNetwork
/// a node has others.
fn address(
    configuration: &Configuration,
    kind: ListenerKind,
    own: &[IpAddr],
) -> Result<IpAddr, String> {
    let bounds = configuration.bounds(kind);
    let Some(last) = bounds.last() else {
        let first = own.first().copied();
        return first.ok_or_else(|| "the pod has no address".to_owned());
    };
    let of_pod = bounds.iter().find_map(|bound| match bound {
        Bound::Address(address) => own
            .iter()
            .find(|own| *own == address || is_all(*address, **own))
            .copied(),
        Bound::Unresolved(_) => None,
    });
    of_pod.ok_or_else(|| match last {
        Bound::Address(address) => {
            format!("it listens at {address}, which is none of the pod's; name one by --address")
        }
        Bound::Unresolved(setting) => format!(
            "{}: {}={} stands for where it listens; name that by --address",
            setting.source, setting.name, setting.value
        ),
    })
}

/// Whether an address stands for all of the other one's family.
fn is_all(address: IpAddr, other: IpAddr) -> bool {
    address.is_unspecified() && address.is_ipv4() == other.is_ipv4()
}

#[cfg(test)]
mod tests {
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
}
