//! The two files of `proc(5)` that tell what a process is.

use std::str::FromStr;

use super::Reloads;

/// SIGUSR2's bit in the kernel's masks; the same on every architecture that Kubernetes runs on but MIPS.
const SIGUSR2: u64 = 1 << 11;

/// `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// The first 15 bytes of the program's name.
    pub(super) name: String,
    /// Whether it is neither dead nor waited for.
    pub(super) lives: bool,
    pub(super) parent: i32,
    /// Clock ticks since boot.
    pub(super) started: u64,
}

/// A file that is none of its kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown;

impl FromStr for Stat {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        // The name may hold whatever its program likes, parentheses too.
        let (head, fields) = text.rsplit_once(')').ok_or(Unknown)?;
        let (_, name) = head.split_once('(').ok_or(Unknown)?;
        let fields: Vec<_> = fields.split_ascii_whitespace().collect();
        // The state is field 3.
        let field = |number: usize| fields.get(number - 3).copied().ok_or(Unknown);
        Ok(Self {
            name: name.to_owned(),
            lives: !matches!(field(3)?, "Z" | "X" | "x"),
            parent: field(4)?.parse().map_err(|_| Unknown)?,
            started: field(22)?.parse().map_err(|_| Unknown)?,
        })
    }
}

/// `/proc/PID/status`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) real_uid: u32,
    /// A signal reaches who has this uid too (`kill(2)`).
    pub(super) saved_uid: u32,
    pub(super) reloads: Reloads,
}

impl FromStr for Status {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.trim())
                .ok_or(Unknown)
        };
        let uids: Vec<u32> = value("Uid")?
            .split_ascii_whitespace()
            .map_while(|uid| uid.parse().ok())
            .collect();
        let caught = u64::from_str_radix(value("SigCgt")?, 16).map_err(|_| Unknown)?;
        Ok(Self {
            real_uid: *uids.first().ok_or(Unknown)?,
            saved_uid: *uids.get(2).ok_or(Unknown)?,
            reloads: if caught & SIGUSR2 == 0 {
                Reloads::NotYet
            } else {
                Reloads::OnSignal
            },
        })
    }
}
