//! What listens for TLS and DTLS, and what is asked of who connects.

use std::net::IpAddr;

use crate::{Build, Configuration, Flag, Setting, Value, Version, configuration::flag_of};

/// A listener that encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener<'a> {
    /// Which.
    pub kind: ListenerKind,
    /// Where.
    pub port: Port,
    /// Whether it is there.
    pub service: Service,
    /// The certificate's file, if one is named.
    pub certificate: Option<&'a Setting>,
    /// The key's file, if one is named.
    pub key: Option<&'a Setting>,
}

/// The listeners of a coturn that encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// TURN over TLS over TCP.
    Tls,
    /// TURN over DTLS over UDP.
    Dtls,
    /// The fork's federation, over DTLS over UDP.
    Federation,
}

/// An address that a listener was told to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound<'a> {
    /// This one; an unspecified one (`0.0.0.0`) stands for all.
    Address(IpAddr),
    /// A placeholder stands for it, or a name.
    Unresolved(&'a Setting),
}

/// A port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// This one.
    Number(u16),
    /// A placeholder stands for it.
    Unresolved,
}

/// Whether a listener is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// It is configured to be.
    On,
    /// It is not.
    Off,
    /// It depends on a placeholder, or on a version that is not known.
    Unresolved,
}

/// Port of TLS and DTLS unless `tls-listening-port` says otherwise (RFC 5766, section 6).
const TLS_PORT: u16 = 5349;

/// The first version whose DTLS listeners start only with `dtls`.
const DTLS_BY_REQUEST: Version = Version::new(4, 17, 0);

impl Configuration {
    /// The three listeners that may be there.
    #[must_use]
    pub fn listeners(&self, build: Build) -> [Listener<'_>; 3] {
        let files = self.files();
        let port = self.port("tls-listening-port", Port::Number(TLS_PORT));
        let of = |kind, service, certificate, key| Listener {
            kind,
            port,
            service,
            certificate,
            key,
        };
        let (certificate, key) = (files.certificate, files.key);
        let tls = service(self.flag("no-tls"), Flag::Off);
        let dtls = self.dtls(build);
        let federation = Listener {
            port: self.port("federation-listening-port", Port::Number(0)),
            ..of(
                ListenerKind::Federation,
                self.federation(build),
                files.federation_certificate,
                files.federation_key,
            )
        };
        [
            of(ListenerKind::Tls, tls, certificate, key),
            of(ListenerKind::Dtls, dtls, certificate, key),
            federation,
        ]
    }

    /// The listener of this kind.
    #[must_use]
    pub fn listener(&self, kind: ListenerKind, build: Build) -> Listener<'_> {
        let [tls, dtls, federation] = self.listeners(build);
        match kind {
            ListenerKind::Tls => tls,
            ListenerKind::Dtls => dtls,
            ListenerKind::Federation => federation,
        }
    }

    /// Where a listener was told to listen; nowhere means at all addresses. Of several `listening-ip` all
    /// count, of several `federation-listening-ip` the last.
    #[must_use]
    pub fn bounds(&self, kind: ListenerKind) -> Vec<Bound<'_>> {
        match kind {
            ListenerKind::Tls | ListenerKind::Dtls => self.all("listening-ip").map(bound).collect(),
            ListenerKind::Federation => {
                let last = self.last("federation-listening-ip");
                last.map(bound).into_iter().collect()
            }
        }
    }

    /// Up to 4.16 it listens unless `no-dtls` is set, from then on only if `dtls` is; of a version that is
    /// not known, only what both have in common is.
    fn dtls(&self, build: Build) -> Service {
        let unless = service(self.flag("no-dtls"), Flag::Off);
        if build.is_fork {
            return unless;
        }
        match build.is_at_least(DTLS_BY_REQUEST) {
            Some(false) => unless,
            Some(true) => self.dtls_by_request(),
            None if unless == self.dtls_by_request() => unless,
            None => Service::Unresolved,
        }
    }

    /// From 4.17 on, `dtls` and `no-dtls` set one thing, and the later one counts.
    fn dtls_by_request(&self) -> Service {
        let names = ["dtls", "no-dtls"];
        let mut settings = self.settings().iter().rev();
        match settings.find(|setting| names.contains(&setting.name)) {
            None => Service::Off,
            Some(setting) if setting.name == "dtls" => service(flag_of(setting), Flag::On),
            Some(setting) => service(flag_of(setting), Flag::Off),
        }
    }

    /// The fork federates once it has an address and a port; with `federation-no-dtls` in the clear.
    fn federation(&self, build: Build) -> Service {
        let is_at = self.last("federation-listening-ip").is_some();
        let port = self.port("federation-listening-port", Port::Number(0));
        if !build.is_fork || !is_at || port == Port::Number(0) {
            return Service::Off;
        }
        service(self.flag("federation-no-dtls"), Flag::Off)
    }

    fn port(&self, name: &str, default: Port) -> Port {
        match self.last(name).map(|setting| &setting.value) {
            None => default,
            Some(Value::Text(text)) => text.trim().parse().map_or(Port::Unresolved, Port::Number),
            Some(Value::Absent | Value::Unresolved(_) | Value::Withheld) => Port::Unresolved,
        }
    }
}

fn bound(setting: &Setting) -> Bound<'_> {
    let address = setting
        .value
        .text()
        .and_then(|text| text.trim().parse().ok());
    address.map_or(Bound::Unresolved(setting), Bound::Address)
}

/// Whether something is there that is so while its switch stands so.
fn service(flag: Flag, while_so: Flag) -> Service {
    match flag {
        Flag::Unresolved => Service::Unresolved,
        flag if flag == while_so => Service::On,
        Flag::On | Flag::Off => Service::Off,
    }
}
