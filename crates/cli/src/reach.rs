//! The way to a pod's ports: at its own address, or through the API server.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

use crate::{args::Via, error::in_words};

/// How long a pod's own address may take to answer before a port-forward is tried.
const PATIENCE: Duration = Duration::from_secs(3);

/// A pod, and how to reach it.
pub struct Reach {
    client: Client,
    namespace: String,
    pod: String,
    /// The pod's addresses, the first of which is the one that it is known by.
    pub addresses: Vec<IpAddr>,
    via: Via,
}

/// The addresses of a pod, the one that it is known by first.
#[must_use]
pub fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let status = pod.status.iter();
    let all = status.flat_map(|status| {
        let more = status.pod_ips.iter().flatten().map(|it| it.ip.as_str());
        status.pod_ip.as_deref().into_iter().chain(more)
    });
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in all.filter_map(|text| text.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// Where a port of the pod is reached.
pub struct Way {
    /// From here.
    pub address: SocketAddr,
    /// What it is called in a report.
    pub name: String,
    /// Whether it is the pod's own address.
    pub is_direct: bool,
    /// Ends with it.
    _forward: Option<Forward>,
}

impl Way {
    /// The way to an address that was named.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self {
            address,
            name: address.to_string(),
            is_direct: true,
            _forward: None,
        }
    }
}

impl Reach {
    /// Of a pod; none if it has no address yet.
    #[must_use]
    pub fn of(client: &Client, pod: &Pod, via: Via) -> Option<Self> {
        let addresses = addresses(pod);
        (!addresses.is_empty()).then(|| Self {
            client: client.clone(),
            namespace: pod.namespace().unwrap_or_default(),
            pod: pod.name_any(),
            addresses,
            via,
        })
    }

    /// The way to a TCP port at an address of the pod.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub async fn tcp(&self, own: SocketAddr) -> Result<Way, String> {
        let is_direct = match self.via {
            Via::Direct => true,
            Via::PortForward => false,
            Via::Auto => is_within_reach(own).await,
        };
        if is_direct {
            return Ok(Way::to(own));
        }
        let forward = Forward::start(self, own.port()).await?;
        Ok(Way {
            address: forward.address,
            name: format!("{own} (port-forward to {})", self.pod),
            is_direct: false,
            _forward: Some(forward),
        })
    }

    /// Why no port can be forwarded, in words.
    fn no_forward(&self, error: &kube::Error) -> String {
        match error {
            kube::Error::Api(status) if status.is_forbidden() => {
                format!(
                    "a port-forward to pod {}/{} is not allowed: it needs the verb get of \
                     pods/portforward, and from Kubernetes 1.35 on create as well ({})",
                    self.namespace, self.pod, status.message
                )
            }
            error => format!("no port can be forwarded: {}", in_words(error)),
        }
    }

    /// The way to a UDP port at an address of the pod.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn udp(&self, own: SocketAddr) -> Result<Way, String> {
        match self.via {
            Via::Auto | Via::Direct => Ok(Way::to(own)),
            Via::PortForward => Err(
                "a port-forward carries no UDP: run this where the pod's own \
                                     address can be reached, as in a pod of the cluster"
                    .to_owned(),
            ),
        }
    }
}

/// Also a refusal shows that the pod was reached.
async fn is_within_reach(address: SocketAddr) -> bool {
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error.kind() == ErrorKind::ConnectionRefused,
        Err(_) => false,
    }
}

/// A port of this machine that leads to one of the pod.
struct Forward {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forward {
    /// Tries one first: later a connection that fails looks like one that the pod has closed.
    async fn start(reach: &Reach, port: u16) -> Result<Self, String> {
        let pods: Api<Pod> = Api::namespaced(reach.client.clone(), &reach.namespace);
        let tried = pods.portforward(&reach.pod, &[port]).await;
        tried.map_err(|error| reach.no_forward(&error))?.abort();
        let in_words = |error: std::io::Error| format!("no port can be forwarded: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(in_words)?;
        let address = listener.local_addr().map_err(in_words)?;
        let task = tokio::spawn(forward(listener, pods, reach.pod.clone(), port));
        Ok(Self { address, task })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, pods: Api<Pod>, pod: String, port: u16) {
    while let Ok((client, _)) = listener.accept().await {
        let (pods, pod) = (pods.clone(), pod.clone());
        // A connection that fails is closed; the scan tells what came of it.
        tokio::spawn(async move { connect(client, &pods, &pod, port).await });
    }
}

async fn connect(mut client: TcpStream, pods: &Api<Pod>, pod: &str, port: u16) -> Option<()> {
    let mut forward = pods.portforward(pod, &[port]).await.ok()?;
    let mut server = forward.take_stream(port)?;
    let copied = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    drop(server);
    forward.abort();
    copied.ok().map(drop)
}
