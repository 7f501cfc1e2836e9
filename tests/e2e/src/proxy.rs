//! A proxy before the API server that kills the operator after its nth write: the server has done
//! it, the operator never learns.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use kube::Client;
use tokio::{net::TcpListener, task::JoinHandle};

/// A running proxy.
pub struct Proxy {
    address: String,
    writes: Arc<AtomicUsize>,
    paths: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// Called once, after the nth write was done.
pub type Strike = Arc<dyn Fn() + Send + Sync>;

impl Proxy {
    /// Starts one that strikes after the write number `fatal`, counted from 1.
    pub async fn start(client: Client, fatal: usize, strike: Strike) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let writes = Arc::new(AtomicUsize::new(0));
        let paths = Arc::new(Mutex::new(Vec::new()));
        let (count, noted) = (Arc::clone(&writes), Arc::clone(&paths));
        let router = Router::new().fallback(move |request: Request| {
            noted.lock().unwrap().push(request.uri().path().to_owned());
            let (client, count, strike) = (client.clone(), Arc::clone(&count), Arc::clone(&strike));
            async move { pass(client, request, fatal, &count, &strike).await }
        });
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("the proxy serves");
        });
        Self {
            address,
            writes,
            paths,
            task,
        }
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Writes that the operator sent.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Whether the operator asked for an object of this name.
    pub fn has_passed(&self, name: &str) -> bool {
        let paths = self.paths.lock().unwrap();
        paths
            .iter()
            .any(|path| path.rsplit('/').next() == Some(name))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    client: Client,
    request: Request,
    fatal: usize,
    count: &AtomicUsize,
    strike: &Strike,
) -> Response {
    let counts = is_counted(&request);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 4 << 20)
        .await
        .expect("a body of the operator's");
    let mut onward = axum::http::Request::builder().method(parts.method).uri(
        parts
            .uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string),
    );
    for name in ["content-type", "accept"] {
        if let Some(value) = parts.headers.get(name) {
            onward = onward.header(name, value);
        }
    }
    let onward = onward
        .body(kube::client::Body::from(body.to_vec()))
        .expect("a request");
    let answer = client.send(onward).await.expect("the API server answers");
    if counts && count.fetch_add(1, Ordering::SeqCst) + 1 == fatal {
        strike();
        // The write is done; its reply is lost.
        std::future::pending::<()>().await;
    }
    answer.map(Body::new)
}

/// Writes, but for those that do not bear on the outcome: the Lease and Events.
fn is_counted(request: &Request) -> bool {
    let path = request.uri().path();
    !request.method().is_safe() && !path.contains("/leases") && !path.contains("/events")
}
