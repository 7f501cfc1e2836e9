//! Ends clusters, whatever state they are in, and removes what they had on this machine.

use std::{fs::File, path::Path, time::Duration};

use crate::{
    Error, cgroup,
    cluster::supervision,
    layout::{self, Layout},
    network,
    state::{self, Record, Shape},
};

/// How long a supervisor may take to end its components.
const ENDING: Duration = Duration::from_secs(30);

/// Ends whatever cluster the folder `state` knows of, also one that was never fully started or
/// whose supervisor was killed, and removes all it had on this machine but its logs and
/// images.
///
/// # Errors
/// [`Error::Timeout`] if something does not go away.
pub fn down(state: &Path) -> Result<(), Error> {
    let layout = Layout::new(state)?;
    let _alone = lock(&layout)?;
    clear(&layout)
}

/// Keeps others from starting or ending the cluster meanwhile; waits for those who do.
pub(crate) fn lock(layout: &Layout) -> Result<File, Error> {
    layout::create(layout.state())?;
    layout::lock(&layout.lock())
}

/// Ends what runs of a cluster, whatever state it is in, and removes what it left.
pub(crate) fn clear(layout: &Layout) -> Result<(), Error> {
    if let Some(supervision) = supervision(layout)? {
        supervision.supervisor.end(ENDING);
    }
    let record = state::read::<Record>(&layout.record())?;
    if let Some(Record {
        shape: Shape::ControlPlane { processes, .. },
        ..
    }) = &record
    {
        for started in processes.iter().rev() {
            started.process.end(Duration::ZERO);
        }
    }
    if cgroup::exists(&layout.id())? {
        cgroup::remove(&layout.id(), &layout.logs())?;
    }
    network::disconnect(&layout.id())?;
    layout.forget()
}
