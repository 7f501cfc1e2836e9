//! A pod of a test's own: a pid namespace whose first process does nothing, as a pod's does, and processes
//! in it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::{coturn::Coturn, mount::Mount, wait::until};

/// The pod. All of its processes end with it.
pub struct Pod {
    pub folder: TempDir,
    namespace: Child,
    first: Pid,
}

/// What makes a pid namespace; without root, in a user namespace.
fn unshared() -> Command {
    let mut command = Command::new("setpriv");
    // The kernel ends it with the test's thread, and with it all that is in the namespace.
    command.args(["--pdeathsig", "KILL", "--", "unshare"]);
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    if !geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
}

/// The process that a command like `unshare` or `nsenter` has forked.
pub fn forked(parent: u32) -> Pid {
    let children = format!("/proc/{parent}/task/{parent}/children");
    until("a process in the namespace", || {
        let children = fs::read_to_string(&children).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    })
}

impl Pod {
    pub fn new() -> Self {
        let mut unshare = unshared();
        let namespace = unshare.args(["sleep", "infinity"]).spawn().unwrap();
        let first = forked(namespace.id());
        // The fork comes before the mount of /proc.
        until("the namespace's own /proc", || {
            let name = fs::read_to_string(format!("/proc/{}/comm", first.as_raw_pid())).ok()?;
            (name == "sleep\n").then_some(())
        });
        Self {
            folder: TempDir::new().unwrap(),
            namespace,
            first,
        }
    }

    /// A folder of the pod's files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the pod.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.first.as_raw_pid().to_string(),
            "--pid",
            "--mount",
        ]);
        if !geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// Starts coturn.
    pub fn coturn(&self, name: &str) -> Coturn {
        Coturn::start(self, name, &[])
    }

    /// Starts the agent over mounted directories.
    pub fn agent(&self, mounts: &[&Mount]) -> Agent {
        Agent::start(self.command(binary()), &self.path("agent.log"), mounts)
    }

    /// Starts an agent at an address that is taken: nobody can ask it anything. It ends with the pod.
    pub fn deaf_agent(&self, mount: &Mount, taken: SocketAddr) -> Child {
        let mut command = self.command(binary());
        command.args(["agent", "--listen", &taken.to_string()]);
        command.args(["--relay-listen", &taken.to_string()]);
        command.args(["--partner", "coturn.partner.example:9191"]);
        command.arg("--watch").arg(mount.path());
        command.spawn().unwrap()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // Its end ends the others'.
        let _ = self.namespace.kill();
        let _ = self.namespace.wait();
    }
}

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_coturn-cert-operator")
}

/// A running agent.
pub struct Agent {
    outer: Child,
    log: PathBuf,
    address: String,
}

impl Agent {
    /// An agent that is alone in its namespace.
    pub fn alone(folder: &Path, mount: &Mount) -> Self {
        let mut command = unshared();
        command.arg(binary());
        Self::start(command, &folder.join("agent.log"), &[mount])
    }

    fn start(mut command: Command, log: &Path, mounts: &[&Mount]) -> Self {
        let told = fs::read_to_string(log).unwrap_or_default().len();
        let output = File::options().create(true).append(true).open(log).unwrap();
        command.args(["agent", "--listen", "127.0.0.1:0", "--log", "debug"]);
        for mount in mounts {
            command.arg("--watch").arg(mount.path());
        }
        let outer = command
            .stdout(Stdio::from(output.try_clone().unwrap()))
            .stderr(Stdio::from(output))
            .spawn()
            .unwrap();
        let address = until("an address of the agent's", || {
            let log = fs::read_to_string(log).ok()?;
            let line = log[told..]
                .lines()
                .find(|it| it.contains("\"listening\""))?;
            let at = line.find("127.0.0.1:")?;
            let address: String = line[at..]
                .chars()
                .take_while(|it| *it != ')' && *it != '"')
                .collect();
            Some(address)
        });
        Self {
            outer,
            log: log.to_owned(),
            address,
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks one of its endpoints: the status and the text.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Waits until it says that nothing is in the way.
    pub fn until_ready(&self) {
        until("an agent with nothing in the way", || {
            (self.get("/readyz").0 == 200).then_some(())
        });
    }

    /// Waits until it says that this is in the way.
    pub fn until_told(&self, part: &str) -> String {
        until(part, || {
            let (status, text) = self.get("/readyz");
            (status == 503 && text.contains(part)).then_some(text)
        })
    }

    /// Whether its metrics have this line.
    pub fn counts(&self, line: &str) -> bool {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        text.lines().any(|it| it == line)
    }

    /// Sends it a signal, and waits for its end.
    pub fn end(mut self, signal: Signal) -> std::process::ExitStatus {
        kill_process(forked(self.outer.id()), signal).unwrap();
        until("the agent's end", || self.outer.try_wait().unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}
