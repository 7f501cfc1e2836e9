use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn words(script: &str) -> Vec<Vec<String>> {
    let commands = commands(script);
    commands.into_iter().map(|command| command.words).collect()
}

#[test]
fn quotes_join_and_operators_divide() {
    assert_eq!(
        words("set -e; a 'b c' \"d $E\" f\\ g && h|i\nj # k\n"),
        [
            vec!["set", "-e"],
            vec!["a", "b c", "d $E", "f g"],
            vec!["h"],
            vec!["i"],
            vec!["j"]
        ]
    );
}

#[test]
fn a_line_that_goes_on_is_one() {
    assert_eq!(
        words("exec turnserver \\\n  -c /a \\\n  -v"),
        [["exec", "turnserver", "-c", "/a", "-v"]]
    );
}

#[test]
fn what_a_command_writes_and_reads_is_told_from_its_words() {
    let commands = commands("sed -e 's;a;b;g' /in > /out\nenvsubst < /in >> \"/out\" 2>&1");
    assert_eq!(commands[0].words, ["sed", "-e", "s;a;b;g", "/in"]);
    assert_eq!(commands[0].outputs, [out(false)]);
    assert_eq!(commands[1].inputs, ["/in"]);
    assert_eq!(commands[1].outputs, [out(true)]);
}

fn out(is_added: bool) -> Output {
    Output {
        path: "/out".to_owned(),
        is_added,
    }
}

#[test]
fn errors_and_descriptors_are_no_output() {
    let commands = commands("a 2> /out; b 2>&1 >&3; c &> /out");
    assert_eq!(commands[0].outputs, []);
    assert_eq!(commands[1].outputs, []);
    assert_eq!(commands[2].outputs, [out(false)]);
    assert_eq!(words("a 2> /out"), [["a"]]);
}

#[test]
fn a_here_document_is_the_input_of_its_command_and_no_commands() {
    let script = "cat <<'A' <<-B > /out; echo c\na $x\nA\n\t\tb\n\tB\necho d\ncat <<< 'e f'";
    let commands = commands(script);
    assert_eq!(commands[0].document.as_deref(), Some("b\n"));
    assert_eq!(commands[0].outputs, [out(false)]);
    assert_eq!(commands[1].words, ["echo", "c"]);
    assert_eq!(commands[2].words, ["echo", "d"]);
    assert_eq!(commands[3].document.as_deref(), Some("e f\n"));
    assert_eq!(commands.len(), 4);
}

#[test]
fn what_is_run_or_not_is_told_from_what_is_run() {
    let told = |script| {
        let commands = commands(script).into_iter();
        let run = commands.filter(|command| !command.is_conditional);
        run.map(|command| command.words.join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told("mkdir a && cp b c | d; e"),
        ["mkdir a", "cp b c", "d", "e"]
    );
    assert_eq!(told("[ -f a ] &&\n b && c || d; e"), ["[ -f a ]", "e"]);
    assert_eq!(told("grep a b | cat && c; d"), ["grep a b", "cat", "d"]);
    assert_eq!(told("A=$(a) && b; cp c d || e"), ["A=$(a)", "cp c d"]);
}

#[rstest]
#[case::in_one_line("a; if b; then if c; then d; fi; fi; e")]
#[case::a_loop("a; b | while read c; do d; done; e")]
#[case::an_alternative("a; ! if b; then c; else if d; then e; fi; fi")]
#[case::a_group("a; [ -f b ] || { c; d; }")]
#[case::a_subshell("a; [ -f b ] && (c; d)")]
#[case::a_function("a; b() { c; }; d")]
#[case::a_case("a; case $b in c|d) e;; *) f;; esac; g")]
fn from_a_part_on_that_is_run_or_not_no_command_is_run_in_any_case(#[case] script: &str) {
    let all = commands(script);
    let words = |command: &Command| command.words.join(" ");
    let mut run = all.iter().filter(|command| !command.is_conditional);
    assert_eq!(run.next().map(words).as_deref(), Some("a"), "{all:?}");
    assert!(
        run.all(|it| it.words == ["b"] || it.words[0] == "["),
        "{all:?}"
    );
}

#[test]
fn the_patterns_of_a_case_are_no_commands() {
    let script = "case $a in\n b|c) d;;\n *) e;;\nesac";
    assert_eq!(
        words(script),
        [
            vec!["case", "$a", "in"],
            vec!["b"],
            vec!["d"],
            vec!["e"],
            vec!["esac"]
        ]
    );
}

#[test]
fn what_runs_another_command_is_not_its_name() {
    let name = |script| commands(script)[0].name().map(str::to_owned);
    for script in [
        "exec env -i A=b /bin/c d",
        "A=1 tini -g -- /bin/c",
        "gosu u nice -n 5 /bin/c",
    ] {
        assert_eq!(name(script).as_deref(), Some("/bin/c"), "{script}");
    }
    assert_eq!(name("nice -n 5"), None);
}

#[test]
fn a_pipe_and_the_end_of_a_group_are_told() {
    let commands = commands("(a | b; c) > /out");
    let piped: Vec<_> = commands.iter().map(Command::is_piped).collect();
    assert_eq!(piped, [true, false, false, false]);
    assert_eq!(commands[3].words, [")"]);
    assert_eq!(commands[3].outputs, [out(false)]);
}

#[test]
fn in_double_quotes_a_backslash_stands_for_itself_but_before_what_means_something() {
    assert_eq!(words(r#"printf "a\n\$b\"""#), [[r"printf", r#"a\n$b""#]]);
}

#[test]
fn a_substitution_is_one_word() {
    assert_eq!(
        words("turnserver --external-ip=$(curl -s http://a (b)) -v"),
        [["turnserver", "--external-ip=$(curl -s http://a (b))", "-v"]]
    );
    assert_eq!(words("A=\"$(cat /x)\" b"), [["A=$(cat /x)", "b"]]);
    assert_eq!(words("A=`cat /x` b"), [["A=`cat /x`", "b"]]);
}

proptest! {
    #[test]
    fn any_script_comes_to_an_end(script in "[a '\"\\\\$();|&<>#\n0-9-]{0,40}") {
        let _ = commands(&script);
    }
}
