//! The components that make up Kubernetes' control plane, and how they are told to run.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Error,
    certs::{self, Client, Pki},
    components::Binaries,
    kubeconfig,
    layout::{self, Layout},
    network::Network,
    ports,
    program::Program,
};

/// Where the control plane listens, and what it hands out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// Where the API server listens.
    pub(crate) bind: IpAddr,
    /// The address by which others reach the API server.
    pub(crate) advertise: Ipv4Addr,
    pub(crate) api_port: u16,
    pub(crate) etcd_client_port: u16,
    pub(crate) etcd_peer_port: u16,
    /// The range of the Services' addresses.
    pub(crate) services: String,
    /// The first of them, which is the API server's own.
    pub(crate) api_service: Ipv4Addr,
}

impl Endpoints {
    /// Inside the network namespace of a cluster with a node all ports are free, and pods reach
    /// the API server by the node's address.
    pub(crate) fn of_node(network: &Network) -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            advertise: network.node(),
            api_port: 6443,
            etcd_client_port: 2379,
            etcd_peer_port: 2380,
            services: network.services.to_string(),
            api_service: network.services.nth(1),
        }
    }

    /// On this machine's loopback with three ports that are free at the moment. The Services'
    /// addresses lead nowhere.
    pub(crate) fn on_loopback() -> Result<Self, Error> {
        let [api_port, etcd_client_port, etcd_peer_port] = ports::free()?;
        Ok(Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            advertise: Ipv4Addr::LOCALHOST,
            api_port,
            etcd_client_port,
            etcd_peer_port,
            services: "10.96.0.0/16".to_owned(),
            api_service: Ipv4Addr::new(10, 96, 0, 1),
        })
    }

    pub(crate) fn api_server(&self) -> String {
        format!("https://{}:{}", self.advertise, self.api_port)
    }

    fn etcd(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_client_port)
    }
}

/// The control plane of one cluster with its files written.
#[derive(Debug)]
pub(crate) struct ControlPlane<'a> {
    layout: &'a Layout,
    binaries: &'a Binaries,
    endpoints: &'a Endpoints,
    pki: Pki,
}

impl<'a> ControlPlane<'a> {
    pub(crate) fn new(
        layout: &'a Layout,
        binaries: &'a Binaries,
        endpoints: &'a Endpoints,
    ) -> Self {
        Self {
            layout,
            binaries,
            endpoints,
            pki: Pki::new(layout.pki()),
        }
    }

    /// Makes the certificates, the kubeconfig files and the audit policy.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        let Self {
            layout,
            endpoints,
            pki,
            ..
        } = self;
        let node = IpAddr::V4(endpoints.advertise);
        let names = [
            node,
            IpAddr::V4(endpoints.api_service),
            IpAddr::V4(Ipv4Addr::LOCALHOST),
        ];
        pki.create(&names, node)?;
        kubeconfig::write(
            &layout.kubeconfig(),
            &endpoints.api_server(),
            pki,
            certs::ADMIN,
        )?;
        for client in [
            certs::CONTROLLER_MANAGER,
            certs::SCHEDULER,
            certs::KUBELET,
            certs::PROXY,
        ] {
            self.write_kubeconfig(client)?;
        }
        layout::write(&layout.config("audit-policy.json"), audit_policy())
    }

    fn write_kubeconfig(&self, client: Client) -> Result<(), Error> {
        let path = self.layout.config(&format!("{}.kubeconfig", client.name));
        kubeconfig::write(&path, &self.endpoints.api_server(), &self.pki, client)
    }

    pub(crate) fn pki(&self) -> &Pki {
        &self.pki
    }

    /// etcd without waiting for the disk: what it holds is worthless after the cluster's end.
    pub(crate) fn etcd(&self) -> Program {
        let client = self.endpoints.etcd();
        let peer = format!("http://127.0.0.1:{}", self.endpoints.etcd_peer_port);
        self.program("etcd")
            .flag("data-dir", self.layout.run("etcd"))
            .flag("unsafe-no-fsync", "true")
            .flag("listen-client-urls", &client)
            .flag("advertise-client-urls", &client)
            .flag("listen-peer-urls", &peer)
            .flag("initial-advertise-peer-urls", &peer)
            .flag("initial-cluster", format!("default={peer}"))
            .flag("log-level", "warn")
    }

    pub(crate) fn api_server(&self) -> Program {
        let (layout, endpoints, pki) = (self.layout, self.endpoints, &self.pki);
        self.program("kube-apiserver")
            .flag("etcd-servers", endpoints.etcd())
            .flag("bind-address", endpoints.bind.to_string())
            .flag("secure-port", endpoints.api_port.to_string())
            .flag("advertise-address", endpoints.advertise.to_string())
            // A loopback address must not appear in Endpoints.
            .flag(
                "endpoint-reconciler-type",
                if endpoints.bind.is_loopback() {
                    "none"
                } else {
                    "lease"
                },
            )
            .flag("service-cluster-ip-range", &endpoints.services)
            .flag("authorization-mode", "Node,RBAC")
            .flag("allow-privileged", "true")
            .flag("client-ca-file", pki.certificate("ca"))
            .flag("tls-cert-file", pki.certificate("apiserver"))
            .flag("tls-private-key-file", pki.key("apiserver"))
            .flag(
                "service-account-issuer",
                "https://kubernetes.default.svc.cluster.local",
            )
            .flag("service-account-key-file", pki.service_account_public_key())
            .flag(
                "service-account-signing-key-file",
                pki.key("service-account"),
            )
            .flag("kubelet-preferred-address-types", "InternalIP")
            .flag("kubelet-certificate-authority", pki.certificate("ca"))
            .flag(
                "kubelet-client-certificate",
                pki.certificate(certs::KUBELET_CLIENT.name),
            )
            .flag("kubelet-client-key", pki.key(certs::KUBELET_CLIENT.name))
            .flag("audit-policy-file", layout.config("audit-policy.json"))
            .flag("audit-log-path", layout.audit_log())
            // Tests count lines of one file.
            .flag("audit-log-maxsize", "10000")
    }

    pub(crate) fn controller_manager(&self) -> Program {
        let pki = &self.pki;
        self.client(
            self.program("kube-controller-manager"),
            certs::CONTROLLER_MANAGER,
        )
        .flag("use-service-account-credentials", "true")
        .flag(
            "service-account-private-key-file",
            pki.key("service-account"),
        )
        .flag("root-ca-file", pki.certificate("ca"))
        .flag("cluster-signing-cert-file", pki.certificate("ca"))
        .flag("cluster-signing-key-file", pki.key("ca"))
        .flag("kube-api-qps", "1000")
        .flag("kube-api-burst", "2000")
    }

    pub(crate) fn scheduler(&self) -> Program {
        self.client(self.program("kube-scheduler"), certs::SCHEDULER)
    }

    fn program(&self, name: &'static str) -> Program {
        Program::new(name, self.binaries.path(name))
    }

    /// A component that only talks to the API server: alone, so there is no leader to elect, and
    /// without a port of its own.
    fn client(&self, program: Program, client: Client) -> Program {
        program
            .flag(
                "kubeconfig",
                self.layout.config(&format!("{}.kubeconfig", client.name)),
            )
            .flag("leader-elect", "false")
            .flag("secure-port", "0")
    }
}

/// Who did what to which object, one line a request (`audit.k8s.io/v1`).
fn audit_policy() -> String {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    })
    .to_string()
}
