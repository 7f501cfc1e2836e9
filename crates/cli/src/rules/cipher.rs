//! Cipher suites, `cipher-list`, and the size of Diffie-Hellman groups.

use std::collections::BTreeSet;

use coturn::{Configuration, Flag, ListenerKind, Version};
use probe::{Accepted, Ephemeral, Group};

use crate::{
    facts::{Facts, Heard, name},
    finding::{Finding, Id},
    guideline::Policy,
};

/// The least size of a group in bits: NIST SP 800-57 and Mozilla's guideline.
const LEAST_DH: u32 = 2048;

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let heard = facts.heard.iter().flat_map(|heard| {
        let suites = kinds().into_iter();
        let suites = suites.filter_map(|(id, groups)| of_groups(facts, heard, id, groups));
        suites
            .chain(beyond(facts, heard))
            .chain(small(heard))
            .collect::<Vec<_>>()
    });
    let configured = [
        list_unset(facts),
        list_weak(facts),
        small_configured(facts),
        small_by_default(facts),
    ];
    heard.chain(configured.into_iter().flatten()).collect()
}

const fn kinds() -> [(Id, &'static [Group]); 3] {
    [
        (
            Id::CipherWithoutProtection,
            &[Group::Null, Group::Anonymous, Group::Export],
        ),
        (Id::CipherBroken, &[Group::Rc4, Group::TripleDes]),
        (Id::NoForwardSecrecy, &[Group::RsaAead, Group::RsaCbc]),
    ]
}

/// Suites of these groups that a listener accepts, whatever the policy: the old one has some of them.
fn of_groups(facts: &Facts, heard: &Heard, id: Id, groups: &[Group]) -> Option<Finding> {
    let is_meant = |accepted: &Accepted| {
        let is_of_old = facts.policy == Policy::Old && facts.policy.has(&accepted.suite);
        groups.iter().any(|group| has(*group, &accepted.suite)) && !is_of_old
    };
    let suites = suites(heard, is_meant);
    (!suites.is_empty()).then(|| Finding::new(id, seen(heard, &suites), list(facts, heard.kind)))
}

fn has(group: Group, suite: &str) -> bool {
    group.suites().any(|it| it.name == suite)
}

/// What the policy has not, and no graver finding names. The fork's own list is fixed. Of a version that the
/// policy leaves out altogether another rule tells.
fn beyond(facts: &Facts, heard: &Heard) -> Option<Finding> {
    let graver: Vec<_> = kinds().into_iter().flat_map(|(_, groups)| groups).collect();
    let is_beyond = |accepted: &Accepted| {
        let is_graver = graver.iter().any(|group| has(**group, &accepted.suite));
        let is_of_policy = facts.policy != Policy::Modern || has(Group::Tls13, &accepted.suite);
        is_of_policy && !facts.policy.has(&accepted.suite) && !is_graver
    };
    let suites = suites(heard, is_beyond);
    let is_settable = heard.kind != ListenerKind::Federation;
    (is_settable && !suites.is_empty()).then(|| {
        Finding::new(
            Id::CipherBeyondPolicy,
            seen(heard, &suites),
            list(facts, heard.kind),
        )
    })
}

fn suites(heard: &Heard, is_meant: impl Fn(&Accepted) -> bool) -> BTreeSet<String> {
    let accepted = heard.scan.accepted().map(|(_, accepted)| accepted);
    accepted
        .filter(|accepted| is_meant(accepted))
        .map(|accepted| accepted.suite.clone())
        .collect()
}

fn seen(heard: &Heard, suites: &BTreeSet<String>) -> String {
    let suites: Vec<_> = suites.iter().map(String::as_str).collect();
    format!(
        "{} at {} accepts {}",
        name(heard.kind),
        heard.at,
        suites.join(", ")
    )
}

/// The `cipher-list` of a policy. Modern has no suites before TLS 1.3.
pub(crate) fn cipher_list(policy: Policy) -> String {
    let ciphers = match policy {
        Policy::Modern => Policy::Intermediate.ciphers(),
        Policy::Intermediate | Policy::Old => policy.ciphers(),
    };
    let names: Vec<_> = ciphers.iter().map(|cipher| cipher.openssl).collect();
    let list = names.join(":");
    match policy {
        Policy::Modern | Policy::Intermediate => list,
        Policy::Old => format!("{list}:@SECLEVEL=0"),
    }
}

fn list(facts: &Facts, kind: ListenerKind) -> String {
    match kind {
        ListenerKind::Federation => {
            "nothing: the fork's list for federation is fixed; look what listens there".to_owned()
        }
        ListenerKind::Tls | ListenerKind::Dtls => {
            format!("cipher-list={}", cipher_list(facts.policy))
        }
    }
}

fn list_unset(facts: &Facts) -> Option<Finding> {
    let configuration = facts.whole()?;
    let is_unset = facts.encrypts() && configuration.last("cipher-list").is_none();
    is_unset.then(|| {
        Finding::new(
            Id::CipherListUnset,
            "neither the file nor the command line has it",
            format!("cipher-list={}", cipher_list(facts.policy)),
        )
    })
}

fn list_weak(facts: &Facts) -> Option<Finding> {
    let configuration = facts.configuration.as_ref()?;
    let setting = configuration.last("cipher-list")?;
    let weak = weak_words(setting.value.text()?, facts.policy);
    (!weak.is_empty()).then(|| {
        Finding::new(
            Id::CipherListWeak,
            format!("{}: {}", setting.source, weak.join(", ")),
            format!("cipher-list={}", cipher_list(facts.policy)),
        )
    })
}

/// Words of a list that let weak suites in; those that keep them out begin with `!` or `-`.
fn weak_words(list: &str, policy: Policy) -> Vec<&str> {
    let words = list.split([':', ',', ' ']).map(str::trim);
    let is_weak = |word: &&str| {
        let is_level = ["@SECLEVEL=0", "@SECLEVEL=1"].contains(word);
        let parts = word.split('+').filter(|part| !part.is_empty());
        let named = parts.into_iter().any(|part| WEAK_WORDS.contains(&part));
        let is_suite = WEAK_PARTS.iter().any(|part| word.contains(part));
        let is_kept_out = word.starts_with(['!', '-']);
        let is_of_old = policy == Policy::Old && (is_level || is_in_old(word));
        !is_kept_out && !is_of_old && (is_level || named || is_suite)
    };
    words.filter(is_weak).collect()
}

fn is_in_old(word: &str) -> bool {
    let mut ciphers = Policy::Old.ciphers().iter();
    ciphers.any(|cipher| cipher.openssl == word)
}

/// Names of OpenSSL for sets of suites.
const WEAK_WORDS: [&str; 14] = [
    "COMPLEMENTOFALL",
    "COMPLEMENTOFDEFAULT",
    "eNULL",
    "NULL",
    "aNULL",
    "ADH",
    "AECDH",
    "EXP",
    "EXPORT",
    "LOW",
    "RC4",
    "DES",
    "3DES",
    "MD5",
];

/// Parts of the names of weak suites.
const WEAK_PARTS: [&str; 8] = [
    "NULL-", "-NULL", "ADH-", "AECDH-", "EXP-", "RC4-", "-RC4", "DES-CBC",
];

fn small(heard: &Heard) -> Option<Finding> {
    let sizes = heard
        .scan
        .accepted()
        .filter_map(|(_, it)| match it.ephemeral {
            Some(Ephemeral::Dh(bits)) if bits < LEAST_DH => Some(bits),
            Some(Ephemeral::Dh(_) | Ephemeral::Curve(_)) | None => None,
        });
    let least = sizes.min()?;
    Some(Finding::new(
        Id::WeakDh,
        format!("{} at {} uses {least} bits", name(heard.kind), heard.at),
        DH,
    ))
}

const DH: &str = "neither `dh566` nor `dh1066`: the group that coturn has built in has 2066 bits; \
                  or a `dh-file` with 2048 bits or more";

fn small_configured(facts: &Facts) -> Option<Finding> {
    let configuration = facts.configuration.as_ref()?;
    let is_on = |configuration: &Configuration, switch| configuration.flag(switch) == Flag::On;
    let mut switches = ["dh566", "dh1066"].into_iter();
    let on = switches.find(|switch| is_on(configuration, switch))?;
    let source = &configuration.last(on)?.source;
    Some(Finding::new(Id::WeakDh, format!("{source}: {on}"), DH))
}

/// The first version whose group has 2066 bits unless it is told otherwise.
const LARGE_BY_DEFAULT: Version = Version::new(4, 5, 1).with_revision(2);

fn small_by_default(facts: &Facts) -> Option<Finding> {
    let configuration = facts.whole()?;
    let is_large = facts.is_from(LARGE_BY_DEFAULT)? || configuration.flag("dh2066") != Flag::Off;
    let has_own = configuration.last("dh-file").is_some();
    (facts.encrypts() && !is_large && !has_own).then(|| {
        Finding::new(
            Id::WeakDh,
            "neither the file nor the command line has `dh2066` or `dh-file`: before 4.5.1.2 the group that is \
             built in has 1066 bits",
            "dh2066, or a `dh-file` with 2048 bits or more",
        )
    })
}

#[cfg(test)]
mod tests {
    use probe::Version;
    use rstest::rstest;

    use super::*;
    use crate::rules::testing::{HARDENED, World, ids};

    #[rstest]
    #[case("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", &[])]
    #[case("TLS_RSA_WITH_NULL_SHA", &[Id::CipherWithoutProtection])]
    #[case("TLS_ECDH_anon_WITH_AES_128_CBC_SHA", &[Id::CipherWithoutProtection])]
    #[case("TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", &[Id::CipherWithoutProtection])]
    #[case("TLS_RSA_WITH_RC4_128_SHA", &[Id::CipherBroken])]
    #[case("TLS_RSA_WITH_3DES_EDE_CBC_SHA", &[Id::CipherBroken])]
    #[case("TLS_RSA_WITH_AES_128_GCM_SHA256", &[Id::NoForwardSecrecy])]
    #[case("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", &[Id::CipherBeyondPolicy])]
    #[case("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", &[Id::CipherBeyondPolicy])]
    #[case("TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", &[Id::CipherBeyondPolicy])]
    fn a_suite_is_found_by_what_is_wrong_with_it(#[case] suite: &str, #[case] found: &[Id]) {
        let world = World::hardened().hears(ListenerKind::Tls, Version::Tls12, &[suite]);
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[test]
    fn of_what_the_modern_policy_leaves_out_only_broken_suites_are_found() {
        let suites = [
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_RSA_WITH_RC4_128_SHA",
        ];
        let world = World::hardened().hears(ListenerKind::Tls, Version::Tls12, &suites);
        let mut world = world.hears(
            ListenerKind::Tls,
            Version::Tls13,
            &["TLS_AES_128_CCM_SHA256"],
        );
        world.facts.policy = Policy::Modern;
        let found = [Id::CipherBroken, Id::CipherBeyondPolicy];
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[rstest]
    #[case("4.5.1.1", "", &[Id::WeakDh])]
    #[case("4.5.1.1", "dh2066", &[])]
    #[case("4.5.1.1", "dh-file=/dh.pem", &[])]
    #[case("4.5.1.2", "", &[])]
    #[case("4.5.1", "", &[])]
    fn before_4_5_1_2_the_group_is_small_unless_it_is_told_otherwise(
        #[case] version: &str,
        #[case] line: &str,
        #[case] found: &[Id],
    ) {
        let mut world = World::of((4, 5, 1), &format!("{HARDENED}{line}\n"));
        world.facts.build.version = coturn::Version::parse(version);
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[test]
    fn the_old_policy_has_suites_of_its_own() {
        let mut world = World::hardened().hears(
            ListenerKind::Tls,
            Version::Tls12,
            &["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_RC4_128_SHA"],
        );
        world.facts.policy = Policy::Old;
        assert_eq!(ids(&judge(&world.facts)), [Id::CipherBroken]);
    }

    #[test]
    fn what_the_fork_fixes_for_federation_is_not_held_against_the_policy() {
        let suite = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA";
        let world =
            World::federating("").hears(ListenerKind::Federation, Version::Dtls12, &[suite]);
        assert_eq!(ids(&judge(&world.facts)), []);
    }

    #[rstest]
    #[case("ECDHE+AESGCM:!aNULL:!eNULL:-RC4", &[])]
    #[case("HIGH", &[])]
    #[case("ALL:@SECLEVEL=0", &["@SECLEVEL=0"])]
    #[case("HIGH:eNULL:kRSA+RC4", &["eNULL", "kRSA+RC4"])]
    #[case("AES128-SHA:DES-CBC3-SHA:NULL-SHA256", &["DES-CBC3-SHA", "NULL-SHA256"])]
    #[case("ECDHE-RSA-RC4-SHA AECDH-AES128-SHA", &["ECDHE-RSA-RC4-SHA", "AECDH-AES128-SHA"])]
    fn words_that_let_weak_suites_in_are_found(#[case] list: &str, #[case] weak: &[&str]) {
        assert_eq!(weak_words(list, Policy::Intermediate), weak);
    }

    #[test]
    fn the_lists_of_the_policies_are_not_weak_by_their_own_measure() {
        for policy in [Policy::Modern, Policy::Intermediate, Policy::Old] {
            let list = cipher_list(policy);
            assert!(weak_words(&list, policy).is_empty(), "{policy:?}");
            let mut context =
                openssl::ssl::SslContext::builder(openssl::ssl::SslMethod::tls()).unwrap();
            context.set_cipher_list(&list).unwrap();
        }
    }

    #[test]
    fn a_list_that_is_left_to_openssl_is_found() {
        let text = HARDENED.replace("cipher-list", "#cipher-list");
        assert_eq!(
            ids(&judge(&World::of((4, 6, 1), &text).facts)),
            [Id::CipherListUnset]
        );
        let without_tls = format!("{text}no-tls\nno-dtls\n");
        assert_eq!(ids(&judge(&World::of((4, 6, 1), &without_tls).facts)), []);
    }

    #[rstest]
    #[case(1066, &[Id::WeakDh])]
    #[case(2066, &[])]
    fn a_small_group_is_found(#[case] bits: u32, #[case] found: &[Id]) {
        let suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        let mut world = World::hardened().hears(ListenerKind::Tls, Version::Tls12, &[suite]);
        let spoken = &mut world.facts.heard[0].scan.versions[0];
        if let probe::Answer::Accepted(accepted) = &mut spoken.answer {
            accepted[0].ephemeral = Some(Ephemeral::Dh(bits));
        }
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[rstest]
    #[case("dh566")]
    #[case("dh1066")]
    fn a_small_group_is_found_where_it_is_asked_for(#[case] switch: &str) {
        let world = World::of((4, 6, 1), &format!("{HARDENED}{switch}\n"));
        assert_eq!(ids(&judge(&world.facts)), [Id::WeakDh]);
    }
}
