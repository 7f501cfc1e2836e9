//! A context to work with in tests: its requests are answered by a function, and its watches see
//! nothing.

use std::{convert::Infallible, time::Duration};

use axum::http::{Request, Response, StatusCode};
use kube::{
    client::Body,
    runtime::{reflector::store::Writer, watcher::Event},
};
use serde_json::Value;

use super::*;
use crate::{backoff::Range, health::Ready, secret_watch, wake};

/// The namespace that is served.
pub const NAMESPACE: &str = "wire";

/// With these resources, and an API server that answers each request by this.
pub fn context(certificates: &[Guarded], answer: fn(&Request<Body>) -> Value) -> Context {
    let client = client(answer);
    let (secrets, _) = secret_watch::watch(&client, NAMESPACE, &[], &Ready::default());
    let (metrics, bell) = (Arc::<Metrics>::default(), wake::bell().0);
    let clock = ServerClock::default();
    Context {
        prober: Prober::new(
            client.clone(),
            NAMESPACE,
            clock.clone(),
            bell.clone(),
            Arc::clone(&metrics),
        ),
        partners: Partners::new(
            client.clone(),
            NAMESPACE,
            clock.clone(),
            bell.clone(),
            Arc::clone(&metrics),
        ),
        touches: Touches::default(),
        namespace: NAMESPACE.to_owned(),
        single_restarts: SingleRestarts::default(),
        certificates: known(certificates),
        workloads: Workloads {
            stateful_sets: None,
            deployments: None,
            daemon_sets: None,
        },
        secrets,
        facts: Facts::default(),
        events: Events::new(client.clone(), "replica"),
        restorations: Contests::default(),
        stamps: Contests::default(),
        conflicts: Backoff::new(Range {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(1),
        }),
        metrics,
        clock,
        bell,
        client,
    }
}

/// An API server that answers each request by this; a `Status` with its code.
pub fn client(answer: fn(&Request<Body>) -> Value) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer(&request);
        let mut response = Response::new(Body::from(serde_json::to_vec(&answer).unwrap()));
        *response.status_mut() = code(&answer);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    Client::new(service, NAMESPACE)
}

fn code(answer: &Value) -> StatusCode {
    let code = answer["code"]
        .as_u64()
        .filter(|_| answer["kind"] == "Status");
    code.map_or(StatusCode::OK, |code| {
        StatusCode::from_u16(u16::try_from(code).unwrap()).unwrap()
    })
}

fn known(certificates: &[Guarded]) -> Known<Guarded> {
    let mut writer = Writer::<Guarded>::default();
    for certificate in certificates {
        writer.apply_watcher_event(&Event::Apply(certificate.clone()));
    }
    Known::complete(writer.as_reader())
}
