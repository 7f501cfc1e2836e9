//! What a mounted directory holds: a pair that coturn can load, or why it is none.

use std::{
    fmt,
    fs::{self, File},
    io::{self, ErrorKind, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use api::{Fingerprint, names};
use probe::{Identity, IdentityError};
use zeroize::Zeroizing;

/// The link that the kubelet swaps when a Secret changes: the files of a volume lead through it.
const SWAPPED: &str = "..data";
/// The most that a Secret may hold (Kubernetes' own limit).
const LARGEST: u64 = 1024 * 1024;
/// How often a pair is read anew that is swapped while it is read.
const ATTEMPTS: usize = 3;

/// What coturn would load: SHA-256 of the leaf and of each certificate that follows it. The key belongs
/// to the leaf, so the same certificates are the same pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(Vec<Fingerprint>);

impl Content {
    /// Fingerprint of the leaf.
    pub fn leaf(&self) -> Option<Fingerprint> {
        self.0.first().copied()
    }

    #[cfg(test)]
    pub(crate) fn of(number: u8) -> Self {
        Self(vec![Fingerprint::from_digest([number; 32])])
    }
}

/// A certificate and the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What it is.
    pub content: Content,
    /// What an end of a handshake presents with it.
    pub identity: Identity,
    /// Since when it lies there, by this node's clock.
    pub since: SystemTime,
}

/// Why coturn could not serve what lies in a directory.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Something is not there.
    #[error(
        "{0} is missing; mount the Secret of the pair there as a directory, with tls.crt and tls.key"
    )]
    Missing(PathBuf),
    /// Something may not, or cannot, be read.
    #[error(
        "cannot read {path}: {error}; the agent needs the uid of coturn, and the pod an fsGroup that may read it"
    )]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is none of a Secret.
    #[error("{0} is larger than a Secret may be (1 MiB)")]
    TooLarge(PathBuf),
    /// The files are no pair.
    #[error("{directory} holds no pair: {error}; coturn would fail every handshake with it")]
    NoPair {
        /// Where.
        directory: PathBuf,
        /// Why.
        error: IdentityError,
    },
    /// It was swapped each time it was read.
    #[error("{0} changes while it is read")]
    Unsteady(PathBuf),
}

impl Fault {
    /// The state as metrics name it.
    pub const fn state(&self) -> State {
        match self {
            Self::Missing(_) | Self::Unsteady(_) => State::Incomplete,
            Self::Unreadable { .. } | Self::TooLarge(_) => State::Unreadable,
            Self::NoPair { error, .. } => match error {
                IdentityError::Mismatch => State::Mismatched,
                IdentityError::Certificates | IdentityError::Key => State::Incomplete,
            },
        }
    }
}

/// In which state the pair of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A certificate and its key.
    Whole,
    /// A file is missing or is half of one.
    Incomplete,
    /// The key is another certificate's.
    Mismatched,
    /// The agent may not read it.
    Unreadable,
}

impl State {
    /// All.
    pub const ALL: [Self; 4] = [
        Self::Whole,
        Self::Incomplete,
        Self::Mismatched,
        Self::Unreadable,
    ];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Incomplete => "incomplete",
            Self::Mismatched => "mismatched",
            Self::Unreadable => "unreadable",
        })
    }
}

/// Reads the pair of a directory. A swap in between is noticed: both files are of one Secret's revision.
pub fn read(directory: &Path) -> Result<Pair, Fault> {
    for _ in 0..ATTEMPTS {
        let before = swapped(directory)?;
        let pair = read_once(directory);
        if swapped(directory)? == before {
            return pair;
        }
    }
    Err(Fault::Unsteady(directory.to_owned()))
}

/// Where the kubelet's link leads; none in a directory that is no volume of the kubelet's.
fn swapped(directory: &Path) -> Result<Option<PathBuf>, Fault> {
    let link = directory.join(SWAPPED);
    match fs::read_link(&link) {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::Unreadable { path: link, error }),
    }
}

fn read_once(directory: &Path) -> Result<Pair, Fault> {
    let (certificate, key) = (
        directory.join(names::TLS_CRT),
        directory.join(names::TLS_KEY),
    );
    let no_pair = |error| Fault::NoPair {
        directory: directory.to_owned(),
        error,
    };
    let identity = Identity::from_pem(&bytes(&certificate)?, &bytes(&key)?).map_err(no_pair)?;
    Ok(Pair {
        content: Content(identity.fingerprints().map_err(no_pair)?),
        identity,
        since: since(directory, [&certificate, &key])?,
    })
}

fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let unread = |error| fault(path, error);
    // Room for the usual pair: a buffer that grows leaves copies of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    let file = File::open(path).map_err(unread)?;
    let length = file
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unread)?;
    if length as u64 > LARGEST {
        return Err(Fault::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// Since when the pair lies there. The kubelet makes its link anew for each revision of the Secret, and
/// leaves it alone otherwise; of plain files the last change counts.
fn since(directory: &Path, files: [&Path; 2]) -> Result<SystemTime, Fault> {
    let link = directory.join(SWAPPED);
    if let Ok(made) = fs::symlink_metadata(&link).and_then(|link| link.modified()) {
        return Ok(made);
    }
    let mut newest = SystemTime::UNIX_EPOCH;
    for path in files {
        let metadata = fs::metadata(path).map_err(|error| fault(path, error))?;
        let changed = u64::try_from(metadata.ctime()).unwrap_or_default();
        let nanoseconds = u64::try_from(metadata.ctime_nsec()).unwrap_or_default();
        let since_epoch = Duration::from_secs(changed) + Duration::from_nanos(nanoseconds);
        newest = newest.max(SystemTime::UNIX_EPOCH + since_epoch);
    }
    Ok(newest)
}

fn fault(path: &Path, error: io::Error) -> Fault {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Fault::Missing(path),
        _ => Fault::Unreadable { path, error },
    }
}

#[cfg(test)]
mod tests;
