//! How turnserver is started: by a container's command and arguments, directly or from a script.

mod made;
mod printed;
mod sed;

use crate::shell::{self, Command};
use made::Made;
pub use made::Part;

const TURNSERVER: &str = "turnserver";
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "busybox"];

/// How turnserver is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// Whether they are known: not if the image's own entry point decides.
    pub is_known: bool,
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
        let words: Vec<_> = command.iter().chain(arguments).cloned().collect();
        if let Some(script) = script(&words) {
            return Self::of_script(script);
        }
        let known = |arguments: &[String]| Self {
            arguments: arguments.to_vec(),
            is_known: true,
            script: Vec::new(),
        };
        match words.iter().position(|word| is_turnserver(word)) {
            Some(at) => known(&words[at + 1..]),
            None if command.is_empty() && !arguments.is_empty() => known(arguments),
            None => Self::of_another(words),
        }
    }

    /// An init container may make files without a shell.
    fn of_another(words: Vec<String>) -> Self {
        let command = Command {
            words,
            ..Command::default()
        };
        Self {
            script: vec![command],
            ..Self::default()
        }
    }

    fn of_script(script: &str) -> Self {
        let script = shell::commands(script);
        let started = script.iter().find_map(|command| {
            let at = command.words.iter().position(|word| is_turnserver(word))?;
            Some(command.words[at + 1..].to_vec())
        });
        Self {
            is_known: started.is_some(),
            arguments: started.unwrap_or_default(),
            script,
        }
    }

    /// Which configuration file turnserver reads.
    #[must_use]
    pub fn config_file(&self) -> ConfigFile {
        let mut file = ConfigFile::Default;
        for (index, argument) in self.arguments.iter().enumerate() {
            match (argument.as_str(), self.arguments.get(index + 1)) {
                ("-n", _) => return ConfigFile::None,
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
    word.rsplit('/').next() == Some(TURNSERVER)
}

/// The script of `sh -c SCRIPT`, whatever starts the shell.
fn script(words: &[String]) -> Option<&str> {
    let is_shell = |word: &String| {
        let name = word.rsplit('/').next();
        name.is_some_and(|name| SHELLS.contains(&name))
    };
    let after = words.iter().skip_while(|word| !is_shell(word));
    let mut options = after.skip_while(|word| !is_command_flag(word));
    options.next()?;
    options.next().map(String::as_str)
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
    fn what_an_image_does_by_itself_is_not_known() {
        assert!(!launch(&[], &[]).is_known);
        assert!(!launch(&["/entrypoint.sh"], &["--no-cli"]).is_known);
    }
}
