//! A Secret's volume, as the kubelet writes it, and pairs for it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use pki::{
    Authority, IssuedPair, issue,
    testing::{TestCa, request},
};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

/// Another pair each time.
pub fn pair() -> IssuedPair {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let authority = Authority::load(&TestCa::example().secret().as_secret(), now).unwrap();
    issue(&authority, &request(&["coturn.example.com"]), now).unwrap()
}

/// A certificate and the key of another one.
pub fn mismatched() -> IssuedPair {
    IssuedPair {
        key: pair().key,
        ..pair()
    }
}

/// A mounted directory.
pub struct Mount(PathBuf);

static REVISIONS: AtomicUsize = AtomicUsize::new(0);

impl Mount {
    /// One with a pair that has been there for an hour.
    pub fn with(path: &Path, pair: &IssuedPair) -> Self {
        let mount = Self::empty(path);
        mount.swap(pair);
        mount.age();
        mount
    }

    /// One with nothing in it.
    pub fn empty(path: &Path) -> Self {
        fs::create_dir_all(path).unwrap();
        Self(path.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a pair there as the kubelet does: a folder for the revision, a link to it that is renamed over
    /// the one before, links to the files through it, and the folder before is removed.
    pub fn swap(&self, pair: &IssuedPair) {
        let number = REVISIONS.fetch_add(1, Ordering::Relaxed);
        let revision = format!("..2026_11_28_{number}");
        let folder = self.0.join(&revision);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("tls.crt"), &pair.certificate).unwrap();
        fs::write(folder.join("tls.key"), pair.key.as_bytes()).unwrap();
        let link = self.0.join("..data");
        let before = fs::read_link(&link).ok();
        let fresh = self.0.join("..data_tmp");
        symlink(&revision, &fresh).unwrap();
        fs::rename(&fresh, &link).unwrap();
        for file in ["tls.crt", "tls.key"] {
            // It is there from the second time on.
            let _ = symlink(Path::new("..data").join(file), self.0.join(file));
        }
        if let Some(before) = before {
            fs::remove_dir_all(self.0.join(before)).unwrap();
        }
    }

    /// Has the link be an hour old.
    pub fn age(&self) {
        let hour_ago = SystemTime::now() - Duration::from_hours(1);
        let since_epoch = hour_ago.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let time = Timespec::try_from(since_epoch).unwrap();
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        let link = self.0.join("..data");
        utimensat(CWD, link, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    /// Removes it with all that is in it.
    pub fn remove(&self) {
        fs::remove_dir_all(&self.0).unwrap();
    }

    /// Writes a file in place.
    pub fn write(&self, file: &str, content: &[u8]) {
        fs::write(self.0.join(file), content).unwrap();
    }
}
