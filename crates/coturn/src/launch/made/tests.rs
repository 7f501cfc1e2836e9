use rstest::rstest;

use super::*;
use crate::shell::commands;

/// The parts of `/c` after a script.
fn made(script: &str) -> Vec<Part> {
    let mut made = Made::default();
    made.run(&commands(script));
    made.parts("/c")
}

fn file(path: &str) -> Part {
    Part::File(path.to_owned())
}

fn text(lines: &str) -> Part {
    Part::Text(lines.to_owned())
}

#[rstest]
#[case::a_copy("cp /t /c", "/t")]
#[case::a_copy_into_a_folder("install -m 0600 /t/c /", "/t/c")]
#[case::a_copy_of_what_was_filled_in("sed s/__IP__/1/ /t > /x; mv /x /c", "/t")]
#[case::a_filter("envsubst '$IP' < /t > /c", "/t")]
#[case::a_pipe("cat /t | sed s/__IP__/1/ | tee /c > /dev/null", "/t")]
#[case::anew("echo no-auth > /c; cat /t > /c; chmod 600 /c; turnserver -c /c", "/t")]
#[case::filled_in_place("cp /t /c && sed -i s/__IP__/1/ /c", "/t")]
#[case::without_a_condition("[ -f /t ] || exit 1; mkdir -p /d && cp /t /c", "/t")]
#[case::nothing("echo no-auth > /d", "/c")]
fn a_file_may_be_another_one(#[case] script: &str, #[case] source: &str) {
    assert_eq!(made(script), [file(source)]);
}

#[rstest]
#[case::echo("echo \"static-auth-secret=$S\" >> /c", "static-auth-secret=$S\n")]
#[case::echo_with_lines("echo -e 'a\\nb' >> /c", "a\nb\n")]
#[case::printf("printf 'user=%s\\n' a \"$B\" >> /c", "user=a\nuser=$B\n")]
#[case::a_here_document("cat <<E >> /c\nno-tls\nrealm=$R\nE\necho", "no-tls\nrealm=$R\n")]
#[case::tee("echo no-auth | tee -a /c", "no-auth\n")]
#[case::sed("sed -Ee 's/^/user=/' /s >> /c", "user=$(cat /s)\n")]
fn what_a_script_adds_is_kept_with_what_the_shell_fills_in(
    #[case] adding: &str,
    #[case] added: &str,
) {
    assert_eq!(
        made(&format!("cp /t /c; {adding}")),
        [file("/t"), text(added)]
    );
}

#[rstest]
#[case::any_option("echo \"$LINES\" >> /c", &[], "echo")]
#[case::the_end_of_a_line_that_is_still_to_come("echo -n user= >> /c", &[], "echo")]
#[case::a_format("printf '%d' 1 >> /c", &[], "printf")]
#[case::a_condition("if [ -f /u ]; then cat /u >> /c; fi", &["/u"], "a condition")]
#[case::an_alternative("[ -f /u ] && cp /u /c", &["/u"], "a condition")]
#[case::a_condition_behind_a_question("grep -q a /u && cat /u >> /c", &["/u"], "a condition")]
#[case::a_pattern("cat /u/*.conf >> /c", &[], "a file that is not named in full")]
#[case::a_relative_path("cat u >> /c", &[], "a file that is not named in full")]
fn what_is_not_understood_is_told_by_its_command(
    #[case] adding: &str,
    #[case] files: &[&str],
    #[case] command: &str,
) {
    let mut parts = vec![file("/t")];
    parts.extend(files.iter().map(|path| file(path)));
    parts.push(unclear(command));
    assert_eq!(made(&format!("cp /t /c; {adding}")), parts);
}

#[rstest]
#[case::another_command("awk 1 /u >> /c", &["/u"], "awk")]
#[case::another_editor("crudini --set /c a b", &[], "crudini")]
#[case::an_option_of_another_command("render --out=/c", &[], "render")]
#[case::an_edit("sed -i '/^#/d' /c", &[], "sed")]
#[case::an_end("rm -f /c", &[], "rm")]
fn what_may_change_all_that_was_there_is_told_by_its_command(
    #[case] changing: &str,
    #[case] files: &[&str],
    #[case] command: &str,
) {
    let mut parts = vec![file("/t")];
    parts.extend(files.iter().map(|path| file(path)));
    parts.push(changed(command));
    assert_eq!(made(&format!("cp /t /c; {changing}")), parts);
}

#[rstest]
#[case::a_group("{ cat /u; echo a; } >> /c")]
#[case::a_subshell("(cat /u; echo a) >> /c")]
fn what_a_group_prints_is_not_followed(#[case] adding: &str) {
    let parts = [file("/t"), unclear("a group"), unclear("a condition")];
    assert_eq!(made(&format!("cp /t /c; {adding}")), parts);
}

#[rstest]
#[case::a_relative_target("cd /; sed -i s/a/b/ c", "sed")]
#[case::a_relative_output("cd /; echo no-auth >> c", "echo")]
#[case::a_variable("echo no-auth >> \"$CONF\"", "echo")]
#[case::a_folder_in_a_variable("echo no-auth | tee -a ${DIR}/c", "tee")]
#[case::a_detour("echo no-auth >> /d/../c", "echo")]
#[case::a_copy("cp /u $DIR", "cp")]
#[case::a_copy_by_a_pattern("cp /u/{a,b} /", "cp")]
#[case::a_folder("cp -a /u/. /", "cp")]
#[case::another_script("/scripts/patch.sh", "/scripts/patch.sh")]
#[case::a_script_of_the_same_shell(". /scripts/env.sh", ".")]
#[case::what_is_behind_another_command("exec su-exec nobody render", "render")]
#[case::what_has_turnservers_name_among_its_words("render /etc/turnserver", "render")]
fn what_is_not_followed_may_change_any_file(#[case] script: &str, #[case] command: &str) {
    let parts = made(&format!("cp /t /c; {script}; cp /t /c"));
    assert_eq!(parts, [file("/t"), changed(command)]);
}

#[test]
fn what_is_filled_in_in_a_file_that_is_not_found_changes_nothing() {
    assert_eq!(made("cp /t /c; sed -i s/__IP__/1/ $CONF"), [file("/t")]);
}

#[test]
fn what_is_added_to_a_file_leaves_what_it_had() {
    let parts = [file("/c"), text("no-auth\n")];
    assert_eq!(made("echo no-auth >> /c"), parts);
}

#[test]
fn a_file_that_grows_without_end_is_not_followed_to_its_end() {
    let script = "cat /b /b > /c; cat /c /c > /b;".repeat(1000);
    let parts = made(&script);
    assert_eq!(parts.len(), MOST + 1);
    assert_eq!(parts.last(), Some(&unclear("files that grow without end")));
    let pipe = format!("echo a {} > /c", "| cat".repeat(10_000));
    assert_eq!(made(&pipe), [unclear("a pipe")]);
    let pipe = format!("echo a {} > /c", "| cat - - - - - - - - - -".repeat(8));
    assert_eq!(made(&pipe), [text("a\n")]);
    let (format, values) = ("a".repeat(10_000), " b".repeat(10_000));
    let printed = format!("printf '%s{format}\\n' {values} > /c");
    assert_eq!(made(&printed), [unclear("printf")]);
}
