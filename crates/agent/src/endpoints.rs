//! `/healthz`, `/readyz` and `/metrics`.
//!
//! `/healthz`: a restart would not help. `/readyz`: a change would reach coturn, or what is in the way;
//! it is for people and for the operator, not for the pod's readiness: calls go on without the agent.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use axum::{Router, http::StatusCode, routing::get};

use crate::{metrics::Metrics, status::Board};

/// Linux's number for an address family that the kernel lacks.
const EAFNOSUPPORT: i32 = 97;

/// Listens on the address. On a node without IPv6, every address of IPv4 stands for every address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = match TcpListener::bind(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && lacks_ipv6(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port()))
        }
        bound => bound,
    }?;
    Ok(listener)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// Serves the endpoints until the process ends.
pub async fn serve(
    listener: TcpListener,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let ready = Arc::clone(&board);
    let router = Router::new()
        .route("/healthz", get(async move || answer(board.liveness())))
        .route("/readyz", get(async move || answer(ready.readiness())))
        .route("/metrics", get(async move || exposition(&metrics)));
    axum::serve(listener, router).await
}

fn answer(state: Result<(), String>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

type Exposition = (StatusCode, [(&'static str, &'static str); 1], String);

fn exposition(metrics: &Metrics) -> Exposition {
    let kind = [(
        "content-type",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    match metrics.text() {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, kind, String::new()),
    }
}
