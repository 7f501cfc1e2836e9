//! A proxy before the API server at which a test stands: it notes when each request came, holds
//! back some, changes the date of answers, and lets watches fall silent or end.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderValue, header::DATE},
    response::Response,
};
use futures::{Stream, StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use kube::Client;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{proxy::onward, wait};

/// What the API server says to a watch whose revision it has forgotten, as after a compaction.
const GONE: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#;

/// The pause after the fourth attempt in vain, less what a busy machine makes of it.
const LONG: Duration = Duration::from_secs(5);

/// The pause after the first attempt in vain, less what clocks make of it.
const FIRST: Duration = Duration::from_millis(900);
/// Pauses at the beginning that may be shorter than that.
const CUT_SHORT: usize = 2;

/// A running gate.
pub struct Gate {
    address: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    passed: Mutex<Vec<Passed>>,
    shift: Mutex<SignedDuration>,
    held: Mutex<Option<Held>>,
    watches: watch::Sender<Watches>,
    caught: AtomicU64,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Passed {
    /// When it came.
    pub at: Instant,
    /// As `PUT`.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Whether it asked for a watch.
    pub is_watch: bool,
    /// HTTP status code of the answer; none before there is one.
    pub code: Option<u16>,
}

/// What watches do.
#[derive(Clone, Copy, Default)]
struct Watches {
    silent: bool,
    /// How often all open ones were ended.
    ended: u64,
}

/// Requests that do not get through.
struct Held {
    what: What,
    released: watch::Receiver<bool>,
}

/// A method and the end of a path.
#[derive(Clone, Debug)]
pub struct What {
    /// As `PUT`.
    pub method: &'static str,
    /// As `secrets/coturn-dtls-certificate`.
    pub path: String,
}

impl What {
    /// A write over a Secret that exists.
    pub fn replacing(secret: &str) -> Self {
        Self {
            method: "PUT",
            path: format!("/secrets/{secret}"),
        }
    }

    /// A new Secret, of whatever name.
    pub fn creating_a_secret() -> Self {
        Self {
            method: "POST",
            path: "/secrets".to_owned(),
        }
    }

    fn is(&self, method: &str, path: &str) -> bool {
        method == self.method && path.ends_with(&self.path)
    }
}

/// The requests that are held back, until this is released or dropped.
pub struct Hold(watch::Sender<bool>);

impl Hold {
    /// Lets them through, and those that come later.
    pub fn release(self) {
        self.0.send_replace(true);
    }
}

impl Gate {
    /// Starts one, whose requests reach the API server by this client, and with its rights.
    pub async fn start(client: Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let router = Router::new().fallback(move |request: Request| {
            let (client, state) = (client.clone(), Arc::clone(&shared));
            async move { state.let_through(client, request).await }
        });
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("the gate serves");
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Requests that came, but for those of the Lease and of Events.
    pub fn passed(&self) -> Vec<Passed> {
        let passed = self.state.passed.lock().unwrap();
        let counts = |one: &&Passed| !one.path.contains("/leases") && !one.path.contains("/events");
        passed.iter().filter(counts).cloned().collect()
    }

    /// Those of one kind.
    pub fn attempts(&self, what: &What) -> Vec<Passed> {
        let mut passed = self.passed();
        passed.retain(|one| what.is(&one.method, &one.path));
        passed
    }

    /// From this moment on answers bear a date that is later by so much.
    pub fn shift_date(&self, by: SignedDuration) {
        *self.state.shift.lock().unwrap() = by;
    }

    /// From this moment on such requests wait before the API server has them.
    pub fn hold(&self, what: What) -> Hold {
        let (release, released) = watch::channel(false);
        *self.state.held.lock().unwrap() = Some(Held { what, released });
        Hold(release)
    }

    /// Waits until a request is held back.
    pub async fn until_caught(&self) {
        wait::until("a request that is held back", async || {
            (self.state.caught.load(Ordering::SeqCst) > 0).then_some(())
        })
        .await;
    }

    /// From this moment on watches tell nothing, as over a connection that died unnoticed.
    pub fn silence_watches(&self) {
        self.state
            .watches
            .send_modify(|watches| watches.silent = true);
    }

    /// Ends all open watches by what the API server says after a compaction. New ones speak.
    pub fn end_watches(&self) {
        self.state.watches.send_modify(|watches| {
            watches.silent = false;
            watches.ended += 1;
        });
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn let_through(&self, client: Client, request: Request) -> Response {
        let index = self.note(&request);
        let is_watch = is_watch(&request);
        if let Some(mut released) = self.held(&request) {
            self.caught.fetch_add(1, Ordering::SeqCst);
            // Whoever held it back may be gone.
            let _ = released.wait_for(|released| *released).await;
        }
        let watches = self.watches.subscribe();
        let mut answer = pass(client, request).await;
        self.passed.lock().unwrap()[index].code = Some(answer.status().as_u16());
        self.change_date(&mut answer);
        if is_watch {
            answer.map(|body| Body::from_stream(interfered(body, watches)))
        } else {
            answer
        }
    }

    fn note(&self, request: &Request) -> usize {
        let mut passed = self.passed.lock().unwrap();
        passed.push(Passed {
            at: Instant::now(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            is_watch: is_watch(request),
            code: None,
        });
        passed.len() - 1
    }

    /// What such a request has to wait for.
    fn held(&self, request: &Request) -> Option<watch::Receiver<bool>> {
        let (method, path) = (request.method().as_str(), request.uri().path());
        let held = self.held.lock().unwrap();
        let held = held.as_ref().filter(|held| held.what.is(method, path))?;
        let is_released = *held.released.borrow();
        (!is_released).then(|| held.released.clone())
    }

    fn change_date(&self, answer: &mut Response) {
        let shift = *self.shift.lock().unwrap();
        if let Some(date) = answer.headers().get(DATE) {
            let date = shifted(date.to_str().expect("a date"), shift);
            answer.headers_mut().insert(DATE, date);
        }
    }
}

fn shifted(date: &str, by: SignedDuration) -> HeaderValue {
    let date: Timestamp = rfc2822::DateTimeParser::new()
        .parse_timestamp(date)
        .expect("a date");
    let text = rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&(date + by))
        .expect("a year of four digits");
    HeaderValue::from_str(&text).expect("a date")
}

fn is_watch(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair == "watch=true")
}

/// The lines of a watch, as far as they are let through.
fn interfered(
    body: Body,
    watches: watch::Receiver<Watches>,
) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send {
    let opened = watches.borrow().ended;
    let lines = body.into_data_stream().boxed();
    let begin = Some((lines, watches));
    stream::unfold(begin, move |open| async move {
        let (mut lines, mut watches) = open?;
        loop {
            let now = *watches.borrow_and_update();
            if now.ended > opened {
                return Some((Ok(Bytes::from(format!("{GONE}\n"))), None));
            }
            tokio::select! {
                // Silence begins with the call, whatever lines are there already.
                biased;
                // The gate is gone with the test.
                changed = watches.changed() => changed.ok()?,
                line = lines.next(), if !now.silent => return Some((line?, Some((lines, watches)))),
            }
        }
    })
}

/// Stops the test unless each of these came after a longer pause than the one before it, and the last
/// after a long one. What is told of a failure wakes the operator once more: the first pauses may be
/// cut short.
pub fn assert_ever_rarer(attempts: &[Passed]) {
    let pauses: Vec<_> = attempts
        .windows(2)
        .map(|pair| pair[1].at.duration_since(pair[0].at))
        .collect();
    let cut_short = pauses.iter().take_while(|pause| **pause < FIRST).count();
    let is_long = pauses.last().is_some_and(|last| *last > LONG);
    assert!(
        cut_short <= CUT_SHORT && pauses[cut_short..].is_sorted() && is_long,
        "attempts that do not become rarer: {pauses:?}"
    );
}

/// Has the API server answer a request of the operator's, with the rights of the client.
async fn pass(client: Client, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 4 << 20)
        .await
        .expect("a body of the operator's");
    let answer = client.send(onward(parts, body)).await;
    answer.expect("the API server answers").map(Body::new)
}
