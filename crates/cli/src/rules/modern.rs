//! Versions that the modern policy leaves out beside those that are old: TLS 1.2 and DTLS 1.2.

use coturn::{Flag, ListenerKind, Service, Version};
use probe::Version as Protocol;

use super::SPEAKS_TLS_13;
use crate::{
    facts::{Facts, Heard, name},
    finding::{Finding, Id},
    guideline::Policy,
};

/// The first version whose DTLS listeners start only with `dtls`.
const DTLS_BY_REQUEST: Version = Version::new(4, 17, 0);

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    match facts.policy {
        Policy::Intermediate | Policy::Old => Vec::new(),
        Policy::Modern => {
            let heard = facts
                .heard
                .iter()
                .filter_map(|heard| accepted(facts, heard));
            heard.chain(configured(facts)).collect()
        }
    }
}

/// Of federation there is no other version.
fn accepted(facts: &Facts, heard: &Heard) -> Option<Finding> {
    let is_beyond = |version| match version {
        Protocol::Tls12 | Protocol::Dtls12 => true,
        Protocol::Ssl30
        | Protocol::Tls10
        | Protocol::Tls11
        | Protocol::Tls13
        | Protocol::Dtls10 => false,
    };
    let mut versions = heard.scan.versions.iter();
    let spoken = versions.find(|it| is_beyond(it.version) && it.answer.is_accepted())?;
    let set = match heard.kind {
        ListenerKind::Tls => without_tls_12(facts),
        ListenerKind::Dtls => without_dtls(facts),
        ListenerKind::Federation => return None,
    };
    Some(Finding::new(
        Id::VersionBeyondPolicy,
        format!(
            "{} at {} accepts {}",
            name(heard.kind),
            heard.at,
            spoken.version
        ),
        set,
    ))
}

fn without_tls_12(facts: &Facts) -> &'static str {
    match facts.is_from(SPEAKS_TLS_13) {
        Some(true) => "`no-tlsv1_2`, and no DTLS, which would be left at 1.0",
        Some(false) => {
            "nothing: before 4.6.2 coturn speaks no TLS 1.3, and the policy cannot be met; take a later one"
        }
        None => "`no-tlsv1_2` from 4.6.2 on; an earlier coturn speaks no TLS 1.3: take a later one",
    }
}

fn without_dtls(facts: &Facts) -> &'static str {
    match facts.is_from(DTLS_BY_REQUEST) {
        Some(true) => "no `dtls`: coturn has no DTLS 1.3",
        Some(false) => "`no-dtls`: coturn has no DTLS 1.3",
        None => "no DTLS, of which coturn has no 1.3: `no-dtls` up to 4.16, no `dtls` from 4.17 on",
    }
}

/// Before 4.6.2 there is nothing to set.
fn configured(facts: &Facts) -> Option<Finding> {
    let configuration = facts.whole()?;
    if facts.is_from(SPEAKS_TLS_13) != Some(true) {
        return None;
    }
    let is_on = |kind| {
        let listener = facts.listener(kind);
        let is_on = listener.is_some_and(|it| it.service == Service::On);
        is_on
            && !facts
                .heard
                .iter()
                .any(|heard| heard.kind == kind && heard.has_answered())
    };
    let (seen, set) = if is_on(ListenerKind::Tls) && configuration.flag("no-tlsv1_2") == Flag::Off {
        let seen = "neither the file nor the command line has `no-tlsv1_2`";
        (seen, without_tls_12(facts))
    } else if is_on(ListenerKind::Dtls) {
        ("DTLS is on", without_dtls(facts))
    } else {
        return None;
    };
    Some(Finding::new(Id::VersionBeyondPolicy, seen, set))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::rules::testing::{World, ids};

    #[rstest]
    #[case::tls((4, 6, 2), ListenerKind::Tls, Protocol::Tls12, "`no-tlsv1_2`, and no DTLS")]
    #[case::tls_that_has_no_later((4, 6, 1), ListenerKind::Tls, Protocol::Tls12, "nothing: before 4.6.2")]
    #[case::dtls((4, 6, 2), ListenerKind::Dtls, Protocol::Dtls12, "`no-dtls`")]
    #[case::dtls_on_request((4, 17, 0), ListenerKind::Dtls, Protocol::Dtls12, "no `dtls`")]
    fn what_the_modern_policy_leaves_out_is_found_with_what_to_set(
        #[case] version: (u16, u16, u16),
        #[case] kind: ListenerKind,
        #[case] protocol: Protocol,
        #[case] set: &str,
    ) {
        let text = "no-tlsv1\nno-tlsv1_1\nno-tls\nno-dtls";
        let mut world = World::of(version, text).hears(kind, protocol, &[]);
        assert_eq!(ids(&judge(&world.facts)), []);
        world.facts.policy = Policy::Modern;
        let findings = judge(&world.facts);
        assert_eq!(ids(&findings), [Id::VersionBeyondPolicy]);
        assert!(findings[0].set.starts_with(set), "{findings:?}");
    }

    #[rstest]
    #[case((4, 6, 2), "no-dtls", &[Id::VersionBeyondPolicy])]
    #[case((4, 6, 2), "no-tls", &[Id::VersionBeyondPolicy])]
    #[case((4, 6, 2), "no-tlsv1_2\nno-dtls", &[])]
    #[case((4, 6, 1), "", &[])]
    #[case((4, 17, 0), "", &[Id::VersionBeyondPolicy])]
    #[case((4, 17, 0), "no-tlsv1_2", &[])]
    fn what_the_modern_policy_leaves_out_is_found_also_where_nothing_was_heard(
        #[case] version: (u16, u16, u16),
        #[case] text: &str,
        #[case] found: &[Id],
    ) {
        let excluded = if version.1 < 7 {
            "no-tlsv1\nno-tlsv1_1\n"
        } else {
            ""
        };
        let mut world = World::of(version, &format!("{excluded}{text}"));
        world.facts.policy = Policy::Modern;
        assert_eq!(ids(&judge(&world.facts)), found);
    }
}
