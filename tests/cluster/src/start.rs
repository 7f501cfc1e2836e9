//! Starts clusters: everything that must be there is provided, leftovers of a crash are cleared,
//! and the cluster is handed out when it is ready to be used.

use std::{
    ffi::OsString,
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    Cluster, Error, NodeMode, Options, Progress,
    command::{output, spawn_error, tail},
    components::Binaries,
    control_plane::{ControlPlane, Endpoints},
    ending::{clear, lock},
    images::Images,
    layout::Layout,
    loopback,
    mounts::COVERED,
    network::Network,
    node::{NODE, Node},
    packages,
    progress::step,
    state::{self, Phase, Record, Shape, Supervision},
    wait,
};

const READY: Duration = Duration::from_mins(2);

/// Starts a cluster, or finds it running, and waits until it can be used: the API server is ready,
/// the node and the Services too if there is one, and the namespace `default` has its service
/// account. Whoever calls this meanwhile for the same folder waits and gets the same cluster.
///
/// # Errors
/// One variant of [`Error`] per step. A cluster that cannot be started is ended again; its logs
/// stay.
pub fn up(options: &Options, progress: &dyn Progress) -> Result<Cluster, Error> {
    let layout = Layout::new(&options.state)?;
    let _alone = lock(&layout)?;
    if let Some(running) = Cluster::find(layout.clone())? {
        return of_kind(running, options.node);
    }
    clear(&layout)?;
    match options.node {
        NodeMode::Real => real(&layout, &options.supervisor, progress),
        NodeMode::None => loopback::start(&layout, options.lifetime, progress),
    }
    .inspect_err(|_| {
        // The error that is returned matters more than one of clearing up.
        let _ = clear(&layout);
    })
}

fn of_kind(running: Cluster, node: NodeMode) -> Result<Cluster, Error> {
    if running.node_mode() == node {
        return Ok(running);
    }
    Err(Error::OtherKind {
        path: running.state().to_owned(),
    })
}

fn real(
    layout: &Layout,
    supervisor: &[OsString],
    progress: &dyn Progress,
) -> Result<Cluster, Error> {
    check_user_and_folder(layout)?;
    packages::provide(progress)?;
    let binaries = Binaries::provide(NodeMode::Real, progress)?;
    let images = Images::provide(progress)?;
    let network = Network::choose(&layout.id())?;
    let endpoints = Endpoints::of_node(&network);
    prepare(layout, &binaries, &network, &endpoints)?;
    let mut record = Record {
        binaries,
        ready: false,
        shape: Shape::Node {
            network: network.clone(),
        },
    };
    state::write(&layout.record(), &record)?;
    step(progress, "starting the control plane and the node", || {
        supervise(layout, supervisor, &network)
    })?;
    record.ready = true;
    let cluster = Cluster::new(layout.clone(), record.clone(), Vec::new());
    step(progress, "loading the images of pause and coturn", || {
        cluster.load_image_alone(&images.pause)?;
        cluster.load_image_alone(&images.coturn)
    })?;
    step(progress, "waiting for the node", || {
        until_usable(layout, &cluster)?;
        until_node_ready(layout, &cluster)?;
        until_services_work(layout, &endpoints)
    })?;
    state::write(&layout.record(), &record)?;
    Ok(cluster)
}

fn check_user_and_folder(layout: &Layout) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    let covered = COVERED
        .into_iter()
        .find(|folder| layout.state().starts_with(folder));
    match covered {
        Some(hidden) => Err(Error::StateFolderHidden {
            path: layout.state().to_owned(),
            hidden,
        }),
        None => Ok(()),
    }
}

fn prepare(
    layout: &Layout,
    binaries: &Binaries,
    network: &Network,
    endpoints: &Endpoints,
) -> Result<(), Error> {
    layout.renew()?;
    let plane = ControlPlane::new(layout, binaries, endpoints);
    plane.prepare()?;
    Node::new(layout, binaries, network).prepare(plane.pki())
}

/// Starts the supervisor, links its network with this machine and waits until it has started the
/// components.
fn supervise(layout: &Layout, supervisor: &[OsString], network: &Network) -> Result<(), Error> {
    let log = layout.log("supervisor");
    let mut child = spawn_supervisor(layout, supervisor, &log)?;
    let mut linked = false;
    wait::until("the start of all components", READY, &log, || {
        let Some(supervision) = state::read::<Supervision>(&layout.supervision())? else {
            return still_starting(&mut child, &log).map(|()| None);
        };
        if let Phase::Failed(reason) = supervision.phase {
            return Err(Error::Supervisor {
                reason,
                log: log.clone(),
            });
        }
        still_starting(&mut child, &log)?;
        if !linked {
            network.connect(supervision.supervisor.pid())?;
            linked = true;
        }
        Ok((supervision.phase == Phase::Running).then_some(()))
    })
}

/// Starts the supervisor in a session of its own: neither the end of this process nor a key press
/// in its terminal reaches it.
fn spawn_supervisor(layout: &Layout, supervisor: &[OsString], log: &Path) -> Result<Child, Error> {
    let file = File::create(log).map_err(Error::file("write", log))?;
    let errors = file.try_clone().map_err(Error::file("write", log))?;
    let mut setsid = Command::new("setsid");
    setsid.args(supervisor).arg(layout.state()).current_dir("/");
    setsid.stdin(Stdio::null()).stdout(file).stderr(errors);
    setsid
        .spawn()
        .map_err(|source| spawn_error(&setsid, source))
}

fn still_starting(child: &mut Child, log: &Path) -> Result<(), Error> {
    if let Ok(None) = child.try_wait() {
        return Ok(());
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    Err(Error::Supervisor {
        reason: tail(&text, 5),
        log: log.to_owned(),
    })
}

/// Waits for the service account without which no pod can be made.
pub(crate) fn until_usable(layout: &Layout, cluster: &Cluster) -> Result<(), Error> {
    let mut account = cluster.kubectl();
    account.args([
        "get",
        "serviceaccount",
        "default",
        "--namespace=default",
        "--output=name",
    ]);
    let log = layout.log("kube-controller-manager");
    wait::until("the default service account", READY, &log, || {
        Ok(output(&mut account).is_ok().then_some(()))
    })
}

fn until_node_ready(layout: &Layout, cluster: &Cluster) -> Result<(), Error> {
    let mut node = cluster.kubectl();
    let ready = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}";
    node.args(["get", "node", NODE, ready]);
    let log = layout.log("kubelet");
    wait::until("the node's readiness", READY, &log, || {
        Ok(output(&mut node)
            .is_ok_and(|status| status == "True")
            .then_some(()))
    })
}

/// The first Service is the API server's own.
fn until_services_work(layout: &Layout, endpoints: &Endpoints) -> Result<(), Error> {
    let service = SocketAddr::from((endpoints.api_service, 443));
    let log = layout.log("kube-proxy");
    wait::until("the API server's Service", READY, &log, || {
        Ok(
            TcpStream::connect_timeout(&service, Duration::from_millis(200))
                .ok()
                .map(drop),
        )
    })
}
