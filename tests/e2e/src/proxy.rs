//! A proxy before the API server that kills the operator after its nth write: the server has done
//! it, the operator never learns.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use kube::Client;
use tokio::{net::TcpListener, task::JoinHandle};

/// A running proxy.
pub struct Proxy {
    address: String,
    traffic: Arc<Traffic>,
    task: JoinHandle<()>,
}

/// What passed. A request stands here before the API server has it: who sees what a write did,
/// finds the write here.
#[derive(Default)]
struct Traffic {
    writes: Mutex<Vec<String>>,
    paths: Mutex<Vec<String>>,
    has_struck: AtomicBool,
}

/// Called once, after the nth write was done.
pub type Strike = Arc<dyn Fn() + Send + Sync>;

impl Proxy {
    /// Starts one that strikes after the write number `fatal`, counted from 1.
    pub async fn start(client: Client, fatal: usize, strike: Strike) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let traffic = Arc::new(Traffic::default());
        let noted = Arc::clone(&traffic);
        let router = Router::new().fallback(move |request: Request| {
            let (client, traffic, strike) =
                (client.clone(), Arc::clone(&noted), Arc::clone(&strike));
            async move {
                let is_fatal = traffic.note(&request) == Some(fatal);
                let answer = pass(client, request).await;
                if is_fatal {
                    strike();
                    traffic.has_struck.store(true, Ordering::SeqCst);
                    // The write is done; its reply is lost.
                    std::future::pending::<()>().await;
                }
                answer
            }
        });
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("the proxy serves");
        });
        Self {
            address,
            traffic,
            task,
        }
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The writes that the operator sent: method and path of each.
    pub fn writes(&self) -> Vec<String> {
        self.traffic.writes.lock().unwrap().clone()
    }

    /// Whether the fatal write was done, and the operator killed.
    pub fn has_struck(&self) -> bool {
        self.traffic.has_struck.load(Ordering::SeqCst)
    }

    /// Whether the operator asked for an object of this name.
    pub fn has_passed(&self, name: &str) -> bool {
        let paths = self.traffic.paths.lock().unwrap();
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

impl Traffic {
    /// Notes a request. Returns the number of a write, counted from 1.
    fn note(&self, request: &Request) -> Option<usize> {
        let path = request.uri().path();
        self.paths.lock().unwrap().push(path.to_owned());
        is_counted(request).then(|| {
            let mut writes = self.writes.lock().unwrap();
            writes.push(format!("{} {path}", request.method()));
            writes.len()
        })
    }
}

/// Has the API server answer a request of the operator's, with the rights of the client.
pub(crate) async fn pass(client: Client, request: Request) -> Response {
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
    answer.map(Body::new)
}

/// Writes, but for those that do not bear on the outcome: the Lease and Events.
fn is_counted(request: &Request) -> bool {
    let path = request.uri().path();
    !request.method().is_safe() && !path.contains("/leases") && !path.contains("/events")
}
