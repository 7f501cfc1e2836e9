//! `/healthz`, `/readyz` and `/metrics`, of the agent and of the operator alike.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use axum::{Router, http::StatusCode, routing::get};

/// Linux's number for an address family that the kernel lacks; the standard library has no name
/// for it.
const EAFNOSUPPORT: i32 = 97;

/// What the endpoints tell.
pub trait Source: Send + Sync + 'static {
    /// Err if only a restart helps, with the reason.
    ///
    /// # Errors
    /// The reason.
    fn liveness(&self) -> Result<(), String>;

    /// Err if this process does not do its part, with the reason.
    ///
    /// # Errors
    /// The reason.
    fn readiness(&self) -> Result<(), String>;

    /// The metrics, as `OpenMetrics` 1.0.0 writes them.
    ///
    /// # Errors
    /// What its writer cannot write.
    fn metrics(&self) -> Result<String, fmt::Error>;
}

/// Listens on the address. On a node without IPv6, every address of IPv4 stands for every address.
///
/// # Errors
/// What the kernel says against it.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let error = match TcpListener::bind(address) {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let Some(instead) = without_ipv6(address, &error) else {
        return Err(error);
    };
    tracing::warn!(%address, %instead, %error, "this node has no IPv6; IPv4 is served instead");
    TcpListener::bind(instead)
}

/// What to listen on instead if every address was meant and IPv6 is what is missing.
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let missing = error.raw_os_error() == Some(EAFNOSUPPORT)
        || error.kind() == io::ErrorKind::AddrNotAvailable;
    let every = address.is_ipv6() && address.ip().is_unspecified();
    (every && missing).then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
}

/// Serves the endpoints until the process ends.
///
/// # Errors
/// Those of the listener.
pub async fn serve(listener: TcpListener, source: impl Source + Clone) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (live, ready) = (source.clone(), source.clone());
    let router = Router::new()
        .route("/healthz", get(async move || answer(live.liveness())))
        .route("/readyz", get(async move || answer(ready.readiness())))
        .route("/metrics", get(async move || exposition(source.metrics())));
    axum::serve(listener, router).await
}

fn answer(state: Result<(), String>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

type Exposition = (StatusCode, [(&'static str, &'static str); 1], String);

fn exposition(metrics: Result<String, fmt::Error>) -> Exposition {
    let kind = [(
        "content-type",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    match metrics {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, kind, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_served_where_there_is_no_ipv6() {
        let missing = io::Error::from_raw_os_error(EAFNOSUPPORT);
        let taken = io::Error::from(io::ErrorKind::AddrInUse);
        let every: SocketAddr = "[::]:8080".parse().unwrap();
        let one: SocketAddr = "[::1]:8080".parse().unwrap();
        let instead = "0.0.0.0:8080".parse().unwrap();
        assert_eq!(without_ipv6(every, &missing), Some(instead));
        assert_eq!(without_ipv6(every, &taken), None);
        assert_eq!(without_ipv6(one, &missing), None);
    }
}
