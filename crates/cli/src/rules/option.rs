//! Options that this coturn does not take as they were meant.

use coturn::{Problem, ProblemKind, Setting, Support, known};

use crate::{
    facts::Facts,
    finding::{Finding, Id},
};

pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let Some(configuration) = &facts.configuration else {
        return Vec::new();
    };
    let problems = configuration.problems(facts.build);
    let problems = problems.iter().map(of_problem);
    let settings = configuration.settings().iter();
    let deprecated = settings.filter_map(|setting| deprecated(facts, setting));
    problems.chain(deprecated).collect()
}

fn of_problem(problem: &Problem) -> Finding {
    let (id, what, set) = match problem.kind {
        ProblemKind::Unknown => (
            Id::UnknownOption,
            "no coturn has it".to_owned(),
            "leave it out, or spell it as coturn's documentation does",
        ),
        ProblemKind::Ambiguous => (
            Id::MalformedOption,
            "it is short for several".to_owned(),
            "its whole name",
        ),
        ProblemKind::NoValue => (
            Id::MalformedOption,
            "it has no value".to_owned(),
            "give it one, or leave it out",
        ),
        ProblemKind::NotABoolean => (
            Id::MalformedOption,
            "it is neither on nor off".to_owned(),
            "nothing after it, or =yes or =no",
        ),
        ProblemKind::NotYet(since) => (
            Id::OptionOfAnotherVersion,
            format!("it came with {since}"),
            "leave it out, or take that version",
        ),
        ProblemKind::NoMore(until) => (
            Id::OptionOfAnotherVersion,
            format!("it is gone since {until}"),
            "leave it out",
        ),
        ProblemKind::OfFork => (
            Id::UnknownOption,
            "only Wire's fork has it".to_owned(),
            "leave it out, or take the fork",
        ),
        ProblemKind::TooLong => (
            Id::MalformedOption,
            "its line has more than 1023 bytes: the rest is read as another line".to_owned(),
            "a shorter line",
        ),
        ProblemKind::Apart(since) => (
            Id::MalformedOption,
            format!("before {since} it takes its value by `=` alone, and is given none"),
            "the value after `=`",
        ),
        ProblemKind::Stray => (
            Id::MalformedOption,
            "it belongs to no option: a switch takes its value by `=` alone".to_owned(),
            "the value after `=`, or leave it out",
        ),
    };
    let id = if problem.is_fatal() {
        Id::DoesNotStart
    } else {
        id
    };
    let option = match problem.option.as_str() {
        "" => "",
        option => &format!("{option}; "),
    };
    Finding::new(id, format!("{}: {option}{what}", problem.source), set)
}

fn deprecated(facts: &Facts, setting: &Setting) -> Option<Finding> {
    let Support::Deprecated { since, instead } = known(setting.name)?.support(facts.build) else {
        return None;
    };
    Some(Finding::new(
        Id::DeprecatedOption,
        format!("{}: {}, since {since}", setting.source, setting.name),
        instead,
    ))
}

#[cfg(test)]
mod tests {
    use coturn::Configuration;
    use rstest::rstest;

    use super::*;
    use crate::rules::testing::{World, ids};

    #[rstest]
    #[case((4, 6, 1), "no-tcp-relay", &[])]
    #[case((4, 6, 1), "tls-is-nice", &[Id::UnknownOption])]
    #[case((4, 6, 1), "federation-cert=/a", &[Id::UnknownOption])]
    #[case((4, 6, 1), "dtls", &[Id::OptionOfAnotherVersion])]
    #[case((4, 7, 0), "no-tlsv1", &[Id::OptionOfAnotherVersion])]
    #[case((4, 6, 1), "no-sslv3", &[Id::DeprecatedOption])]
    #[case((4, 17, 0), "no-dtls", &[Id::DeprecatedOption])]
    #[case((4, 16, 0), "no-dtls", &[])]
    #[case((4, 6, 1), "cert=", &[Id::MalformedOption])]
    #[case((4, 6, 1), "no-tls=maybe", &[Id::DoesNotStart])]
    fn what_a_version_makes_of_a_line_is_told(
        #[case] version: (u16, u16, u16),
        #[case] line: &str,
        #[case] found: &[Id],
    ) {
        let world = World::of(version, line);
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[rstest]
    #[case("--tls-is-nice", &[Id::DoesNotStart])]
    #[case("--no-tlsv1", &[Id::DoesNotStart])]
    #[case("--no-cli", &[Id::DeprecatedOption])]
    #[case("stray", &[Id::MalformedOption])]
    fn on_the_command_line_what_is_not_known_ends_coturn(
        #[case] argument: &str,
        #[case] found: &[Id],
    ) {
        let mut world = World::of((4, 10, 0), "");
        let configuration = Configuration::read(&[], &[argument.to_owned()]);
        world.facts.configuration = Some(configuration);
        assert_eq!(ids(&judge(&world.facts)), found);
    }

    #[test]
    fn the_value_of_an_option_is_not_told() {
        let world = World::of((4, 6, 1), "static-auth-secert=north");
        let finding = judge(&world.facts).remove(0);
        assert_eq!(
            finding.seen,
            "turnserver.conf:1: static-auth-secert; no coturn has it"
        );
    }

    #[test]
    fn an_option_of_the_fork_is_told_to_be_one() {
        let world = World::of((4, 6, 1), "federation-cert=/a");
        let seen = judge(&world.facts).remove(0).seen;
        assert!(
            seen.ends_with("federation-cert; only Wire's fork has it"),
            "{seen}"
        );
    }

    #[test]
    fn a_word_that_belongs_to_no_option_is_told_by_its_place() {
        let mut world = World::of((4, 6, 1), "");
        let arguments = ["--static-auth-secert", "north"].map(str::to_owned);
        world.facts.configuration = Some(Configuration::read(&[], &arguments));
        let findings = judge(&world.facts);
        let seen = &findings[1].seen;
        assert!(
            seen.starts_with("command line, word 2: it belongs"),
            "{seen}"
        );
        assert!(!format!("{findings:?}").contains("north"));
    }
}
