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
    /// The version first: on it depends what listens.
    pub(super) async fn hear(mut self, facts: &mut Facts) {
        let pod = self.subject.ready.as_ref();
        let reach = pod.and_then(|pod| Reach::of(&self.cluster.client, pod, self.options.via));
        if let Some(reach) = &reach {
            self.running(facts, reach).await;
        } else {
            self.not_running();
        }
        if !self.addresses.is_empty() {
            self.hear_addresses(facts).await;
        } else if let Some(reach) = reach {
            self.hear_pod(facts, &reach).await;
        }
    }

    fn not_running(&mut self) {
        let what = if self.addresses.is_empty() {
            "what the listeners accept"
        } else {
            "the version that runs"
        };
        let why = format!("{} has no Ready pod", self.subject.title);
        self.gaps.push(Gap::new(what, why));
    }

    async fn hear_addresses(&mut self, facts: &mut Facts) {
        let own = self.subject.ready.as_ref().map(addresses);
        let own = own.unwrap_or_default();
        let mut named = Vec::new();
        for address in self.addresses {
            for expected in expected_at(facts, *address, &own) {
                named.push(expected.kind);
                self.scan(facts, &expected, Ok(Way::to(*address))).await;
            }
        }
        self.gaps.extend(left_out(facts, &named));
    }

    async fn hear_pod(&mut self, facts: &mut Facts, reach: &Reach) {
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
        let scanning = tokio::task::spawn_blocking(move || scan(&target, LIMITS));
        let Ok(scan) = scanning.await else {
            let what = format!("{} at {}", what(kind), way.name);
            return self.gaps.push(Gap::new(what, "the scan was broken off"));
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
    async fn running(&mut self, facts: &mut Facts, reach: &Reach) {
        let (told, why) = match self.asked(facts, reach).await {
            Ok((Software::Told(software), at)) => {
                facts.plain = at;
                let version = Build::version_of_software(&software);
                (version, format!("the server says that it is {software:?}"))
            }
            Ok((Software::Hidden, at)) => {
                facts.plain = at;
                let why = "the server does not say it, which is well: see the image";
                (None, why.to_owned())
            }
            Ok((Software::Unanswered, _)) => (
                None,
                "nothing answers as a server of TURN over TCP".to_owned(),
            ),
            Err(why) => (None, why),
        };
        if told.is_none() {
            self.gaps.push(Gap::new("the version that runs", why));
        }
        facts.take_running(told);
    }

    /// What it says, and at which address, if that is its own.
    async fn asked(
        &self,
        facts: &Facts,
        reach: &Reach,
    ) -> Result<(Software, Option<IpAddr>), String> {
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
        let own = address(configuration, ListenerKind::Tls, &reach.addresses);
        let (address, is_own) = to_ask(own, self.addresses)?;
        let way = if is_own {
            reach.tcp(SocketAddr::new(address, port)).await?
        } else {
            Way::to(SocketAddr::new(address, port))
        };
        let at = way.address;
        let asking = tokio::task::spawn_blocking(move || software(at, LIMITS.time));
        let software = asking.await.map_err(|error| error.to_string())?;
        Ok((software, way.is_direct.then_some(address)))
    }
}

/// Which address to ask for the version, and whether it is the pod's own: where that is not known, the first
/// one that was named leads to it.
fn to_ask(own: Result<IpAddr, String>, named: &[SocketAddr]) -> Result<(IpAddr, bool), String> {
    match (own, named.first()) {
        (Ok(own), _) => Ok((own, true)),
        (Err(_), Some(named)) => Ok((named.ip(), false)),
        (Err(why), None) => Err(why),
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

/// Listeners that are there, or may be, and that no address was named for.
fn left_out(facts: &Facts, named: &[ListenerKind]) -> Vec<Gap> {
    let configuration = facts.configuration.as_ref();
    let listeners = configuration.map(|it| it.listeners(facts.build));
    let is_left_out = |it: &Listener<'_>| it.service != Service::Off && !named.contains(&it.kind);
    let listeners = listeners.into_iter().flatten().filter(is_left_out);
    let gap = |it: Listener<'_>| Gap::new(what(it.kind), "not scanned: no --address names it");
    listeners.map(gap).collect()
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
mod tests;
