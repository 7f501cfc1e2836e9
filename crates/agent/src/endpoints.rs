//! `/healthz`, `/readyz` and `/metrics`, of the agent and of the operator alike.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::Semaphore, time};
use tower::Service as _;

/// Linux's number for an address family that the kernel lacks; the standard library has no name
/// for it.
const EAFNOSUPPORT: i32 = 97;

/// How many connections there are at once; others wait.
const AT_ONCE: usize = 32;
/// How long to wait after the system refused a connection, as for lack of descriptors.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);

/// What a connection is given.
#[derive(Clone, Copy)]
struct Patience {
    /// Until its request has come.
    request: Duration,
    /// From its begin to its end: each has one request.
    all: Duration,
}

const PATIENCE: Patience = Patience {
    request: Duration::from_secs(2),
    all: Duration::from_secs(10),
};

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

/// Serves the endpoints until the process ends. Bounded in connections and time: with `hostNetwork` the
/// address is the node's.
///
/// # Errors
/// Those of the listener.
pub async fn serve(listener: TcpListener, source: impl Source + Clone) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    accept(listener, router(source), PATIENCE).await
}

fn router(source: impl Source + Clone) -> Router {
    let (live, ready) = (source.clone(), source.clone());
    Router::new()
        .route("/healthz", get(async move || answer(live.liveness())))
        .route("/readyz", get(async move || answer(ready.readiness())))
        .route("/metrics", get(async move || exposition(source.metrics())))
}

async fn accept(
    listener: tokio::net::TcpListener,
    router: Router,
    patience: Patience,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let Ok((stream, _)) = listener.accept().await else {
            time::sleep(AFTER_AN_ERROR).await;
            continue;
        };
        let served = connection(stream, router.clone(), patience);
        tokio::spawn(async move {
            // Whoever is too slow is gone.
            let _ = time::timeout(patience.all, served).await;
            drop(place);
        });
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    patience: Patience,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| router.clone().call(request));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.request)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
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
    use std::io::{Read as _, Write as _};

    use tokio::task::JoinHandle;

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

    #[derive(Clone)]
    struct Fine;

    impl Source for Fine {
        fn liveness(&self) -> Result<(), String> {
            Ok(())
        }

        fn readiness(&self) -> Result<(), String> {
            Ok(())
        }

        fn metrics(&self) -> Result<String, fmt::Error> {
            Ok(String::new())
        }
    }

    /// Endpoints that wait so long for a request.
    async fn endpoints(request: Duration) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let all = Duration::from_mins(10);
        tokio::spawn(accept(listener, router(Fine), Patience { request, all }));
        address
    }

    /// What a connection that sends this is told until its end, which comes within ten seconds.
    fn told(address: SocketAddr, request: &'static str) -> JoinHandle<String> {
        tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let patience = Some(Duration::from_secs(10));
            stream.set_read_timeout(patience).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut told = String::new();
            stream.read_to_string(&mut told).unwrap();
            told
        })
    }

    const REQUEST: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

    #[tokio::test]
    async fn a_connection_has_one_request_and_ends() {
        let address = endpoints(Duration::from_mins(10)).await;
        let told = told(address, REQUEST).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 200 OK"), "{told}");
    }

    #[tokio::test]
    async fn who_begins_a_request_and_does_not_end_it_is_gone_and_others_are_served() {
        let address = endpoints(Duration::from_millis(500)).await;
        let begun = "GET /healthz HTTP/1.1\r\n";
        let slow: Vec<_> = (0..2 * AT_ONCE).map(|_| told(address, begun)).collect();
        let other = told(address, REQUEST).await.unwrap();
        assert!(other.starts_with("HTTP/1.1 200 OK"), "{other}");
        for slow in slow {
            assert!(!slow.await.unwrap().contains("200 OK"));
        }
    }
}
