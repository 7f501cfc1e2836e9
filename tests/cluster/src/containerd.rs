//! What is asked of containerd directly, by its own client.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Error,
    command::{output, spawn_error, tail},
    node::SOCKET,
};

/// Whether containerd answers. Call it inside the cluster's mount namespace.
pub(crate) fn answers() -> bool {
    output(ctr(&mut Command::new("ctr")).arg("version")).is_ok()
}

/// Ends and removes all containers and tells how many there were. Call it inside the cluster's
/// mount namespace.
pub(crate) fn remove_containers() -> Result<usize, Error> {
    let list = output(ctr(&mut Command::new("ctr")).args(["containers", "ls", "-q"]))?;
    let ids: Vec<&str> = list.split_whitespace().collect();
    if !ids.is_empty() {
        // A container without a task has nothing to end.
        let _ = output(
            ctr(&mut Command::new("ctr"))
                .args(["tasks", "rm", "--force"])
                .args(&ids),
        );
        output(
            ctr(&mut Command::new("ctr"))
                .args(["containers", "rm"])
                .args(&ids),
        )?;
    }
    Ok(ids.len())
}

/// The names of the images that containerd has. `enter` runs a command inside the namespaces.
pub(crate) fn images(enter: impl Fn(&str) -> Command) -> Result<Vec<String>, Error> {
    let list = output(ctr(&mut enter("ctr")).args(["images", "ls", "-q"]))?;
    Ok(list.lines().map(str::to_owned).collect())
}

fn ctr(command: &mut Command) -> &mut Command {
    command.args(["--address", SOCKET, "--namespace", "k8s.io"])
}

/// Gives containerd the images of a docker-archive.
pub(crate) fn import(enter: impl Fn(&str) -> Command, archive: &Path) -> Result<(), Error> {
    let file = File::open(archive).map_err(Error::file("read", archive))?;
    let mut import = enter("ctr");
    ctr(&mut import)
        .args(["images", "import", "-"])
        .stdin(Stdio::from(file));
    let done = import
        .output()
        .map_err(|source| spawn_error(&import, source))?;
    if done.status.success() {
        return Ok(());
    }
    let reason = tail(&String::from_utf8_lossy(&done.stderr), 5);
    Err(Error::Archive {
        path: archive.to_owned(),
        reason,
    })
}
