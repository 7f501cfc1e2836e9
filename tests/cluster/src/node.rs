//! The node: containerd, the kubelet and the proxy, with their configuration. All of it runs
//! inside the cluster's namespaces, where `/run` is the cluster's own.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    Error,
    certs::Pki,
    components::Binaries,
    images::PAUSE_IMAGE,
    layout::{self, Layout},
    network::Network,
    program::Program,
};

/// The node's name.
pub const NODE: &str = "node";
/// containerd's socket, inside the cluster's mount namespace.
pub(crate) const SOCKET: &str = "/run/containerd/containerd.sock";
const CNI_PROGRAMS: &str = "/usr/lib/cni";

/// The node of one cluster with its files written.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    layout: &'a Layout,
    binaries: &'a Binaries,
    network: &'a Network,
}

impl<'a> Node<'a> {
    pub(crate) fn new(layout: &'a Layout, binaries: &'a Binaries, network: &'a Network) -> Self {
        Self {
            layout,
            binaries,
            network,
        }
    }

    /// Writes the configuration of containerd, of the pods' network and of the kubelet.
    pub(crate) fn prepare(&self, pki: &Pki) -> Result<(), Error> {
        let layout = self.layout;
        layout::create(&self.cni_configuration())?;
        layout::write(
            &layout.config("containerd.toml"),
            self.containerd_configuration(),
        )?;
        layout::write(
            &self.cni_configuration().join("10-pods.conflist"),
            self.pod_network(),
        )?;
        // Pods know no name server of this machine.
        layout::write(&layout.config("resolv.conf"), "")?;
        layout::write(
            &layout.config("kubelet.json"),
            self.kubelet_configuration(pki),
        )
    }

    pub(crate) fn containerd(&self) -> Program {
        Program::new("containerd", "containerd".into())
            .flag("config", self.layout.config("containerd.toml"))
    }

    pub(crate) fn kubelet(&self) -> Program {
        let layout = self.layout;
        Program::new("kubelet", self.binaries.path("kubelet"))
            .flag("config", layout.config("kubelet.json"))
            .flag("kubeconfig", layout.config("kubelet.kubeconfig"))
            .flag("hostname-override", NODE)
            .flag("node-ip", self.network.node().to_string())
            .flag("root-dir", layout.run("kubelet"))
            .flag("cert-dir", layout.run("kubelet-pki"))
    }

    pub(crate) fn proxy(&self) -> Program {
        Program::new("kube-proxy", self.binaries.path("kube-proxy"))
            .flag("kubeconfig", self.layout.config("kube-proxy.kubeconfig"))
            .flag("hostname-override", NODE)
            .flag("proxy-mode", "iptables")
            .flag("cluster-cidr", self.network.pods.to_string())
            // Answers of pods on the same bridge would otherwise miss the address translation.
            .flag("masquerade-all", "true")
            // The connection tracking limits are the machine's, not the cluster's.
            .flag("conntrack-max-per-core", "0")
            .flag("metrics-bind-address", "127.0.0.1:10249")
            .flag("healthz-bind-address", "127.0.0.1:10256")
    }

    fn cni_configuration(&self) -> PathBuf {
        self.layout.config("cni")
    }

    fn containerd_configuration(&self) -> String {
        let root = self.layout.containerd();
        let text = |path: &Path| json!(path).to_string();
        format!(
            r#"version = 2
root = {root}
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
path = {opt}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
disable_apparmor = true
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PROGRAMS}"
conf_dir = {cni}
"#,
            root = text(&root),
            opt = text(&root.join("opt")),
            cni = text(&self.cni_configuration()),
        )
    }

    /// A bridge whose other side is this machine: no address translation, since the machine has a
    /// route to the pods and they have nowhere else to go.
    fn pod_network(&self) -> String {
        json!({
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "pods",
                    "isGateway": true,
                    "hairpinMode": true,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": self.layout.run("cni"),
                        "ranges": [[{"subnet": self.network.pods.to_string()}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        })
        .to_string()
    }

    /// Pods directly below the cluster's own control group, and neither disk nor images are ever
    /// cleaned up: the node lives for minutes.
    fn kubelet_configuration(&self, pki: &Pki) -> String {
        let layout = self.layout;
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": false,
            "enforceNodeAllocatable": [],
            "failCgroupV1": false,
            "failSwapOn": false,
            "localStorageCapacityIsolation": false,
            "evictionHard": {
                "memory.available": "50Mi",
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
                "imagefs.available": "0%",
                "imagefs.inodesFree": "0%",
            },
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": layout.run("pod-logs"),
            "volumePluginDir": layout.run("plugins"),
            "resolvConf": layout.config("resolv.conf"),
            // Nobody listens there: a name is refused at once, and the kubelet does not complain.
            "clusterDNS": [self.network.node().to_string()],
            "clusterDomain": "cluster.local",
            "tlsCertFile": pki.certificate("kubelet-server"),
            "tlsPrivateKeyFile": pki.key("kubelet-server"),
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": pki.certificate("ca")},
            },
            "authorization": {"mode": "Webhook"},
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs;

    #[test]
    fn the_node_authoriser_knows_the_node_by_its_certificate() {
        assert_eq!(certs::KUBELET.user, format!("system:node:{NODE}"));
    }
}
