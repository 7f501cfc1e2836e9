//! `audit`: read, scan, judge.

use std::{fs, net::SocketAddr, time::Duration};

use coturn::{Build, Listener, ListenerKind, Port, Service};
use jiff::Timestamp;
use kube::{Client, Config, config::KubeConfigOptions};
use probe::{Answer, Limits, Scan, ScanTarget, Transport, Trouble, scan, software};

use crate::{
    args::Audit,
    error::Error,
    facts::{Facts, Heard, name},
    reach::{Reach, Way},
    read::{Cluster, Configured, Subject},
    report::{Gap, Report},
    rules,
};

/// How long one handshake may take; a scan gives a version up at the first that takes longer.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(5),
    bytes: 256 * 1024,
};
/// Port of STUN and TURN unless `listening-port` says otherwise (RFC 8489, section 18.6).
const STUN_PORT: u16 = 3478;

/// Looks at a coturn and judges it.
///
/// # Errors
/// What kept it from looking.
pub async fn audit(options: &Audit, now: Timestamp) -> Result<Report, Error> {
    let cluster = connect(options).await?;
    let trusted = trusted(options)?;
    let addresses = resolved(&options.addresses).await?;
    let subject = cluster
        .subject(options.workload.as_ref(), options.container.as_deref())
        .await?;
    let mut gaps = Vec::new();
    let configured = cluster.configured(&subject, &mut gaps).await;
    let build = Build {
        version: options.version.or(configured.build.version),
        ..configured.build
    };
    let mut facts = facts(options, now, configured, build);
    facts.trusted = trusted;
    Listening {
        cluster: &cluster,
        subject: &subject,
        options,
        addresses: &addresses,
        gaps: &mut gaps,
    }
    .hear(&mut facts)
    .await;
    let findings = rules::judge(&facts);
    Ok(Report::new(&subject, &facts, findings, gaps))
}

fn facts(options: &Audit, now: Timestamp, configured: Configured, build: Build) -> Facts {
    Facts {
        now,
        policy: options.policy,
        build,
        running: None,
        configuration: configured.configuration,
        files: configured.files,
        process: configured.process,
        heard: Vec::new(),
        names: options.names.clone(),
        trusted: None,
    }
}

async fn connect(options: &Audit) -> Result<Cluster, Error> {
    let kubeconfig = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    let from_file = Config::from_kubeconfig(&kubeconfig).await;
    let config = match from_file {
        Ok(config) => config,
        // Within a pod there is none.
        Err(error) if options.context.is_none() => {
            Config::incluster().map_err(|_| Error::Kubeconfig(error.to_string()))?
        }
        Err(error) => return Err(Error::Kubeconfig(error.to_string())),
    };
    let namespace = options.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|error| Error::Kubeconfig(error.to_string()))?;
    Ok(Cluster { client, namespace })
}

fn trusted(options: &Audit) -> Result<Option<Vec<u8>>, Error> {
    let Some(path) = &options.trusted else {
        return Ok(None);
    };
    let read = fs::read(path).map(Some);
    read.map_err(|source| Error::File {
        path: path.clone(),
        source,
    })
}

/// Of a name with several addresses, the first.
async fn resolved(addresses: &[String]) -> Result<Vec<SocketAddr>, Error> {
    let mut resolved = Vec::new();
    for address in addresses {
        let found = tokio::net::lookup_host(address).await;
        let first = found.map(|mut all| all.next());
        let reason = match first {
            Ok(Some(first)) => {
                resolved.push(first);
                continue;
            }
            Ok(None) => "its name has none".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(Error::Address {
            address: address.clone(),
            reason,
        });
    }
    Ok(resolved)
}

/// Scans what listens.
struct Listening<'a> {
    cluster: &'a Cluster,
    subject: &'a Subject,
    options: &'a Audit,
    addresses: &'a [SocketAddr],
    gaps: &'a mut Vec<Gap>,
}

impl Listening<'_> {
    async fn hear(mut self, facts: &mut Facts) {
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
        for address in self.addresses {
            for kind in kinds(facts, *address) {
                self.scan(facts, kind, Ok(Way::to(*address))).await;
            }
        }
    }

    /// The version first: on it depends what listens.
    async fn hear_pod(&mut self, facts: &mut Facts, reach: &Reach) {
        facts.running = self.running(facts, reach).await;
        facts.build.version = facts.build.version.or(facts.running);
        for (kind, port) in self.ports(facts) {
            let way = match kind {
                ListenerKind::Tls => reach.tcp(port).await,
                ListenerKind::Dtls | ListenerKind::Federation => reach.udp(port),
            };
            self.scan(facts, kind, way).await;
        }
    }

    /// Listeners that are there, or may be, and whose ports are known.
    fn ports(&mut self, facts: &Facts) -> Vec<(ListenerKind, u16)> {
        let Some(configuration) = &facts.configuration else {
            let why = "which ports it listens on is not known; name them by --address";
            self.gaps.push(Gap::new("what the listeners accept", why));
            return Vec::new();
        };
        let mut ports = Vec::new();
        for listener in configuration.listeners(facts.build) {
            match (listener.service, listener.port) {
                (Service::Off, _) => {}
                (_, Port::Number(port)) => ports.push((listener.kind, port)),
                (_, Port::Unresolved) => {
                    let why = "a placeholder stands for its port; name it by --address";
                    self.gaps.push(Gap::new(what(listener.kind), why));
                }
            }
        }
        ports
    }

    async fn scan(&mut self, facts: &mut Facts, kind: ListenerKind, way: Result<Way, String>) {
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
        if let Some(why) = unheard(&scan, way.is_direct) {
            self.gaps
                .push(Gap::new(format!("{} at {}", what(kind), way.name), why));
        } else {
            self.gaps.extend(untested(&scan, kind, &way.name));
        }
        facts.heard.push(Heard {
            kind,
            at: way.name,
            scan,
            is_direct: way.is_direct,
        });
    }

    /// What the server says of itself, over TCP on its plain port.
    async fn running(&mut self, facts: &Facts, reach: &Reach) -> Option<coturn::Version> {
        let configuration = facts.configuration.as_ref()?;
        let port = match configuration.last("listening-port") {
            None => STUN_PORT,
            Some(setting) => setting.value.text()?.parse().ok()?,
        };
        let way = reach.tcp(port).await.ok()?;
        let address = way.address;
        let asking = tokio::task::spawn_blocking(move || software(address, LIMITS.time));
        let told = asking.await.ok().flatten();
        if told.is_none() {
            let why = "the server does not say it, which is well: see the image";
            self.gaps.push(Gap::new("the version that runs", why));
        }
        Build::version_of_software(&told?)
    }
}

fn what(kind: ListenerKind) -> String {
    format!("what {} accepts", name(kind))
}

fn is_name(name: &str) -> bool {
    name.parse::<std::net::IpAddr>().is_err()
}

/// As what to scan an address that was named.
fn kinds(facts: &Facts, address: SocketAddr) -> Vec<ListenerKind> {
    let is_at = |listener: &Listener<'_>| {
        listener.service != Service::Off && listener.port == Port::Number(address.port())
    };
    let listeners = facts
        .configuration
        .as_ref()
        .map(|it| it.listeners(facts.build));
    let configured = listeners
        .into_iter()
        .flatten()
        .filter(is_at)
        .map(|it| it.kind);
    let kinds: Vec<_> = configured.collect();
    if kinds.is_empty() {
        return vec![ListenerKind::Tls, ListenerKind::Dtls];
    }
    kinds
}

/// Why nothing can be said of a listener; none if something can. Silence is no evidence, and behind a
/// port-forward no failure is.
fn unheard(scan: &Scan, is_direct: bool) -> Option<String> {
    let mut troubles = scan
        .versions
        .iter()
        .filter_map(|spoken| match &spoken.answer {
            Answer::Failed(trouble) => Some(trouble),
            Answer::Accepted(_) | Answer::Refused(_) | Answer::NotTested(_) => None,
        });
    let is_heard = scan.versions.iter().any(|spoken| match &spoken.answer {
        Answer::Accepted(accepted) => !accepted.is_empty(),
        Answer::Refused(_) => true,
        Answer::Failed(Trouble::Closed) => is_direct,
        Answer::Failed(_) | Answer::NotTested(_) => false,
    });
    if is_heard {
        return None;
    }
    troubles.next().map(ToString::to_string)
}

/// What was not offered, of versions that were answered.
fn untested(scan: &Scan, kind: ListenerKind, at: &str) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    let mut missing: Vec<&str> = Vec::new();
    for spoken in &scan.versions {
        if let Answer::NotTested(why) = &spoken.answer {
            gaps.push(Gap::new(
                format!("{} in {}", what(kind), spoken.version),
                why,
            ));
        }
        for suite in spoken.offers.iter().flat_map(|offer| &offer.missing) {
            if !missing.contains(suite) {
                missing.push(suite);
            }
        }
    }
    if !missing.is_empty() {
        let why = "OpenSSL was built without these suites, here";
        let what = format!("{} at {at} of {}", what(kind), missing.join(", "));
        gaps.push(Gap::new(what, why));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use probe::{Alert, Demand, Spoken, Version};

    use super::*;

    fn answered(answer: Answer) -> Scan {
        Scan {
            versions: vec![Spoken {
                version: Version::Tls12,
                answer,
                offers: Vec::new(),
                chain: Vec::new(),
                demand: Demand::Unknown,
                has_staple: false,
                has_secure_renegotiation: true,
            }],
        }
    }

    #[test]
    fn silence_is_no_evidence_and_a_closed_port_only_where_the_way_is_direct() {
        let silent = answered(Answer::Failed(Trouble::Silent(LIMITS.time)));
        assert!(unheard(&silent, true).is_some());
        let closed = answered(Answer::Failed(Trouble::Closed));
        assert!(unheard(&closed, true).is_none());
        assert!(unheard(&closed, false).is_some());
        let refused = answered(Answer::Refused(Alert::HANDSHAKE_FAILURE));
        assert!(unheard(&refused, false).is_none());
    }

    #[test]
    fn a_name_for_the_server_is_no_address() {
        assert!(is_name("coturn.example.com") && !is_name("192.0.2.1"));
    }
}
