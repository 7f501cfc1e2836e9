//! A proxy before the API server, through which a test's operator speaks: it counts the writes that
//! were done, lets something befall one of them, and holds a request until the test lets it go.

mod hold;
mod traffic;

use std::{fmt, sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

pub use hold::Hold;
use traffic::{Asked, Traffic};
pub use traffic::{Blow, Fate, Mark, Strike};

/// A running proxy; it ends when it is dropped.
pub struct Proxy {
    address: String,
    traffic: Arc<Traffic>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one that passes everything on and counts from the start.
    pub async fn start(client: Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let traffic = Arc::new(Traffic::default());
        let task = tokio::spawn(serve(listener, client, Arc::clone(&traffic)));
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

    /// Counts from here on anew, and lets this befall a write.
    pub fn begin(&self, blow: Option<Blow>) {
        self.traffic.begin(blow);
    }

    /// The writes that the API server did, in their order. The Lease and Events do not bear on an
    /// outcome and do not count, nor does a status that differs from the one before it only in
    /// words: how often a rollout is looked at depends on the machine.
    pub fn writes(&self) -> Vec<Mark> {
        self.traffic.writes()
    }

    /// Whether the blow has fallen.
    pub fn has_struck(&self) -> bool {
        self.traffic.has_struck()
    }

    /// Whether the operator has asked for something since the count began, has got its answers, and
    /// was silent for so long since; its watches, its Lease and Events aside.
    pub fn is_calm_for(&self, span: Duration) -> bool {
        self.traffic.is_calm_for(span)
    }

    /// Whether the operator has asked for this, as `secrets/coturn-ca`, since the count began.
    pub fn has_read(&self, object: &str) -> bool {
        self.traffic.has_read(object)
    }

    /// Holds the next request of this method whose path ends so.
    pub fn hold(&self, method: &'static str, path: &'static str) -> Hold {
        self.traffic.hold(method, path)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connection ends without a reply.
#[derive(Debug)]
struct NoReply;

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no reply")
    }
}

impl std::error::Error for NoReply {}

async fn serve(listener: TcpListener, client: Client, traffic: Arc<Traffic>) {
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (client, traffic) = (client.clone(), Arc::clone(&traffic));
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let (client, traffic) = (client.clone(), Arc::clone(&traffic));
                answer(client, traffic, request)
            });
            // An error means that the operator has gone, or that a reply was lost.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    client: Client,
    traffic: Arc<Traffic>,
    request: Request<Incoming>,
) -> Result<Response<Body>, NoReply> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| NoReply)?.to_bytes();
    let asked = Asked::of(&parts, body.clone());
    let open = traffic.note(&asked);
    traffic.pass(&asked).await;
    let onward = onward(parts, body);
    // In a task of its own: what was sent on is counted also if the operator ends meanwhile.
    let (answer, fate) = tokio::spawn(async move {
        let answer = client.send(onward).await.map_err(|_| NoReply)?;
        let fate = traffic.answered(&asked, answer.status());
        drop(open);
        Ok::<_, NoReply>((answer, fate))
    })
    .await
    .map_err(|_| NoReply)??;
    match fate {
        None => Ok(answer),
        Some(Fate::ReplyLost) => Err(NoReply),
        Some(Fate::Fatal(_)) => std::future::pending().await,
    }
}

/// A request of the operator's, as it goes on to the API server.
pub(crate) fn onward(parts: hyper::http::request::Parts, body: Bytes) -> Request<Body> {
    let target = parts.uri.path_and_query();
    let mut onward = Request::builder()
        .method(parts.method)
        .uri(target.map_or("/", |target| target.as_str()));
    for name in ["content-type", "accept"] {
        if let Some(value) = parts.headers.get(name) {
            onward = onward.header(name, value);
        }
    }
    onward.body(Body::from(body)).expect("a request")
}
