//! What wakes a look at the mounted directories: the kernel's word for a change in one of them, and time.

use std::{io, mem::MaybeUninit, os::fd::OwnedFd, path::Path, sync::Arc, thread, time::Duration};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use tokio::{sync::Notify, time::timeout};

/// What a swap by the kubelet, a file written in place, and a directory that is made anew have in common.
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// Watches directories. Where the kernel gives no watches (their number is limited), time alone wakes.
pub struct Watcher {
    events: Option<Arc<OwnedFd>>,
    changed: Arc<Notify>,
}

impl Watcher {
    /// Asks the kernel for events.
    pub fn new() -> Self {
        let changed = Arc::new(Notify::new());
        let events = events(&changed);
        if let Err(error) = &events {
            tracing::warn!(%error, "no events of files; the directories are looked at by time alone");
        }
        Self {
            events: events.ok(),
            changed,
        }
    }

    /// Watches a directory, also where another one has taken its place. Whether events of it will come.
    pub fn watches(&self, directory: &Path) -> bool {
        let Some(events) = &self.events else {
            return false;
        };
        inotify::add_watch(events, directory, CHANGES).is_ok()
    }

    /// Returns after a change in a watched directory since the last call, or after this time.
    pub async fn wait(&self, longest: Duration) {
        // Which of the two it was makes no difference.
        let _ = timeout(longest, self.changed.notified()).await;
    }
}

/// A descriptor to add watches to, and a thread that tells of their events: that something changed is
/// all that counts.
fn events(changed: &Arc<Notify>) -> io::Result<Arc<OwnedFd>> {
    let events = Arc::new(inotify::init(CreateFlags::CLOEXEC)?);
    let (source, changed) = (Arc::clone(&events), Arc::clone(changed));
    thread::Builder::new()
        .name("events".to_owned())
        .spawn(move || {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = Reader::new(&source, &mut buffer);
            while reader.next().is_ok() {
                changed.notify_one();
            }
        })?;
    Ok(events)
}
