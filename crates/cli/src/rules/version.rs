//! Versions of the protocol, and what a listener says before any cipher is at stake.

use coturn::{Configuration, Flag, ListenerKind, Service, Version};
use probe::{Answer, Spoken, Trouble, Version as Protocol};

use crate::{
    facts::{Facts, Heard, name},
    finding::{Finding, Id},
    guideline::Policy,
};

/// The first version that speaks TLS 1.0 and 1.1 only where `tlsv1` or `tlsv1_1` is set.
const OLD_BY_REQUEST: Version = Version::new(4, 7, 0);

/// The first version that speaks TLS 1.3. Earlier ones choose a context by the version that a hello
/// begins with, which in TLS 1.3 is still that of TLS 1.2, and whose context has no other
/// (`check_tentative_tls` in `ns_ioalib_engine_impl.c`).
pub(crate) const SPEAKS_TLS_13: Version = Version::new(4, 6, 2);

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let heard = facts.heard.iter().flat_map(|heard| {
        [
            accepted(facts, heard),
            renegotiation(heard),
            silent(facts, heard),
        ]
    });
    let configured = [
        not_excluded(facts),
        dtls_left(facts),
        shut_out(facts),
        differs(facts),
    ];
    heard.chain(configured).flatten().collect()
}

pub(crate) fn is_old(version: Protocol) -> bool {
    match version {
        Protocol::Ssl30 | Protocol::Tls10 | Protocol::Tls11 | Protocol::Dtls10 => true,
        Protocol::Tls12 | Protocol::Tls13 | Protocol::Dtls12 => false,
    }
}

fn joined(versions: impl Iterator<Item = Protocol>) -> String {
    versions
        .map(|it| it.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn accepted(facts: &Facts, heard: &Heard) -> Option<Finding> {
    let spoken = |spoken: &&Spoken| is_old(spoken.version) && spoken.answer.is_accepted();
    let old: Vec<_> = heard.scan.versions.iter().filter(spoken).collect();
    if old.is_empty() || facts.policy == Policy::Old {
        return None;
    }
    let versions = joined(old.iter().map(|spoken| spoken.version));
    Some(Finding::new(
        Id::OldVersionAccepted,
        format!("{} at {} accepts {versions}", name(heard.kind), heard.at),
        exclusion(facts, heard.kind),
    ))
}

fn exclusion(facts: &Facts, kind: ListenerKind) -> &'static str {
    match (kind, facts.is_from(OLD_BY_REQUEST)) {
        (ListenerKind::Federation, _) => {
            "nothing: the fork starts at DTLS 1.2; look what listens there"
        }
        (ListenerKind::Dtls, Some(true)) => BY_OPENSSL,
        (ListenerKind::Tls, Some(true)) if is_unasked(facts) => BY_OPENSSL,
        (ListenerKind::Tls, Some(true)) => {
            "neither `tlsv1` nor `tlsv1_1`, and a `cipher-list` without @SECLEVEL=0"
        }
        (_, Some(false)) => "`no-tlsv1` and `no-tlsv1_1`",
        (_, None) => {
            "`no-tlsv1` and `no-tlsv1_1` up to 4.6; from 4.7 on neither `tlsv1` nor `tlsv1_1`, and a \
             `cipher-list` without @SECLEVEL=0"
        }
    }
}

/// From 4.7 on coturn sets no least version by itself (`openssl_load_certificates` in `mainrelay.c`).
const BY_OPENSSL: &str = "a `cipher-list` without @SECLEVEL=0: coturn bounds it by OpenSSL alone";

/// Whether it is known that nobody asked for old versions.
fn is_unasked(facts: &Facts) -> bool {
    let is_off = |all: &Configuration| {
        let mut switches = REQUESTS.into_iter();
        switches.all(|switch| all.flag(switch) == Flag::Off)
    };
    facts.whole().is_some_and(is_off)
}

/// What asks for old versions from 4.7 on.
const REQUESTS: [&str; 2] = ["tlsv1", "tlsv1_1"];

fn renegotiation(heard: &Heard) -> Option<Finding> {
    let mut versions = heard.scan.versions.iter();
    let without = versions.find(|it| it.answer.is_accepted() && !it.has_secure_renegotiation)?;
    Some(Finding::new(
        Id::NoSecureRenegotiation,
        format!(
            "{} at {} in {}",
            name(heard.kind),
            heard.at,
            without.version
        ),
        "nothing: coturn has no option for it; take an image with a current OpenSSL",
    ))
}

/// Where coturn was told to listen a closed port is evidence: all that it drops, it drops without a word. A
/// firewall may reject what comes from here, unless coturn answers beside it.
fn silent(facts: &Facts, heard: &Heard) -> Option<Finding> {
    const LOG: &str =
        "look into coturn's log for the file that it misses; see the findings on files";
    let is_closed = |spoken: &Spoken| match &spoken.answer {
        Answer::Failed(Trouble::Closed) | Answer::NotTested(_) => true,
        Answer::Failed(_) | Answer::Accepted(_) | Answer::Refused(_) => false,
    };
    if !heard.is_evidence || !heard.scan.versions.iter().all(is_closed) {
        return None;
    }
    let (why, set) = if facts.answers_beside(heard) {
        (", and coturn answers at another port there", LOG.to_owned())
    } else {
        (
            ": nothing listens there, or a firewall rejects it",
            format!("{LOG}; if it misses none, let this machine through to that port"),
        )
    };
    let seen = format!("{} at {} is closed{why}", name(heard.kind), heard.at);
    Some(Finding::new(Id::ListenerSilent, seen, set))
}

fn not_excluded(facts: &Facts) -> Option<Finding> {
    let configuration = facts.whole()?;
    if !facts.encrypts() || facts.policy == Policy::Old {
        return None;
    }
    if facts.is_from(OLD_BY_REQUEST)? {
        requested(configuration)
    } else {
        missing_exclusion(facts, configuration)
    }
}

/// From 4.6.2 on each switch sets a least version, and `no-tlsv1_1` is enough: 1.2, also of DTLS.
fn missing_exclusion(facts: &Facts, configuration: &Configuration) -> Option<Finding> {
    let switches: &[_] = match facts.is_from(SPEAKS_TLS_13) {
        Some(false) => &["no-tlsv1", "no-tlsv1_1"],
        Some(true) | None => &["no-tlsv1_1"],
    };
    let off: Vec<_> = switches
        .iter()
        .copied()
        .filter(|switch| configuration.flag(switch) == Flag::Off)
        .collect();
    (!off.is_empty()).then(|| {
        Finding::new(
            Id::OldVersionNotExcluded,
            format!(
                "neither the file nor the command line has {}",
                off.join(", ")
            ),
            off.join(" and "),
        )
    })
}

fn requested(configuration: &Configuration) -> Option<Finding> {
    let mut switches = REQUESTS.into_iter();
    let on = switches.find(|switch| configuration.flag(switch) == Flag::On)?;
    let source = &configuration.last(on)?.source;
    Some(Finding::new(
        Id::OldVersionNotExcluded,
        format!("{source}: {on}"),
        "leave it out: TLS then starts at OpenSSL's own bound, which @SECLEVEL=0 in a `cipher-list` lowers",
    ))
}

fn dtls_left(facts: &Facts) -> Option<Finding> {
    let configuration = facts.whole()?;
    let listener = facts.listener(ListenerKind::Dtls)?;
    if listener.service != Service::On || configuration.flag("no-tlsv1_2") != Flag::On {
        return None;
    }
    let source = &configuration.last("no-tlsv1_2")?.source;
    Some(Finding::new(
        Id::DtlsLeftAtOne,
        format!("{source}: no-tlsv1_2, with a DTLS listener"),
        "leave `no-tlsv1_2` out, or do without DTLS: `no-dtls` up to 4.16, no `dtls` from 4.17 on",
    ))
}

fn shut_out(facts: &Facts) -> Option<Finding> {
    let configuration = facts.whole()?;
    facts.listener(ListenerKind::Tls)?;
    if configuration.flag("no-tlsv1_2") != Flag::On || facts.is_from(SPEAKS_TLS_13)? {
        return None;
    }
    let source = &configuration.last("no-tlsv1_2")?.source;
    Some(Finding::new(
        Id::TlsShutOut,
        format!("{source}: no-tlsv1_2"),
        "leave it out, or take coturn 4.6.2 or later, which speaks TLS 1.3",
    ))
}

fn differs(facts: &Facts) -> Option<Finding> {
    let (running, tagged) = (facts.running?, facts.tagged.version?);
    (!running.may_be(tagged)).then(|| {
        Finding::new(
            Id::VersionDiffers,
            format!("the server says {running}, the image's tag {tagged}"),
            "a tag that tells the version",
        )
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{
        facts::Extent,
        rules::testing::{World, ids},
    };

    #[rstest]
    #[case(Protocol::Tls10, &[Id::OldVersionAccepted])]
    #[case(Protocol::Tls11, &[Id::OldVersionAccepted])]
    #[case(Protocol::Tls12, &[])]
    #[case(Protocol::Tls13, &[])]
    fn a_version_before_12_that_is_accepted_is_found(
        #[case] version: Protocol,
        #[case] found: &[Id],
    ) {
        let world = World::hardened().hears(ListenerKind::Tls, version, &[]);
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[test]
    fn the_old_policy_lets_old_versions_be() {
        let mut world = World::hardened().hears(ListenerKind::Tls, Protocol::Tls10, &[]);
        world.facts.policy = Policy::Old;
        assert_eq!(ids(&judge(&world.facts)), []);
    }

    #[rstest]
    #[case::one_of_two((4, 6, 1), "no-tlsv1", &[Id::OldVersionNotExcluded])]
    #[case::the_later_one((4, 6, 2), "no-tlsv1_1", &[])]
    #[case::the_earlier_one((4, 6, 2), "no-tlsv1", &[Id::OldVersionNotExcluded])]
    #[case::both((4, 6, 1), "no-tlsv1\nno-tlsv1_1", &[])]
    #[case::set_back((4, 6, 1), "no-tlsv1\nno-tlsv1_1\nno-tlsv1=0", &[Id::OldVersionNotExcluded])]
    #[case::no_need((4, 7, 0), "", &[])]
    #[case::asked_for((4, 7, 0), "tlsv1_1", &[Id::OldVersionNotExcluded])]
    #[case::without_tls((4, 6, 1), "no-tls\nno-dtls", &[])]
    fn old_versions_are_excluded_by_the_switches_of_the_version(
        #[case] version: (u16, u16, u16),
        #[case] text: &str,
        #[case] found: &[Id],
    ) {
        let world = World::of(version, text);
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[rstest]
    #[case((4, 6, 2), "no-tlsv1_2", &[Id::DtlsLeftAtOne])]
    #[case((4, 6, 2), "no-tlsv1_2\nno-dtls", &[])]
    #[case((4, 6, 1), "no-tlsv1_2\nno-dtls", &[Id::TlsShutOut])]
    #[case((4, 6, 1), "no-tlsv1_2\nno-dtls\nno-tls", &[])]
    #[case((4, 17, 0), "no-tlsv1_2", &[])]
    #[case((4, 17, 0), "no-tlsv1_2\ndtls", &[Id::DtlsLeftAtOne])]
    fn what_is_left_without_tls_12_is_judged(
        #[case] version: (u16, u16, u16),
        #[case] text: &str,
        #[case] found: &[Id],
    ) {
        let excluded = if version.1 < 7 {
            "no-tlsv1\nno-tlsv1_1\n"
        } else {
            ""
        };
        let world = World::of(version, &format!("{excluded}{text}"));
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[test]
    fn a_listener_that_is_closed_is_found_only_where_it_has_to_be() {
        let mut world = World::hardened().hears_nothing(ListenerKind::Tls, Trouble::Closed);
        assert_eq!(ids(&judge(&world.facts)), [Id::ListenerSilent]);
        world.facts.heard[0].is_evidence = false;
        assert_eq!(ids(&judge(&world.facts)), []);
    }

    /// 4.6.3 speaks TLS 1.3, and 4.6.1 does not.
    #[test]
    fn what_only_some_releases_of_a_tags_version_do_is_not_found() {
        let mut world = World::of((4, 6, 1), "no-tlsv1\nno-tlsv1_1\nno-tlsv1_2\nno-dtls");
        assert_eq!(ids(&judge(&world.facts)), [Id::TlsShutOut]);
        world.facts.build = coturn::Build::of_image("coturn/coturn:4.6-alpine");
        assert_eq!(ids(&judge(&world.facts)), []);
        world.facts.take_running(Version::parse("4.6.1"));
        assert_eq!(ids(&judge(&world.facts)), [Id::TlsShutOut]);
    }

    #[test]
    fn of_what_was_not_all_read_no_version_is_said_to_be_let_in() {
        let mut world = World::of((4, 6, 1), "no-tlsv1_2");
        assert!(!judge(&world.facts).is_empty());
        world.facts.extent = Extent::Partial;
        assert_eq!(ids(&judge(&world.facts)), []);
    }

    #[test]
    fn a_closed_port_is_told_with_the_firewall_that_it_may_be_unless_coturn_answers_beside_it() {
        let closed = || World::hardened().hears_nothing(ListenerKind::Dtls, Trouble::Closed);
        let told = |world: &World| {
            let findings = judge(&world.facts);
            assert_eq!(ids(&findings), [Id::ListenerSilent]);
            findings[0].seen.clone()
        };
        let alone = told(&closed());
        assert!(alone.ends_with("or a firewall rejects it"), "{alone}");
        let beside = closed().hears(ListenerKind::Tls, Protocol::Tls12, &[]);
        let told_beside = told(&beside);
        assert!(
            told_beside.ends_with("answers at another port there"),
            "{told_beside}"
        );
        let mut elsewhere = beside;
        elsewhere.facts.heard[1].at = "192.0.2.2:5349".to_owned();
        assert_eq!(told(&elsewhere), alone);
        elsewhere.facts.plain = "192.0.2.1".parse().ok();
        assert_eq!(told(&elsewhere), told_beside);
    }

    #[rstest]
    #[case::nobody_asked("", "OpenSSL alone")]
    #[case::somebody_asked("tlsv1", "neither `tlsv1` nor `tlsv1_1`, and")]
    fn what_excludes_old_versions_from_4_7_on_is_what_let_them_in(
        #[case] text: &str,
        #[case] set: &str,
    ) {
        let world = World::of((4, 7, 0), text).hears(ListenerKind::Tls, Protocol::Tls10, &[]);
        let finding = judge(&world.facts).remove(0);
        assert_eq!(finding.id, Id::OldVersionAccepted);
        assert!(finding.set.contains(set), "{}", finding.set);
    }

    #[test]
    fn a_silent_listener_may_be_behind_a_firewall() {
        let trouble = Trouble::Silent(std::time::Duration::from_secs(1));
        let world = World::hardened().hears_nothing(ListenerKind::Tls, trouble);
        assert_eq!(ids(&judge(&world.facts)), []);
    }

    #[test]
    fn a_server_without_secure_renegotiation_is_found() {
        let mut world = World::hardened().hears(ListenerKind::Tls, Protocol::Tls12, &[]);
        world.facts.heard[0].scan.versions[0].has_secure_renegotiation = false;
        assert_eq!(ids(&judge(&world.facts)), [Id::NoSecureRenegotiation]);
    }

    #[test]
    fn a_version_other_than_the_tags_is_found() {
        let mut world = World::hardened();
        world.facts.running = world.facts.build.version;
        assert_eq!(ids(&judge(&world.facts)), []);
        world.facts.running = Some(Version::new(4, 5, 2));
        assert_eq!(ids(&judge(&world.facts)), [Id::VersionDiffers]);
        world.facts.tagged.version = Version::parse("4.5-alpine");
        assert_eq!(ids(&judge(&world.facts)), []);
    }
}
