//! Which files turnserver reads for its listeners.

use crate::{Configuration, Setting};

/// Files, each as its option was given last. TLS and DTLS take the first three; the fork's federation
/// takes its own pair and the same `CA-file`, which replaces the system's bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Files<'a> {
    /// `cert`: PEM, leaf first.
    pub certificate: Option<&'a Setting>,
    /// `pkey`: PEM.
    pub key: Option<&'a Setting>,
    /// `CA-file`: PEM, all authorities in one file. With it, TLS and DTLS demand client certificates.
    pub authorities: Option<&'a Setting>,
    /// `dh-file`: PEM.
    pub dh: Option<&'a Setting>,
    /// `federation-cert`: PEM, leaf first; presented as server and as client.
    pub federation_certificate: Option<&'a Setting>,
    /// `federation-pkey`: PEM.
    pub federation_key: Option<&'a Setting>,
}

impl Configuration {
    /// The files that turnserver reads.
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        Files {
            certificate: self.last("cert"),
            key: self.last("pkey"),
            authorities: self.last("CA-file"),
            dh: self.last("dh-file"),
            federation_certificate: self.last("federation-cert"),
            federation_key: self.last("federation-pkey"),
        }
    }
}
