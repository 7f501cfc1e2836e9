use std::process::{Child, Command, Stdio};

use rstest::rstest;
use tempfile::TempDir;

use super::*;

/// A `/proc` that says what a test wants, with this process as 1.
struct Proc {
    folder: TempDir,
}

const US: u32 = 65_534;

impl Proc {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("1")).unwrap();
        Self { folder }
    }

    /// A process that runs `exe` under a name; uids are real, effective, saved and of the file system.
    fn with(self, pid: i32, name: &str, exe: &str, uids: &str) -> Self {
        self.of_parent(pid, 1, name, exe, uids)
    }

    fn of_parent(self, pid: i32, parent: i32, name: &str, exe: &str, uids: &str) -> Self {
        let folder = self.folder.path().join(pid.to_string());
        fs::create_dir(&folder).unwrap();
        let rest = "0 0 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 4711 99";
        let stat = format!("{pid} ({name}) S {parent} {rest}\n");
        fs::write(folder.join("stat"), stat).unwrap();
        let caught = "SigIgn:\t0000000000001000\nSigCgt:\t0000000180000a00";
        let status = format!("Name:\t{name}\nUid:\t{uids}\n{caught}\n");
        fs::write(folder.join("status"), status).unwrap();
        std::os::unix::fs::symlink(exe, folder.join("exe")).unwrap();
        self
    }

    fn look(&self) -> Seen {
        let processes = Processes {
            root: self.folder.path().to_owned(),
            own_pid: 1,
            own_uid: US,
        };
        processes.look().unwrap()
    }

    fn coturns(&self) -> Vec<i32> {
        self.look().coturns.iter().map(|it| it.id.pid).collect()
    }
}

const OURS: &str = "65534\t65534\t65534\t65534";
const EXE: &str = "/usr/bin/turnserver";

#[test]
fn coturn_is_known_by_its_name_and_its_program() {
    let proc = Proc::new()
        .with(7, "turnserver", EXE, OURS)
        .with(8, "turnserver", "/bin/dash", OURS)
        .with(9, "turnadmin", "/usr/bin/turnserver", OURS)
        .with(10, "turnserver-old", "/usr/bin/turnserver-old", OURS);
    assert_eq!(proc.coturns(), [7]);
    assert_eq!(proc.look().coturns[0].id.started, 4711);
}

#[test]
fn a_program_whose_file_was_replaced_is_still_coturn() {
    let proc = Proc::new().with(7, "turnserver", "/usr/bin/turnserver (deleted)", OURS);
    assert_eq!(proc.coturns(), [7]);
}

#[test]
fn the_coturn_of_another_user_is_told_of_by_its_real_uid() {
    let proc = Proc::new().with(7, "turnserver", EXE, "31338\t31338\t31338\t31338");
    let seen = proc.look();
    assert_eq!((seen.coturns.len(), seen.stranger), (0, Some((7, 31_338))));
}

#[rstest]
#[case::real("65534\t0\t0\t0")]
#[case::saved("0\t0\t65534\t0")]
fn a_signal_reaches_who_has_our_uid_as_its_real_or_saved_one(#[case] uids: &str) {
    assert_eq!(Proc::new().with(7, "turnserver", EXE, uids).coturns(), [7]);
}

#[test]
fn of_a_family_of_coturns_the_eldest_is_signalled() {
    let proc = Proc::new()
        .with(7, "turnserver", EXE, OURS)
        .of_parent(9, 7, "turnserver", EXE, OURS)
        .with(8, "turnserver", EXE, OURS);
    assert_eq!(proc.coturns(), [7, 8]);
}

#[test]
fn who_is_alone_has_no_company() {
    assert_eq!(Proc::new().look().company, Company::None);
    let with_pause = Proc::new().with(2, "pause", "/pause", "65535\t65535\t65535\t65535");
    let seen = with_pause.look();
    assert_eq!(seen.company, Company::Others);
    assert!(seen.coturns.is_empty() && seen.stranger.is_none());
}

#[test]
fn a_name_may_hold_what_it_likes() {
    let stat: Stat = "7 (a) S 2 (b)) S 1 0 0 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 4711 99"
        .parse()
        .unwrap();
    assert_eq!((stat.name.as_str(), stat.parent), ("a) S 2 (b)", 1));
    assert!("7 turnserver S".parse::<Stat>().is_err());
    assert!("7 (turnserver) S 1".parse::<Stat>().is_err());
}

#[test]
fn a_process_that_has_ended_and_is_not_waited_for_is_none() {
    let line = "7 (turnserver) Z 1 0 0 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 4711 99";
    assert!(!line.parse::<Stat>().unwrap().lives);
}

/// A real process of coturn's name without a handler: a signal would end it.
fn started(folder: &TempDir) -> Child {
    let program = folder.path().join(PROGRAM);
    // By a process of its own: no other test's child holds the file open while it is written.
    let copied = Command::new("cp")
        .arg("/usr/bin/perl")
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(program);
    command.args([
        "-e",
        "$| = 1; $SIG{USR2} = sub { exit 7 }; print 'ready'; sleep 1 while 1",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 5];
    io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    child
}

fn of(child: &Child) -> ProcessId {
    let pid = child.id().cast_signed();
    match Processes::default().coturn(pid, Clocks::read()) {
        Some(Whose::Ours(coturn)) => coturn.id,
        Some(Whose::Strangers(_)) | None => panic!("no coturn"),
    }
}

#[test]
fn the_process_that_was_looked_at_is_signalled_and_none_that_has_its_id_by_now() {
    let folder = TempDir::new().unwrap();
    let mut child = started(&folder);
    let id = of(&child);
    let former = ProcessId {
        started: id.started - 1,
        ..id
    };
    let error = Processes::default().reload(former).unwrap_err();
    assert!(matches!(error, SignalError::Ended(_)), "{error}");
    assert!(child.try_wait().unwrap().is_none());

    Processes::default().reload(id).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let error = Processes::default().reload(id).unwrap_err();
    assert!(matches!(error, SignalError::Ended(_)), "{error}");
}

#[test]
fn the_start_of_a_process_is_on_the_clock_of_files() {
    let folder = TempDir::new().unwrap();
    let before = SystemTime::now();
    let mut child = started(&folder);
    let Some(Whose::Ours(coturn)) =
        Processes::default().coturn(child.id().cast_signed(), Clocks::read())
    else {
        panic!("no coturn")
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let tick = Duration::from_millis(20);
    assert!(coturn.since > before - tick, "{:?}", coturn.since);
    assert!(coturn.since < SystemTime::now() + tick);
}
