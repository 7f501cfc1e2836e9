//! How turnserver is started: by a container's command and arguments, directly or from a script.

mod made;
mod printed;
mod sed;

use crate::shell::{self, Command};
use made::Made;
pub use made::Part;

const TURNSERVER: &str = "turnserver";
/// The entry point of coturn's images.
const ENTRY_POINT: &str = "docker-entrypoint.sh";
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "busybox"];

/// How turnserver is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// Whether they are known: not if the image's own entry point decides.
    pub is_known: bool,
    /// Whether it is only assumed that the image's entry point hands them on.
    is_assumed: bool,
    script: Vec<Command>,
}

/// Which configuration file turnserver reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// The one that `-c` names last.
    Named(String),
    /// `turnserver.conf`, in the first of the [`ConfigFile::FOLDERS`] that has one.
    Default,
    /// None: `-n`.
    None,
}

impl ConfigFile {
    /// Where turnserver looks for a file whose name is not absolute, aside from folders that are
    /// relative to where it was started.
    pub const FOLDERS: [&'static str; 6] = [
        "/etc/",
        "/etc/turnserver/",
        "/etc/coturn/",
        "/usr/local/etc/",
        "/usr/local/etc/turnserver/",
        "/usr/local/etc/coturn/",
    ];

    /// The paths to look for, in turnserver's order.
    #[must_use]
    pub fn candidates(&self) -> Vec<String> {
        let name = match self {
            Self::Named(path) if path.starts_with('/') => return vec![path.clone()],
            Self::Named(name) => name.as_str(),
            Self::Default => "turnserver.conf",
            Self::None => return Vec::new(),
        };
        let folders = Self::FOLDERS.iter();
        folders.map(|folder| format!("{folder}{name}")).collect()
    }
}

impl Launch {
    /// Reads a container's command (which replaces the image's entry point) and its arguments. Without
    /// a command the arguments are taken for turnserver's own, as the images of coturn have it.
    #[must_use]
    pub fn of_container(command: &[String], arguments: &[String]) -> Self {
        let mut words: Vec<_> = command.iter().chain(arguments).cloned().collect();
        let entry_point = command.first().map(String::as_str).map(file_name);
        let is_assumed = entry_point.is_none_or(|name| name == ENTRY_POINT);
        if is_assumed && entry_point.is_some() {
            words.remove(0);
        }
        if let Some(script) = script(&words) {
            return Self::of_script(script);
        }
        let started = Command::of(words);
        match started.name() {
            Some(name) if is_turnserver(name) => Self::known(started.arguments(), is_assumed),
            _ if is_assumed && !started.words.is_empty() => Self::known(&started.words, is_assumed),
            _ => Self {
                script: vec![started],
                ..Self::default()
            },
        }
    }

    fn known(arguments: &[String], is_assumed: bool) -> Self {
        Self {
            arguments: arguments.to_vec(),
            is_known: true,
            is_assumed,
            script: Vec::new(),
        }
    }

    /// What follows the start of turnserver comes too late for it.
    fn of_script(script: &str) -> Self {
        let mut script = shell::commands(script);
        let starts = |command: &Command| command.name().is_some_and(is_turnserver);
        let at = script.iter().position(starts);
        let started = at.map(|at| script[at].clone());
        if let Some((at, false)) = at.zip(started.as_ref().map(|it| it.is_conditional)) {
            script.truncate(at);
        }
        Self {
            is_known: started.is_some(),
            is_assumed: false,
            arguments: started
                .map(|it| it.arguments().to_vec())
                .unwrap_or_default(),
            script,
        }
    }

    /// Whether `-n` is among arguments that an entry point hands on. That of coturn's images has `echo` print
    /// each: for turnserver an empty word is left of it, and it reads its file.
    #[must_use]
    pub fn may_lose_n(&self) -> bool {
        self.is_assumed && self.arguments.iter().any(|it| it == "-n")
    }

    /// Which configuration file turnserver reads.
    #[must_use]
    pub fn config_file(&self) -> ConfigFile {
        let mut file = ConfigFile::Default;
        for (index, argument) in self.arguments.iter().enumerate() {
            match (argument.as_str(), self.arguments.get(index + 1)) {
                ("-n", _) if !self.is_assumed => return ConfigFile::None,
                ("-c", Some(name)) => file = ConfigFile::Named(name.clone()),
                _ => {}
            }
        }
        file
    }

    /// The parts of a file once the script has made it, before it starts turnserver. The file itself stands
    /// among them for what it held before; it is the only one if the script does not touch it.
    #[must_use]
    pub fn parts(&self, file: &str) -> Vec<Part> {
        let mut made = Made::default();
        made.run(&self.script);
        made.parts(file)
    }
}

fn is_turnserver(word: &str) -> bool {
    file_name(word) == TURNSERVER
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The script of `sh -c SCRIPT`, whatever starts the shell. What stands behind a file that a shell reads is
/// that file's business.
fn script(words: &[String]) -> Option<&str> {
    let is_shell = |word: &str| SHELLS.contains(&file_name(word));
    let mut words = words.iter().map(String::as_str);
    words.find(|word| is_shell(word))?;
    // `busybox sh`.
    let mut words = words.skip_while(|word| is_shell(word));
    while let Some(word) = words.next() {
        if is_command_flag(word) {
            return words.next();
        }
        if !word.starts_with(['-', '+']) && word != "pipefail" {
            break;
        }
    }
    None
}

/// `-c`, also among others: `-ec`.
fn is_command_flag(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(command: &[&str], arguments: &[&str]) -> Launch {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        Launch::of_container(&owned(command), &owned(arguments))
    }

    #[test]
    fn arguments_without_a_command_are_turnservers() {
        let launch = launch(&[], &["--no-cli", "-v"]);
        assert!(launch.is_known);
        assert_eq!(launch.arguments, ["--no-cli", "-v"]);
        assert_eq!(launch.config_file(), ConfigFile::Default);
        let candidates = launch.config_file().candidates();
        assert_eq!(candidates[2], "/etc/coturn/turnserver.conf");
    }

    #[test]
    fn a_command_may_name_turnserver_anywhere() {
        let launch = launch(
            &["/usr/bin/dumb-init", "--", "/usr/bin/turnserver"],
            &["-c", "/a/b.conf"],
        );
        assert_eq!(launch.arguments, ["-c", "/a/b.conf"]);
        assert_eq!(launch.config_file().candidates(), ["/a/b.conf"]);
    }

    #[test]
    fn the_last_file_counts_and_none_where_none_is_wanted() {
        let last = launch(&["turnserver", "-c", "a", "-c", "b"], &[]);
        assert_eq!(last.config_file(), ConfigFile::Named("b".to_owned()));
        let none = launch(&["turnserver", "-c", "a", "-n"], &[]);
        assert_eq!(none.config_file(), ConfigFile::None);
        assert!(none.config_file().candidates().is_empty());
    }

    /// The shape of the entry point of Wire's chart.
    const WIRE: &str = r#"
        set -e
        EXTERNAL_IP=$(cat /external-ip/ip)
        sed -Ee "s;__IP__;$EXTERNAL_IP;g" /template/coturn.conf > /config/turnserver.conf
        sed -Ee 's/^/static-auth-secret=/' /secrets/secret.txt >> /config/turnserver.conf
        exec /usr/bin/turnserver -c /config/turnserver.conf
    "#;

    #[test]
    fn a_script_tells_what_it_starts_and_from_what_it_makes_the_file() {
        let launch = launch(&["dumb-init", "--", "/bin/sh", "-c", WIRE], &[]);
        assert_eq!(launch.arguments, ["-c", "/config/turnserver.conf"]);
        let parts = [
            Part::File("/template/coturn.conf".to_owned()),
            Part::Text("static-auth-secret=$(cat /secrets/secret.txt)\n".to_owned()),
        ];
        assert_eq!(launch.parts("/config/turnserver.conf"), parts);
        let untouched = [Part::File("/other".to_owned())];
        assert_eq!(launch.parts("/other"), untouched);
    }

    #[test]
    fn a_file_may_be_made_without_a_shell() {
        let copied = launch(&["cp", "/in/t.conf", "/tmp/t.conf"], &[]);
        let original = [Part::File("/in/t.conf".to_owned())];
        assert_eq!(copied.parts("/tmp/t.conf"), original);
    }

    #[test]
    fn what_is_started_is_a_command_of_its_own_and_no_argument_of_another() {
        let started = |script| launch(&["sh", "-c", script], &[]).arguments;
        let script = "mkdir -p /etc/turnserver; cp /usr/bin/turnserver /t; exec turnserver -n";
        assert_eq!(started(script), ["-n"]);
        let wrapped = "dumb-init -- su-exec turnserver nice -n 5 /usr/bin/turnserver -c /c";
        assert_eq!(started(wrapped), ["-c", "/c"]);
        assert!(!launch(&["ls", "/usr/bin/turnserver"], &[]).is_known);
    }

    #[test]
    fn what_follows_the_start_comes_too_late_unless_it_may_start_earlier() {
        let parts = |script| launch(&["sh", "-c", script], &[]).parts("/c");
        let untouched = [Part::File("/c".to_owned())];
        assert_eq!(parts("turnserver -c /c & render /c"), untouched);
        let changed = Part::Changed("render".to_owned());
        assert_eq!(
            parts("[ -f /d ] && exec turnserver -c /d; render /c; turnserver -c /c"),
            [untouched[0].clone(), changed]
        );
    }

    #[test]
    fn a_script_in_a_file_is_not_known() {
        let launch = launch(&["sh", "/x.sh", "-c", "turnserver -n"], &[]);
        assert!(!launch.is_known);
        let parts = [Part::File("/c".to_owned()), Part::Changed("sh".to_owned())];
        assert_eq!(launch.parts("/c"), parts);
    }

    #[test]
    fn the_entry_point_of_coturns_images_may_be_named() {
        let named = launch(
            &["/usr/local/bin/docker-entrypoint.sh", "turnserver"],
            &["-c", "/c"],
        );
        assert_eq!(named, launch(&[], &["turnserver", "-c", "/c"]));
        assert_eq!(named.arguments, ["-c", "/c"]);
        assert!(!launch(&["docker-entrypoint.sh"], &[]).is_known);
    }

    #[test]
    fn without_a_command_the_entry_point_of_coturns_images_drops_n() {
        let assumed = launch(&[], &["-n", "--no-cli"]);
        assert_eq!(assumed.config_file(), ConfigFile::Default);
        assert!(assumed.may_lose_n());
        assert!(!launch(&[], &["--no-cli"]).may_lose_n());
        assert!(!launch(&["turnserver"], &["-n"]).may_lose_n());
    }

    #[test]
    fn what_an_image_does_by_itself_is_not_known() {
        assert!(!launch(&[], &[]).is_known);
        assert!(!launch(&["/entrypoint.sh"], &["--no-cli"]).is_known);
    }
}
