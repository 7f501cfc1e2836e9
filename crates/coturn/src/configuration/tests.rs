use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{Bound, ListenerKind, Port, Service, Version};

fn of_file(text: &str) -> Configuration {
    Configuration::read(&[("turnserver.conf", text)], &[])
}

fn of_arguments(arguments: &[&str]) -> Configuration {
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    Configuration::read(&[], &arguments)
}

fn build(minor: u16) -> Build {
    Build {
        version: Some(Version::new(4, minor, 0)),
        is_fork: false,
    }
}

fn problems(configuration: &Configuration, build: Build) -> Vec<(String, ProblemKind, bool)> {
    let problems = configuration.problems(build).into_iter();
    problems
        .map(|it| (it.option.clone(), it.kind, it.is_fatal()))
        .collect()
}

#[rstest]
#[case::equals("cert=/a.pem", "/a.pem")]
#[case::a_blank("cert /a.pem", "/a.pem")]
#[case::both("\t cert =\t /a.pem  \r", "/a.pem")]
#[case::quotes("cert=\"/a.pem\"", "/a.pem")]
#[case::a_quote_that_is_not_closed("cert=\"/a.pem", "/a.pem")]
#[case::an_equals_sign_in_the_value("cert=/a=b.pem", "/a=b.pem")]
#[case::no_comment_within_a_line("cert=/a.pem # mine", "/a.pem # mine")]
fn a_line_of_the_file_is_read_as_turnserver_does(#[case] line: &str, #[case] value: &str) {
    assert_eq!(of_file(line).text("cert"), Some(value));
}

#[test]
fn comments_and_empty_lines_are_skipped_and_lines_counted() {
    let configuration = of_file("# one\n\n   # three\ncert=/a.pem\n");
    let cert = configuration.last("cert").unwrap();
    assert_eq!(cert.source.to_string(), "turnserver.conf:4");
    assert_eq!(configuration.settings().len(), 1);
}

#[test]
fn the_last_one_counts_and_the_command_line_after_the_file() {
    assert_eq!(of_file("cert=/a\ncert=/b").text("cert"), Some("/b"));
    let both = Configuration::read(&[("f", "no-tls\ncert=/a")], &["--no-tls=off".to_owned()]);
    assert_eq!(both.flag("no-tls"), Flag::Off);
    assert_eq!(both.last("no-tls").unwrap().source, Source::Argument);
    assert_eq!(both.text("cert"), Some("/a"));
}

#[rstest]
#[case("no-tls", Flag::On)]
#[case("no-tls=", Flag::On)]
#[case("no-tls=1", Flag::On)]
#[case("no-tls true", Flag::On)]
#[case("no-tls=on", Flag::On)]
#[case("no-tls=0", Flag::Off)]
#[case("no-tls=no", Flag::Off)]
#[case("no-tls=False", Flag::Off)]
#[case("no-tls=off", Flag::Off)]
#[case("no-tls=$NO_TLS", Flag::Unresolved)]
#[case("no-dtls", Flag::Off)]
fn a_switch_stands_as_its_value_says(#[case] line: &str, #[case] flag: Flag) {
    assert_eq!(of_file(line).flag("no-tls"), flag);
}

#[rstest]
#[case::glued(&["--cert=/a"])]
#[case::apart(&["--cert", "/a"])]
#[case::after_a_stray_word(&["turn", "--cert", "/a"])]
#[case::shortened(&["--cer=/a"])]
fn a_long_option_takes_its_value_glued_or_apart(#[case] arguments: &[&str]) {
    assert_eq!(of_arguments(arguments).text("cert"), Some("/a"));
}

#[test]
fn letters_may_stand_together_and_take_what_follows() {
    let configuration = of_arguments(&["-vp3479", "-r", "example.com", "-a", "--", "-z"]);
    assert_eq!(configuration.text("listening-port"), Some("3479"));
    assert_eq!(configuration.text("realm"), Some("example.com"));
    assert_eq!(configuration.flag("verbose"), Flag::On);
    assert_eq!(configuration.flag("lt-cred-mech"), Flag::On);
    assert!(
        configuration.last("no-auth").is_none(),
        "it stands after --"
    );
}

#[test]
fn a_switch_does_not_take_the_next_word() {
    let configuration = of_arguments(&["--no-tls", "0"]);
    assert_eq!(configuration.flag("no-tls"), Flag::On);
    let stray = (String::new(), ProblemKind::Stray, false);
    assert_eq!(problems(&configuration, build(6)), [stray]);
    let source = &configuration.problems(build(6))[0].source;
    assert_eq!(source.to_string(), "command line, word 2");
}

#[test]
fn what_may_be_a_secret_that_missed_its_option_is_not_kept() {
    let configuration = Configuration::read(
        &[("f", "static-auth-secret:north\nstatic-auth-secert=south")],
        &["--static-auth-secert", "east", "--user:west", "-k!up", "-n"].map(str::to_owned),
    );
    let shown = format!("{configuration:?}");
    for secret in ["north", "south", "east", "west", "up"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let named = problems(&configuration, build(6));
    let named: Vec<_> = named.iter().map(|(option, _, _)| option.as_str()).collect();
    let option = "static-auth-secert";
    assert_eq!(
        named,
        ["static-auth-secret", option, option, "", "user", "k"]
    );
}

#[rstest]
#[case::apart_before_that(&["--prometheus-port", "9641"], 15, Some(ProblemKind::Apart(Version::new(4, 16, 0))))]
#[case::apart(&["--prometheus-port", "9641"], 16, None)]
#[case::glued(&["--prometheus-port=9641"], 15, None)]
#[case::alone_before_that(&["--prometheus-port", "--no-tls"], 15, None)]
#[case::alone(&["--prometheus-port", "--no-tls"], 16, Some(ProblemKind::NoValue))]
fn a_value_that_was_optional_up_to_4_15_is_taken_by_the_version(
    #[case] arguments: &[&str],
    #[case] minor: u16,
    #[case] problem: Option<ProblemKind>,
) {
    let configuration = of_arguments(arguments);
    let port = ["9641"]
        .into_iter()
        .find(|it| arguments.concat().contains(it));
    assert_eq!(configuration.text("prometheus-port"), port);
    let kinds = configuration.problems(build(minor));
    let kinds: Vec<_> = kinds.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, problem.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_file_and_the_flags_that_name_it_are_no_settings() {
    assert!(of_arguments(&["-c", "/a.conf", "-n"]).settings().is_empty());
}

#[test]
fn what_is_not_known_is_skipped_in_a_file_and_ends_turnserver_on_the_command_line() {
    let unknown = |is_fatal| ("tls-is-nice".to_owned(), ProblemKind::Unknown, is_fatal);
    let in_file = of_file("tls-is-nice=yes");
    assert_eq!(problems(&in_file, build(6)), [unknown(false)]);
    let on_line = of_arguments(&["--tls-is-nice=yes"]);
    assert_eq!(problems(&on_line, build(6)), [unknown(true)]);
    // A file takes no abbreviations.
    assert_eq!(of_file("cer=/a").text("cert"), None);
}

#[test]
fn what_came_later_or_went_before_is_told_by_the_version() {
    let configuration = of_file("no-tlsv1\ndtls");
    let later = ProblemKind::NotYet(Version::new(4, 17, 0));
    let gone = ProblemKind::NoMore(Version::new(4, 7, 0));
    assert_eq!(
        problems(&configuration, build(6)),
        [("dtls".to_owned(), later, false)]
    );
    assert_eq!(
        problems(&configuration, build(17)),
        [("no-tlsv1".to_owned(), gone, false)]
    );
}

#[test]
fn what_the_fork_alone_has_is_told_of_others() {
    let of_fork = ("federation-cert".to_owned(), ProblemKind::OfFork, false);
    let configuration = of_file("federation-cert=/a");
    assert_eq!(problems(&configuration, build(6)), [of_fork]);
    let fork = Build::of_image("coturn:4.6.2-federation-wireapp.49");
    assert_eq!(problems(&configuration, fork), []);
}

#[test]
fn values_that_are_missing_wrong_or_too_long_are_told() {
    let long = format!("cipher-list={}", "A".repeat(1100));
    let kinds = |text: &str| {
        let problems = of_file(text).problems(build(6));
        problems.iter().map(|it| it.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds("cert="), [ProblemKind::NoValue]);
    assert_eq!(kinds("no-tls=maybe"), [ProblemKind::NotABoolean]);
    assert_eq!(kinds(&long), [ProblemKind::TooLong]);
    let ambiguous = of_arguments(&["--no-tlsv1_"]).problems(build(6));
    assert_eq!(ambiguous[0].kind, ProblemKind::Ambiguous);
}

#[test]
fn secrets_are_not_kept() {
    let configuration = Configuration::read(
        &[("f", "static-auth-secret=north\npkey-pwd=south\nuser=a:east")],
        &["--cli-password=west".to_owned(), "-ub:up".to_owned()],
    );
    let shown = format!("{configuration:?}");
    for secret in ["north", "south", "east", "west", "up"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(configuration.all("user").count(), 2);
}

#[test]
fn the_whitelist_collects() {
    let text =
        "federation-remote-whitelist=a.example.com,CA\nfederation-remote-whitelist=b.example.com";
    let whitelist = of_file(text).whitelist();
    let shown: Vec<_> = whitelist
        .entries()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, ["a.example.com,CA", "b.example.com"]);
}

#[test]
fn tls_listens_unless_it_is_switched_off() {
    let tls = |text: &str| {
        let configuration = of_file(text);
        let listener = configuration.listener(ListenerKind::Tls, build(6));
        (listener.service, listener.port)
    };
    assert_eq!(tls(""), (Service::On, Port::Number(5349)));
    assert_eq!(tls("no-tls").0, Service::Off);
    assert_eq!(tls("tls-listening-port=443").1, Port::Number(443));
    assert_eq!(tls("tls-listening-port=$PORT").1, Port::Unresolved);
}

#[rstest]
#[case(6, "", Service::On)]
#[case(6, "no-dtls", Service::Off)]
#[case(16, "dtls\nno-dtls", Service::Off)]
#[case(17, "", Service::Off)]
#[case(17, "dtls", Service::On)]
#[case(17, "no-dtls=false", Service::On)]
#[case(17, "no-dtls=false\ndtls=no", Service::Off)]
#[case(17, "dtls=$DTLS", Service::Unresolved)]
fn dtls_listens_by_the_rules_of_its_version(
    #[case] minor: u16,
    #[case] text: &str,
    #[case] service: Service,
) {
    let configuration = of_file(text);
    let listener = configuration.listener(ListenerKind::Dtls, build(minor));
    assert_eq!(listener.service, service);
}

#[rstest]
#[case("", Service::Unresolved)]
#[case("no-dtls", Service::Off)]
#[case("dtls", Service::On)]
fn of_a_version_that_is_not_known_dtls_listens_where_it_does_in_all(
    #[case] text: &str,
    #[case] service: Service,
) {
    let configuration = of_file(text);
    let listener = configuration.listener(ListenerKind::Dtls, Build::default());
    assert_eq!(listener.service, service);
}

#[test]
fn a_listener_is_told_where_to_listen() {
    let text = "listening-ip=192.0.2.1\nlistening-ip=__IP__\n\
                federation-listening-ip=192.0.2.2\nfederation-listening-ip=0.0.0.0";
    let configuration = of_file(text);
    let address = |text: &str| Bound::Address(text.parse().unwrap());
    let placeholder = configuration.last("listening-ip").unwrap();
    let tls = [address("192.0.2.1"), Bound::Unresolved(placeholder)];
    assert_eq!(configuration.bounds(ListenerKind::Tls), tls);
    assert_eq!(configuration.bounds(ListenerKind::Dtls), tls);
    let federation = configuration.bounds(ListenerKind::Federation);
    assert_eq!(federation, [address("0.0.0.0")]);
    assert_eq!(of_file("no-tls").bounds(ListenerKind::Tls), []);
}

#[test]
fn upstream_does_not_federate_whatever_it_is_told() {
    let text = "federation-listening-ip=192.0.2.1\nfederation-listening-port=9191";
    let configuration = of_file(text);
    let listener = configuration.listener(ListenerKind::Federation, build(6));
    assert_eq!(listener.service, Service::Off);
}

#[rstest]
#[case(
    "federation-listening-ip=192.0.2.1\nfederation-listening-port=9191",
    Service::On
)]
#[case(
    "federation-listening-ip=__IP__\nfederation-listening-port=9191",
    Service::On
)]
#[case("federation-listening-port=9191", Service::Off)]
#[case("federation-listening-ip=192.0.2.1", Service::Off)]
#[case(
    "federation-listening-ip=192.0.2.1\nfederation-listening-port=9191\nfederation-no-dtls=true",
    Service::Off
)]
fn federation_needs_an_address_and_a_port(#[case] text: &str, #[case] service: Service) {
    let configuration = of_file(text);
    let build = Build::of_image("coturn:4.6.2-federation-wireapp.49");
    let listener = configuration.listener(ListenerKind::Federation, build);
    assert_eq!(listener.service, service);
}

proptest! {
    #[test]
    fn whatever_a_file_and_a_command_line_hold_is_read(
        text in "[a-z=\"# \t\r\n-]{0,80}",
        arguments in prop::collection::vec("-{0,2}[a-zA-Z=-]{0,8}", 0..6),
    ) {
        let configuration = Configuration::read(&[("f", &text)], &arguments);
        let _ = configuration.problems(build(6));
        let _ = configuration.listeners(build(17));
    }

    #[test]
    fn a_value_comes_back_as_it_was_written(value in "[!-~&&[^\"=$@%{_]][!-~&&[^$@%{_]]{0,30}") {
        let configuration = of_file(&format!("realm={value}"));
        prop_assert_eq!(configuration.text("realm"), Some(value.as_str()));
    }
}
