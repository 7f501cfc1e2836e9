//! Who may do what: relaying, and the two interfaces for administrators.

use std::net::IpAddr;

use coturn::{Configuration, Flag, ListenerKind, Setting, Value, Version};

use super::SECURE_BY_DEFAULT;
use crate::{
    facts::Facts,
    finding::{Finding, Id},
};

/// The first version whose command-line interface is off unless `cli` is set.
const CLI_BY_REQUEST: Version = Version::new(4, 10, 0);

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Some(configuration) = &facts.configuration else {
        return Vec::new();
    };
    let relays = configuration.flag("stun-only") != Flag::On;
    let of_relaying = [
        tcp_relay(facts),
        loopback(configuration),
        loopback_by_default(facts),
        no_authentication(facts, configuration),
    ];
    let of_administration = [
        web_admin_without_tls(facts, configuration),
        web_admin_exposed(configuration),
        web_admin_by_default(facts),
        cli_exposed(facts, configuration),
    ];
    // With `stun-only` whatever is of TURN is ignored (`handle_turn_command` in `ns_turn_server.c`).
    let of_relaying = of_relaying.into_iter().filter(|_| relays);
    let all = of_relaying.chain(of_administration);
    all.flatten().collect()
}

fn tcp_relay(facts: &Facts) -> Option<Finding> {
    let configuration = facts.whole()?;
    (configuration.flag("no-tcp-relay") == Flag::Off).then(|| {
        Finding::new(
            Id::TcpRelay,
            "neither the file nor the command line has `no-tcp-relay`",
            "no-tcp-relay",
        )
    })
}

fn loopback(configuration: &Configuration) -> Option<Finding> {
    on(configuration, "allow-loopback-peers").map(|source| {
        Finding::new(
            Id::LoopbackPeers,
            format!("{source}: allow-loopback-peers"),
            "leave it out",
        )
    })
}

/// Whether it is of the versions in which a switch takes away what is on by default, and it is not set.
fn is_on_by_default(facts: &Facts, switch: &str) -> bool {
    let is_off = |configuration: &Configuration| configuration.flag(switch) == Flag::Off;
    facts.is_from(SECURE_BY_DEFAULT) == Some(false) && facts.whole().is_some_and(is_off)
}

fn loopback_by_default(facts: &Facts) -> Option<Finding> {
    is_on_by_default(facts, "no-loopback-peers").then(|| {
        Finding::new(
            Id::LoopbackPeers,
            "neither the file nor the command line has `no-loopback-peers`, which they need before 4.5.1",
            "no-loopback-peers, or a current coturn",
        )
    })
}

/// Where a switch that is on was given.
fn on(configuration: &Configuration, switch: &str) -> Option<String> {
    let setting = configuration.last(switch)?;
    (configuration.flag(switch) == Flag::On).then(|| setting.source.to_string())
}

/// Ways to let in only whom one knows, of which the last that is given counts; `zrest` is the fork's.
/// `oauth` alone asks nobody for anything (`need_stun_authentication` in `ns_turn_server.c`).
const MECHANISMS: [&str; 4] = [
    "lt-cred-mech",
    "use-auth-secret",
    "static-auth-secret",
    "zrest",
];

fn no_authentication(facts: &Facts, configuration: &Configuration) -> Option<Finding> {
    let set = "lt-cred-mech or use-auth-secret, without no-auth";
    if let Some(source) = on(configuration, "no-auth") {
        let seen = format!("{source}: no-auth");
        return Some(Finding::new(Id::NoAuthentication, seen, set));
    }
    (!knows_anybody(facts.whole()?)).then(|| {
        Finding::new(
            Id::NoAuthentication,
            "no mechanism is on, and no user is set",
            set,
        )
    })
}

/// Of the mechanisms `lt-cred-mech` alone can be switched off; users switch it on.
fn knows_anybody(configuration: &Configuration) -> bool {
    let mut settings = configuration.settings().iter().rev();
    let last = settings.find(|setting| MECHANISMS.contains(&setting.name));
    let is_on = |setting: &Setting| {
        setting.name != "lt-cred-mech" || configuration.flag("lt-cred-mech") != Flag::Off
    };
    last.is_some_and(is_on) || configuration.last("user").is_some()
}

fn web_admin_without_tls(facts: &Facts, configuration: &Configuration) -> Option<Finding> {
    let source = on(configuration, "web-admin")?;
    let files = facts.whole()?.files();
    let has_certificate = files.certificate.is_some() && files.key.is_some();
    let is_encrypted = facts.listener(ListenerKind::Tls).is_some() && has_certificate;
    (!is_encrypted).then(|| {
        Finding::new(
            Id::WebAdminWithoutTls,
            format!("{source}: web-admin, without TLS"),
            "leave `web-admin` out, or set cert and pkey and no `no-tls`",
        )
    })
}

/// Unless it is told where, it listens on 127.0.0.1.
fn web_admin_exposed(configuration: &Configuration) -> Option<Finding> {
    on(configuration, "web-admin")?;
    let on_workers = on(configuration, "web-admin-listen-on-workers")
        .map(|source| format!("{source}: web-admin-listen-on-workers"));
    let seen = on_workers.or_else(|| beyond_loopback(configuration, "web-admin-ip"))?;
    Some(Finding::new(
        Id::WebAdminExposed,
        seen,
        "web-admin-ip=127.0.0.1, no web-admin-listen-on-workers, and `kubectl port-forward` to it",
    ))
}

fn web_admin_by_default(facts: &Facts) -> Option<Finding> {
    is_on_by_default(facts, "no-http").then(|| {
        Finding::new(
            Id::WebAdminExposed,
            "neither the file nor the command line has `no-http`: before 4.5.1 every listener answers as web \
             administration",
            "no-http, or a current coturn",
        )
    })
}

/// Without a password it is off from 4.5.1 on, and open to everybody before that. A file that was not read
/// may switch it off.
fn cli_exposed(facts: &Facts, configuration: &Configuration) -> Option<Finding> {
    let is_on = match facts.is_from(CLI_BY_REQUEST) {
        Some(false) => configuration.flag("no-cli") == Flag::Off,
        Some(true) | None => configuration.flag("cli") == Flag::On,
    };
    let needs_password = facts.is_from(SECURE_BY_DEFAULT) != Some(false);
    let is_shut = needs_password && configuration.last("cli-password").is_none();
    if !is_on || is_shut || facts.whole().is_none() {
        return None;
    }
    let seen = beyond_loopback(configuration, "cli-ip")?;
    Some(Finding::new(
        Id::CliExposed,
        seen,
        "cli-ip=127.0.0.1, or `no-cli` (from 4.10 on: no `cli`)",
    ))
}

fn beyond_loopback(configuration: &Configuration, option: &str) -> Option<String> {
    let setting = configuration.last(option)?;
    let is_loopback = match &setting.value {
        Value::Text(text) => text
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback()),
        Value::Absent | Value::Unresolved(_) | Value::Withheld => false,
    };
    (!is_loopback).then(|| format!("{}: {option}={}", setting.source, setting.value))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{
        facts::Extent,
        rules::testing::{HARDENED, World, ids},
    };

    #[rstest]
    #[case::hardened("", &[])]
    #[case::tcp_relay("no-tcp-relay=no", &[Id::TcpRelay])]
    #[case::loopback("allow-loopback-peers", &[Id::LoopbackPeers])]
    #[case::no_loopback("allow-loopback-peers=0", &[])]
    #[case::no_auth("no-auth", &[Id::NoAuthentication])]
    #[case::web_admin("web-admin", &[])]
    #[case::web_admin_without_tls("web-admin\nno-tls", &[Id::WebAdminWithoutTls])]
    #[case::web_admin_exposed("web-admin\nweb-admin-ip=0.0.0.0", &[Id::WebAdminExposed])]
    #[case::web_admin_on_workers("web-admin\nweb-admin-listen-on-workers", &[Id::WebAdminExposed])]
    #[case::web_admin_within("web-admin\nweb-admin-ip=127.0.0.1", &[])]
    #[case::web_admin_somewhere("web-admin\nweb-admin-ip=$IP", &[Id::WebAdminExposed])]
    #[case::no_web_admin("web-admin-ip=0.0.0.0", &[])]
    #[case::cli("cli-password=p\ncli-ip=0.0.0.0", &[Id::CliExposed])]
    #[case::cli_within("cli-password=p", &[])]
    #[case::cli_without_a_password("cli-ip=0.0.0.0", &[])]
    #[case::no_cli("cli-password=p\ncli-ip=0.0.0.0\nno-cli", &[])]
    fn access_is_judged(#[case] lines: &str, #[case] found: &[Id]) {
        let world = World::of((4, 6, 1), &format!("{HARDENED}{lines}\n"));
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[test]
    fn from_4_10_on_the_command_line_interface_is_off_unless_it_is_asked_for() {
        let text = format!("{HARDENED}cli-password=p\ncli-ip=0.0.0.0\n");
        assert_eq!(ids(&judge(&World::of((4, 10, 0), &text).facts)), []);
        let mut world = World::of((4, 10, 0), &format!("{text}cli\n"));
        assert_eq!(ids(&judge(&world.facts)), [Id::CliExposed]);
        world.facts.build.version = None;
        assert_eq!(ids(&judge(&world.facts)), [Id::CliExposed]);
        let mut world = World::of((4, 9, 0), &text);
        assert_eq!(ids(&judge(&world.facts)), [Id::CliExposed]);
        world.facts.build.version = None;
        assert_eq!(ids(&judge(&world.facts)), []);
    }

    #[rstest]
    #[case("", &[Id::LoopbackPeers, Id::WebAdminExposed])]
    #[case("no-loopback-peers\nno-http", &[])]
    #[case("no-loopback-peers\nno-http\ncli-ip=0.0.0.0", &[Id::CliExposed])]
    fn before_4_5_1_what_is_dangerous_is_on_unless_it_is_switched_off(
        #[case] lines: &str,
        #[case] found: &[Id],
    ) {
        let mut world = World::of((4, 5, 0), &format!("{HARDENED}{lines}\n"));
        assert_eq!(ids(&judge(&world.facts)), found);
        world.facts.build.version = Version::parse("4.5");
        assert_eq!(ids(&judge(&world.facts)), []);
    }

    #[test]
    fn of_what_was_not_all_read_only_what_is_set_is_judged() {
        let text = "web-admin\ncli-password=p\ncli-ip=0.0.0.0";
        let mut world = World::of((4, 6, 1), text);
        world.facts.extent = Extent::Partial;
        assert_eq!(ids(&judge(&world.facts)), []);
        let mut world = World::of((4, 6, 1), "no-auth\nallow-loopback-peers");
        world.facts.extent = Extent::Partial;
        assert_eq!(
            ids(&judge(&world.facts)),
            [Id::LoopbackPeers, Id::NoAuthentication]
        );
    }

    #[test]
    fn a_server_that_knows_nobody_lets_everybody_in_unless_it_relays_nothing() {
        let world = World::of((4, 6, 1), "no-tcp-relay");
        assert_eq!(ids(&judge(&world.facts)), [Id::NoAuthentication]);
    }

    #[rstest]
    #[case::lt_cred_mech("lt-cred-mech", true)]
    #[case::switched_off("lt-cred-mech=no", false)]
    #[case::switched_off_in_the_end("use-auth-secret\nlt-cred-mech=no", false)]
    #[case::switched_off_before("lt-cred-mech=no\nstatic-auth-secret=s", true)]
    #[case::users("lt-cred-mech=no\nuser=a:b", true)]
    #[case::a_placeholder("lt-cred-mech=$ON", true)]
    #[case::oauth("oauth", false)]
    #[case::of_the_fork("zrest", true)]
    fn a_mechanism_counts_where_coturn_asks_for_it(#[case] text: &str, #[case] asks: bool) {
        let world = World::of((4, 6, 1), &format!("no-tcp-relay\n{text}"));
        assert_eq!(ids(&judge(&world.facts)).is_empty(), asks);
    }

    #[test]
    fn what_answers_stun_alone_relays_nothing() {
        let mut world = World::of((4, 6, 1), "stun-only\nallow-loopback-peers\nno-auth");
        assert_eq!(ids(&judge(&world.facts)), []);
        world.facts.build.version = Some(Version::new(4, 5, 0));
        assert_eq!(ids(&judge(&world.facts)), [Id::WebAdminExposed]);
    }
}
