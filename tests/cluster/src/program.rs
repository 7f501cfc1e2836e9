//! A component as it is started: which program with which arguments, and where it logs.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    Error,
    command::{spawn_error, without_proxy},
    layout::Layout,
};

/// Runs a program, writes its process id to the first argument and ends it when the standard input
/// ends. Should the leash itself be killed, the kernel ends the program.
const LEASH: &str = r#"
pid=$1; shift
setpriv --pdeathsig KILL -- "$@" </dev/null &
echo $! >"$pid"
read -r _
kill -KILL $!
wait $!
"#;

/// A component that runs until it is ended.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    executable: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    pub(crate) fn new(name: &'static str, executable: PathBuf) -> Self {
        Self {
            name,
            executable,
            arguments: Vec::new(),
        }
    }

    /// Adds `--name=value`.
    pub(crate) fn flag(mut self, name: &str, value: impl Into<OsString>) -> Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value.into());
        self.arguments.push(argument);
        self
    }

    /// The command that runs the program with its log as output.
    fn command(&self, layout: &Layout) -> Result<Command, Error> {
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments);
        self.log_to(command, layout)
    }

    /// The command that runs the program in a session of its own: it outlives this process and its
    /// terminal.
    pub(crate) fn detached_command(&self, layout: &Layout) -> Result<Command, Error> {
        let mut command = Command::new("setsid");
        command.arg(&self.executable).args(&self.arguments);
        self.log_to(command, layout)
    }

    /// The command that runs the program as long as the standard input of the command stays open,
    /// that is, as long as the process that started it lives and wants it.
    pub(crate) fn leashed_command(&self, layout: &Layout) -> Result<Command, Error> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LEASH, "leash"])
            .arg(layout.leashed_pid(self.name));
        command.arg(&self.executable).args(&self.arguments);
        let mut command = self.log_to(command, layout)?;
        command.stdin(Stdio::piped());
        Ok(command)
    }

    fn log_to(&self, mut command: Command, layout: &Layout) -> Result<Command, Error> {
        let path = layout.log(self.name);
        let log = append(&path).map_err(Error::file("write", &path))?;
        let errors = log.try_clone().map_err(Error::file("write", &path))?;
        without_proxy(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .current_dir(layout.state());
        Ok(command)
    }

    /// Starts the program and returns its process id. Whoever calls reaps it.
    pub(crate) fn spawn(&self, layout: &Layout) -> Result<i32, Error> {
        let mut command = self.command(layout)?;
        let child = command
            .spawn()
            .map_err(|source| spawn_error(&command, source))?;
        Ok(child.id().cast_signed())
    }
}

fn append(path: &std::path::Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
