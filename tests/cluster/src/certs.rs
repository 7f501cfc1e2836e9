//! The cluster's own certificates: one authority that signs every server and client, valid for
//! one cluster only. None of it concerns the certificates that the operator makes.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};

use crate::{Error, layout};

/// The folder that holds the cluster's certificates and keys.
#[derive(Debug, Clone)]
pub(crate) struct Pki {
    folder: PathBuf,
}

/// A client of the API server: the file name, the user and its group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    pub(crate) user: &'static str,
    group: Option<&'static str>,
}

/// Whoever uses the kubeconfig.
pub(crate) const ADMIN: Client = Client {
    name: "admin",
    user: "kubernetes-admin",
    group: Some("system:masters"),
};
/// The API server as a client of the kubelet.
pub(crate) const KUBELET_CLIENT: Client = Client {
    name: "apiserver-kubelet-client",
    user: "kube-apiserver-kubelet-client",
    group: Some("system:masters"),
};
/// The controller manager.
pub(crate) const CONTROLLER_MANAGER: Client = Client {
    name: "controller-manager",
    user: "system:kube-controller-manager",
    group: None,
};
/// The scheduler.
pub(crate) const SCHEDULER: Client = Client {
    name: "scheduler",
    user: "system:kube-scheduler",
    group: None,
};
/// The kubelet; the user is what the Node authoriser knows the node by.
pub(crate) const KUBELET: Client = Client {
    name: "kubelet",
    user: "system:node:node",
    group: Some("system:nodes"),
};
/// The proxy.
pub(crate) const PROXY: Client = Client {
    name: "kube-proxy",
    user: "system:kube-proxy",
    group: None,
};

const CLIENTS: [Client; 6] = [
    ADMIN,
    KUBELET_CLIENT,
    CONTROLLER_MANAGER,
    SCHEDULER,
    KUBELET,
    PROXY,
];

impl Pki {
    /// The certificates in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Makes everything anew. The API server answers to `api_server`, the kubelet to `node`.
    pub(crate) fn create(&self, api_server: &[IpAddr], node: IpAddr) -> Result<(), Error> {
        let authority = self.authority()?;
        self.server(&authority, "apiserver", API_SERVER_NAMES, api_server)?;
        self.server(&authority, "kubelet-server", &["node"], &[node])?;
        for client in CLIENTS {
            self.client(&authority, client)?;
        }
        self.service_account_key()
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.crt"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    pub(crate) fn service_account_public_key(&self) -> PathBuf {
        self.folder.join("service-account.pub")
    }

    fn authority(&self) -> Result<CertifiedIssuer<'static, KeyPair>, Error> {
        let failed = |source| Error::Certificate { name: "ca", source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = params("ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        self.write_key("ca", &key)?;
        let authority = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
        layout::write(&self.certificate("ca"), authority.pem())?;
        Ok(authority)
    }

    fn server(
        &self,
        authority: &CertifiedIssuer<'static, KeyPair>,
        name: &'static str,
        dns: &[&str],
        addresses: &[IpAddr],
    ) -> Result<(), Error> {
        let mut params = params(name, None);
        for dns in dns {
            let dns = (*dns)
                .try_into()
                .map_err(|source| Error::Certificate { name, source })?;
            params.subject_alt_names.push(SanType::DnsName(dns));
        }
        params
            .subject_alt_names
            .extend(addresses.iter().copied().map(SanType::IpAddress));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(authority, name, &params)
    }

    fn client(
        &self,
        authority: &CertifiedIssuer<'static, KeyPair>,
        client: Client,
    ) -> Result<(), Error> {
        let mut params = params(client.user, client.group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(authority, client.name, &params)
    }

    fn issue(
        &self,
        authority: &CertifiedIssuer<'static, KeyPair>,
        name: &'static str,
        params: &CertificateParams,
    ) -> Result<(), Error> {
        let failed = |source| Error::Certificate { name, source };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, authority).map_err(failed)?;
        self.write_key(name, &key)?;
        layout::write(&self.certificate(name), certificate.pem())
    }

    fn service_account_key(&self) -> Result<(), Error> {
        let name = "service-account";
        let key = KeyPair::generate().map_err(|source| Error::Certificate { name, source })?;
        self.write_key(name, &key)?;
        layout::write(&self.service_account_public_key(), key.public_key_pem())
    }

    fn write_key(&self, name: &str, key: &KeyPair) -> Result<(), Error> {
        let path = self.key(name);
        write_private(&path, key.serialize_pem().as_bytes())
    }
}

/// The names by which pods and people reach the API server.
const API_SERVER_NAMES: &[&str] = &[
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
];

fn params(common_name: &str, organization: Option<&str>) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let outcome = options
        .open(path)
        .and_then(|mut file| file.write_all(content));
    outcome.map_err(Error::file("write", path))
}

/// The PEM text of a certificate or key.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::file("read", path))
}
