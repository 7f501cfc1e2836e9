//! A process that is named as coturn, and notes each SIGUSR2. It is Perl under that name.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Signal, kill_process};

use crate::{
    pod::{Pod, forked},
    wait::until,
};

/// Waits for the second file, then notes each signal in the first, and, told to fork, has a child that
/// does the same with a third.
const SCRIPT: &str = r#"
    my ($log, $gate, $child_log) = @ARGV;
    if (defined $child_log) { $log = $child_log if fork() == 0; }
    sub note { open(my $file, ">>", $log) or die; print $file "$_[0]\n"; close($file); }
    note("started");
    select(undef, undef, undef, 0.01) until -e $gate;
    $SIG{USR2} = sub { note("reload") };
    note("ready");
    select(undef, undef, undef, 0.05) while 1;
"#;

/// A running coturn.
pub struct Coturn {
    process: Child,
    log: PathBuf,
    gate: PathBuf,
}

impl Coturn {
    /// Starts one, and waits until it has its handler.
    pub fn start(pod: &Pod, name: &str, more: &[&Path]) -> Self {
        let coturn = Self::without_handler(pod, name, more);
        coturn.let_in();
        coturn
    }

    /// Starts one that waits before it sets up its handler.
    pub fn without_handler(pod: &Pod, name: &str, more: &[&Path]) -> Self {
        let program = pod.path("turnserver");
        if !program.exists() {
            // By a process of its own: no other test's child holds the file open while it is written.
            let copied = Command::new("cp")
                .arg("/usr/bin/perl")
                .arg(&program)
                .status();
            assert!(copied.unwrap().success());
        }
        let (log, gate) = (pod.path(name), pod.path(&format!("{name}-gate")));
        let process = pod
            .command(&program)
            .args(["-e", SCRIPT])
            .args([&log, &gate])
            .args(more)
            .spawn()
            .unwrap();
        let coturn = Self { process, log, gate };
        until("a coturn", || (coturn.notes("started") == 1).then_some(()));
        coturn
    }

    /// Has it set up its handler.
    pub fn let_in(&self) {
        fs::write(&self.gate, "").unwrap();
        until("a handler", || (self.notes("ready") == 1).then_some(()));
    }

    /// How often it was signalled.
    pub fn reloads(&self) -> usize {
        self.notes("reload")
    }

    fn notes(&self, what: &str) -> usize {
        notes(&self.log, what)
    }

    /// Waits until it was signalled so often.
    pub fn until_reloads(&self, count: usize) {
        until("a reload", || (self.reloads() >= count).then_some(()));
        assert_eq!(self.reloads(), count);
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Ends it.
    pub fn end(mut self) {
        let inner = forked(self.process.id());
        kill_process(inner, Signal::KILL).unwrap();
        until("its end", || self.process.try_wait().unwrap());
    }
}

/// How often a line stands in a log.
pub fn notes(log: &Path, what: &str) -> usize {
    let log = fs::read_to_string(log).unwrap_or_default();
    log.lines().filter(|line| *line == what).count()
}

/// A shell script of coturn's name: SIGUSR2 would end it.
pub fn script(pod: &Pod) -> Child {
    let folder = pod.path("scripts");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("turnserver");
    let text = pod.path("script");
    fs::write(&text, "#!/bin/sh\nwhile true; do sleep 1; done\n").unwrap();
    let mut install = Command::new("install");
    install.args(["-m", "755"]).args([&text, &file]);
    assert!(install.status().unwrap().success());
    let mut command = pod.command(file);
    command.stdin(Stdio::null()).spawn().unwrap()
}
