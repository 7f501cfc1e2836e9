//! Who may federate, and whom `CA-file` asks for certificates.

use coturn::{Configuration, Entry, Flag, ListenerKind, Service, Setting};
use probe::Demand;

use crate::{
    facts::{Facts, Heard, name},
    finding::{Finding, Id},
};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<_> = facts.heard.iter().filter_map(not_demanded).collect();
    findings.extend(turn_demands(facts).or_else(|| turn_was_heard_to_demand(facts)));
    if let Some(configuration) = &facts.configuration {
        findings.extend(in_the_clear(configuration));
        if facts.listener(ListenerKind::Federation).is_some() {
            findings.extend(trust(configuration));
            findings.extend(inert(configuration));
        }
    }
    findings
}

const CA_FILE: &str = "CA-file=<a PEM file with the partner's CA>, mounted from a Secret of its own; \
                       the Wire chart's `ca.secretRef`";
const WHITELIST: &str = "federation-remote-whitelist=<the partner's host>,<the common name of its CA>, \
                         once for each host of the partner; the Wire chart's \
                         `federate.dtls.remoteWhitelist`";

fn not_demanded(heard: &Heard) -> Option<Finding> {
    let mut versions = heard.scan.versions.iter();
    let is_open = heard.kind == ListenerKind::Federation
        && versions.any(|it| it.answer.is_accepted() && it.demand == Demand::NotAsked);
    is_open.then(|| {
        Finding::new(
            Id::FederationDoesNotDemand,
            format!("at {}", heard.at),
            CA_FILE,
        )
    })
}

/// Without DTLS there is no listener of it, but federation all the same.
fn in_the_clear(configuration: &Configuration) -> Option<Finding> {
    let switch = configuration.last("federation-no-dtls")?;
    let is_clear = configuration.flag("federation-no-dtls") == Flag::On
        && configuration.last("federation-listening-ip").is_some()
        && configuration.last("federation-listening-port").is_some();
    is_clear.then(|| {
        Finding::new(
            Id::FederationInTheClear,
            format!("{}: federation-no-dtls", switch.source),
            "federation-no-dtls=false, with `federation-cert` and `federation-pkey`; the Wire chart's \
             `federate.dtls.enabled`",
        )
    })
}

fn trust(configuration: &Configuration) -> Vec<Finding> {
    let Some(authorities) = configuration.files().authorities else {
        return vec![Finding::new(
            Id::FederationTrustsAnybody,
            "neither the file nor the command line has `CA-file`",
            CA_FILE,
        )];
    };
    let mut entries = configuration.all("federation-remote-whitelist").peekable();
    if entries.peek().is_none() {
        return vec![Finding::new(
            Id::WhitelistEmpty,
            format!("{}: CA-file={}", authorities.source, authorities.value),
            WHITELIST,
        )];
    }
    any_issuer(configuration, authorities).into_iter().collect()
}

/// Where distributions keep the public authorities.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

fn any_issuer(configuration: &Configuration, authorities: &Setting) -> Option<Finding> {
    let is_system = SYSTEM_BUNDLES.contains(&authorities.value.text()?);
    let whitelist = configuration.whitelist();
    let mut entries = whitelist.entries().iter();
    let open = entries.find(|entry| entry.issuer.is_none())?;
    is_system.then(|| {
        Finding::new(
            Id::WhitelistAnyIssuer,
            format!("federation-remote-whitelist={open}, {}", authorities.value),
            WHITELIST,
        )
    })
}

/// Entries that the fork compares with names of certificates, and that equal none.
fn inert(configuration: &Configuration) -> Vec<Finding> {
    let mut above: Vec<String> = Vec::new();
    let mut findings = Vec::new();
    for setting in configuration.all("federation-remote-whitelist") {
        let Some(text) = setting.value.text() else {
            continue;
        };
        let entry = Entry::parse(text);
        let host = entry.host.trim_end_matches('.').to_ascii_lowercase();
        if let Some(reason) = inertia(&host, &entry, &above) {
            findings.push(Finding::new(
                Id::WhitelistEntryInert,
                format!("{}: {entry} ({reason})", setting.source),
                "one entry for each host, as its certificate has it, and `,` and the issuer's common \
                 name right after it",
            ));
        }
        above.push(host);
    }
    findings
}

/// Why an entry for a host matches nothing, below these hosts.
fn inertia(host: &str, entry: &Entry, above: &[String]) -> Option<&'static str> {
    let has_blanks = |issuer: &String| issuer.trim() != issuer;
    let reasons = [
        (
            host.contains('*'),
            "a wildcard in the list stands for nothing",
        ),
        (
            host.is_empty() || host.contains(char::is_whitespace),
            "no name of a certificate has blanks, or is empty",
        ),
        (
            entry.issuer.as_ref().is_some_and(has_blanks),
            "the issuer's common name is compared with its blanks",
        ),
        (
            above.iter().any(|it| it == host),
            "an entry above has the same host, and decides",
        ),
    ];
    let mut reasons = reasons.into_iter();
    reasons.find(|(holds, _)| *holds).map(|(_, reason)| reason)
}

/// `CA-file` is one for all listeners, in all versions (`set_ctx` in `mainrelay.c`): what federation needs
/// turns TURN clients away.
fn turn_demands(facts: &Facts) -> Option<Finding> {
    let authorities = facts.configuration.as_ref()?.files().authorities?;
    let kinds = [ListenerKind::Tls, ListenerKind::Dtls].into_iter();
    let mut listeners = kinds.filter_map(|kind| facts.listener(kind));
    let listener = listeners.find(|it| it.service == Service::On)?;
    Some(Finding::new(
        Id::TurnDemandsCertificates,
        format!(
            "{}: CA-file={}, with a {} listener",
            authorities.source,
            authorities.value,
            name(listener.kind)
        ),
        NO_CA_FILE,
    ))
}

const NO_CA_FILE: &str = "no `CA-file` where browsers or apps come over TLS; with federation in one server, \
                          `no-tls` and `no-dtls`, and TURN over TLS in a server of its own";

/// Whatever is configured, or not known to be.
fn turn_was_heard_to_demand(facts: &Facts) -> Option<Finding> {
    let is_asking = |heard: &&Heard| {
        let mut versions = heard.scan.versions.iter();
        heard.kind != ListenerKind::Federation && versions.any(|it| it.demand == Demand::Asked)
    };
    let heard = facts.heard.iter().find(is_asking)?;
    Some(Finding::new(
        Id::TurnDemandsCertificates,
        format!(
            "{} at {} asks for client certificates",
            name(heard.kind),
            heard.at
        ),
        NO_CA_FILE,
    ))
}

#[cfg(test)]
mod tests {
    use probe::Version as Protocol;
    use rstest::rstest;

    use super::*;
    use crate::{
        facts::Extent,
        rules::testing::{HARDENED, World, ids},
    };

    const CA: &str = "CA-file=/secrets-ca/ca.crt\n";
    const SYSTEM: &str = "CA-file=/etc/ssl/certs/ca-certificates.crt\n";
    const HOST: &str = "federation-remote-whitelist=coturn.partner.example";

    #[rstest]
    #[case::nobody_vouches(&[], &[Id::FederationTrustsAnybody])]
    #[case::an_empty_list(&[CA], &[Id::WhitelistEmpty])]
    #[case::an_empty_list_of_the_world(&[SYSTEM], &[Id::WhitelistEmpty])]
    #[case::a_host(&[CA, HOST], &[])]
    #[case::a_host_by_any_public_ca(&[SYSTEM, HOST], &[Id::WhitelistAnyIssuer])]
    #[case::a_host_by_one_public_ca(&[SYSTEM, HOST, ",Some CA"], &[])]
    #[case::a_list_without_a_ca(&[HOST], &[Id::FederationTrustsAnybody])]
    fn who_may_federate_is_judged(#[case] lines: &[&str], #[case] found: &[Id]) {
        let world = World::federating(&lines.concat());
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[rstest]
    #[case("*.partner.example", true)]
    #[case("coturn.partner.example ,CA", true)]
    #[case("coturn.partner.example, CA", true)]
    #[case(",CA", true)]
    #[case("coturn.partner.example.,Other CA", true)]
    #[case("coturn-1.partner.example,Other CA", false)]
    fn an_entry_that_matches_nothing_is_found(#[case] entry: &str, #[case] is_inert: bool) {
        let text = format!("{CA}{HOST}\nfederation-remote-whitelist={entry}\n");
        let found: &[Id] = if is_inert {
            &[Id::WhitelistEntryInert]
        } else {
            &[]
        };
        assert_eq!(ids(&judge(&World::federating(&text).facts)), found);
    }

    #[test]
    fn federation_without_dtls_is_in_the_clear() {
        let world = World::federating("federation-no-dtls=true\n");
        assert_eq!(ids(&judge(&world.facts)), [Id::FederationInTheClear]);
    }

    #[test]
    fn a_listener_that_asks_for_no_certificate_is_found_whatever_is_configured() {
        let text = format!("{CA}{HOST}\n");
        let mut world =
            World::federating(&text).hears(ListenerKind::Federation, Protocol::Dtls12, &[]);
        assert_eq!(ids(&judge(&world.facts)), [Id::FederationDoesNotDemand]);
        world.facts.heard[0].scan.versions[0].demand = Demand::Asked;
        assert_eq!(ids(&judge(&world.facts)), []);
    }

    #[rstest]
    #[case((4, 6, 1), "", &[Id::TurnDemandsCertificates])]
    #[case((4, 6, 1), "no-tls", &[Id::TurnDemandsCertificates])]
    #[case((4, 6, 1), "no-tls\nno-dtls", &[])]
    #[case((4, 17, 0), "no-tls\ndtls", &[Id::TurnDemandsCertificates])]
    #[case((4, 17, 0), "no-tls", &[])]
    #[case((4, 17, 0), "dtls", &[Id::TurnDemandsCertificates])]
    fn a_ca_file_turns_turn_clients_away(
        #[case] version: (u16, u16, u16),
        #[case] text: &str,
        #[case] found: &[Id],
    ) {
        let world = World::of(version, &format!("{HARDENED}{CA}{text}\n"));
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[test]
    fn a_listener_that_asks_turn_clients_for_certificates_is_found_whatever_is_configured() {
        let mut world = World::hardened().hears(ListenerKind::Dtls, Protocol::Dtls12, &[]);
        world.facts.heard[0].scan.versions[0].demand = Demand::Asked;
        let found = [Id::TurnDemandsCertificates];
        assert_eq!(ids(&judge(&world.facts)), found);
        world.facts.configuration = None;
        assert_eq!(ids(&judge(&world.facts)), found);
        let text = format!("{HARDENED}{CA}");
        world.facts.configuration = World::of((4, 6, 1), &text).facts.configuration;
        assert_eq!(ids(&judge(&world.facts)), found, "and once");
    }

    #[test]
    fn of_what_was_not_all_read_nothing_is_said_to_be_missing() {
        let mut world = World::federating("");
        world.facts.extent = Extent::Partial;
        assert_eq!(ids(&judge(&world.facts)), []);
    }
}
