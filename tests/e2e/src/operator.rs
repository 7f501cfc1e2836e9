//! The operator as a process of this machine, which a test may kill.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Environment, wait};

/// A running operator.
pub struct Operator {
    child: Child,
}

/// How to start one.
pub struct Start<'a> {
    /// The namespace it serves.
    pub namespace: &'a str,
    /// How it reaches the API server.
    pub kubeconfig: &'a Path,
    /// Where its log goes; appended.
    pub log: &'a Path,
    /// The Secrets it may touch; none: all.
    pub secret_names: &'a [&'a str],
    /// More of its command line.
    pub arguments: &'a [&'a str],
}

impl Operator {
    /// Starts one. A second one of the same identity takes over the Lease at once. Call it on the
    /// test's own thread: with that, the operator ends.
    pub fn start(start: &Start<'_>) -> Self {
        Self::start_as(start, "test")
    }

    /// The same under an identity of its own: it acts once it has the Lease.
    pub fn start_as(start: &Start<'_>, identity: &str) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(start.log)
            .expect("the log");
        // The kernel ends it with the thread that starts it, that is, with the test. It keeps the id
        // of the process that becomes it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        for variable in cluster::PROXY_VARIABLES {
            command.env_remove(variable);
        }
        let child = command
            .arg(Environment::binary())
            .env("KUBECONFIG", start.kubeconfig)
            .env("RUST_LOG", "debug")
            .args([
                "--namespace",
                start.namespace,
                "--identity",
                identity,
                "--listen",
                "127.0.0.1:0",
            ])
            .args(
                start
                    .secret_names
                    .iter()
                    .flat_map(|name| ["--secret-name", name]),
            )
            .args(start.arguments)
            .stdout(Stdio::from(log.try_clone().expect("the log")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the operator starts");
        Self { child }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub async fn until_ended(&mut self) {
        wait::until("the operator's end", async || {
            self.child.try_wait().expect("a child").map(drop)
        })
        .await;
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Kills it, if it still runs, and waits for its end.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stops the process of this id where it is, until [`resume`].
pub fn pause(id: u32) {
    signal(id, Signal::STOP);
}

/// Lets a paused process go on.
pub fn resume(id: u32) {
    signal(id, Signal::CONT);
}

fn signal(id: u32, signal: Signal) {
    let id = Pid::from_raw(id.cast_signed()).expect("a process id");
    kill_process(id, signal).expect("the process runs");
}

/// Kills the process of this id, wherever the [`Operator`] is that waits for its end.
pub fn kill(id: u32) {
    let id = Pid::from_raw(id.cast_signed()).expect("a process id");
    // The test may have killed it itself a moment ago.
    let _ = kill_process(id, Signal::KILL);
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A kubeconfig for a server without TLS and without credentials, as the fault proxy is.
pub fn plain_kubeconfig(folder: &Path, server: &str) -> PathBuf {
    let path = folder.join(format!(
        "kubeconfig-{}",
        server.rsplit(':').next().unwrap_or_default()
    ));
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n\
         clusters: [{{name: proxy, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: proxy, user: {{}}}}]\n\
         contexts: [{{name: proxy, context: {{cluster: proxy, user: proxy}}}}]\n"
    );
    std::fs::write(&path, text).expect("the kubeconfig");
    path
}
