//! The wiring: what wakes which pass, and what becomes of its result.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        Controller,
        controller::{self, Action, Config},
        events::Recorder,
        reflector::{ObjectRef, Store},
        watcher::{self, Event},
    },
};
use tokio::sync::watch;

use api::{CoturnCertificate, names};

use crate::{
    backoff::Backoff,
    barrier, certificate,
    context::{Context, Guarded},
    error::{Category, Error, ObjectName},
    facts::Facts,
    health::Health,
    metrics::Metrics,
    redact::redact,
    secret_watch,
    watches::{self, applied, touched},
    workload,
};

/// Passes that run at one time, per controller.
const CONCURRENCY: u16 = 16;
/// Events that arrive together are one pass.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// After an object changed under a pass.
const AT_ONCE: Duration = Duration::from_millis(200);

/// What the controllers run with.
pub struct Setup {
    /// For requests.
    pub client: Client,
    /// For watches.
    pub watch_client: Client,
    /// The namespace that is served.
    pub namespace: String,
    /// Names of the Secrets that may be read; none: all.
    pub secret_names: Vec<String>,
    /// This replica's name.
    pub identity: String,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Health.
    pub health: Arc<Health>,
}

struct Shared {
    context: Context,
    health: Arc<Health>,
    failures: Backoff<ObjectName>,
}

/// Runs both controllers until `stop` says true, then lets running passes end.
pub async fn run(setup: Setup, stop: watch::Receiver<bool>) {
    let certificates_api: Api<Guarded> =
        Api::namespaced(setup.watch_client.clone(), &setup.namespace);
    let workloads_api: Api<StatefulSet> =
        Api::namespaced(setup.watch_client.clone(), &setup.namespace);
    let watch_certificates = || {
        watches::watch(
            "CoturnCertificates",
            certificates_api.clone(),
            watcher::Config::default(),
        )
    };
    let watch_workloads = || {
        watches::watch(
            "StatefulSets",
            workloads_api.clone(),
            watcher::Config::default(),
        )
    };
    let ready = &setup.health.ready;
    let (index, touched_secrets) = secret_watch::watch(
        &setup.watch_client,
        &setup.namespace,
        &setup.secret_names,
        ready,
    );
    // Each controller has its own watch of either kind: as its own objects, or to be woken.
    let (certificates, workloads) = (watch_certificates(), watch_workloads());
    let (touched_certificates, touched_workloads) = (watch_certificates(), watch_workloads());
    ready.expect("CoturnCertificates", certificates.listed);
    ready.expect("StatefulSets", workloads.listed);
    let shared = Arc::new(Shared {
        context: Context {
            namespace: setup.namespace,
            recorder: Recorder::new(setup.client.clone(), Context::reporter(&setup.identity)),
            client: setup.client,
            certificates: certificates.store.clone(),
            workloads: workloads.store.clone(),
            secrets: index,
            facts: Facts::default(),
            metrics: setup.metrics,
        },
        health: setup.health,
        failures: Backoff::default(),
    });
    let metrics = Arc::clone(&shared.context.metrics);
    let by_secret = users_of_secrets(
        certificates.store.clone(),
        touched_secrets,
        shared.context.namespace.clone(),
    );
    let by_workload = certificates.store.clone();
    let config = || {
        Config::default()
            .debounce(DEBOUNCE)
            .concurrency(CONCURRENCY)
    };
    let certificate_controller =
        Controller::for_stream(objects(certificates.events, applied), certificates.store)
            .with_config(config())
            .reconcile_on(by_secret)
            .watches_stream(
                objects(touched_workloads.events, touched),
                move |workload| users_of_workload(&by_workload, &workload),
            )
            .graceful_shutdown_on(stopped(stop.clone()))
            .run(
                certificate_pass,
                |guarded, error, shared| shared.failed(certificate::object_name(&guarded), error),
                Arc::clone(&shared),
            )
            .for_each(async |result| {
                if let Err(controller::Error::ObjectNotFound(gone)) = &result {
                    metrics.forget(&gone.name);
                }
                tell(&result);
            });
    let workload_controller =
        Controller::for_stream(objects(workloads.events, applied), workloads.store)
            .with_config(config())
            .watches_stream(objects(touched_certificates.events, touched), workload_of)
            .graceful_shutdown_on(stopped(stop))
            .run(
                workload_pass,
                |workload, error, shared| shared.failed(workload::object_name(&workload), error),
                shared,
            )
            .for_each(async |result| tell(&result));
    futures::join!(certificate_controller, workload_controller);
}

/// The objects that wake a controller. A watch's failures never reach it: it would hold back every
/// other event for them.
fn objects<K: Send + 'static>(
    events: impl Stream<Item = Event<K>> + Send + 'static,
    select: fn(Event<K>) -> Option<K>,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static {
    events.filter_map(move |event| std::future::ready(select(event).map(Ok)))
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives as long as the process: an error means that it ends as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The resources that a touched Secret concerns: as their authority, store, or published Secret.
fn users_of_secrets(
    certificates: Store<Guarded>,
    touched: impl Stream<Item = String> + Send + 'static,
    namespace: String,
) -> impl Stream<Item = ObjectRef<Guarded>> + Send + 'static {
    touched.flat_map(move |secret| {
        let users: Vec<_> = certificates
            .state()
            .iter()
            .filter(|guarded| {
                guarded
                    .0
                    .as_ref()
                    .is_ok_and(|certificate| uses(certificate, &secret))
            })
            .map(|guarded| ObjectRef::new(&guarded.name_any()).within(&namespace))
            .collect();
        stream::iter(users)
    })
}

fn uses(certificate: &CoturnCertificate, secret: &str) -> bool {
    let spec = &certificate.spec;
    spec.secret_name == secret
        || spec
            .issuer
            .ca
            .as_ref()
            .is_some_and(|ca| ca.secret_name == secret)
        || names::store_secret(&certificate.name_any()) == secret
}

fn users_of_workload(
    certificates: &Store<Guarded>,
    workload: &StatefulSet,
) -> Vec<ObjectRef<Guarded>> {
    let (name, namespace) = (
        workload.name_any(),
        workload.namespace().unwrap_or_default(),
    );
    certificates
        .state()
        .iter()
        .filter(|guarded| {
            guarded.0.as_ref().is_ok_and(|certificate| {
                certificate
                    .spec
                    .workload_ref
                    .as_ref()
                    .is_some_and(|reference| reference.name == name)
            })
        })
        .map(|guarded| ObjectRef::new(&guarded.name_any()).within(&namespace))
        .collect()
}

fn workload_of(guarded: Guarded) -> Option<ObjectRef<StatefulSet>> {
    let certificate = guarded.0.ok()?;
    let reference = certificate.spec.workload_ref.as_ref()?;
    Some(ObjectRef::new(&reference.name).within(&certificate.namespace()?))
}

async fn certificate_pass(guarded: Arc<Guarded>, shared: Arc<Shared>) -> Result<Action, Error> {
    let object = certificate::object_name(&guarded);
    let pass = Box::pin(certificate::reconcile(&shared.context, &guarded));
    shared.run("CoturnCertificate", object, pass).await
}

async fn workload_pass(workload: Arc<StatefulSet>, shared: Arc<Shared>) -> Result<Action, Error> {
    let object = workload::object_name(&workload);
    let pass = Box::pin(workload::reconcile(&shared.context, &workload));
    shared.run("StatefulSet", object, pass).await
}

impl Shared {
    async fn run(
        &self,
        kind: &'static str,
        object: ObjectName,
        pass: Pin<Box<impl Future<Output = Result<Duration, Error>>>>,
    ) -> Result<Action, Error> {
        let started = Instant::now();
        let running = self.health.pass();
        let result = barrier::guard(object.clone(), barrier::DEADLINE, pass).await;
        drop(running);
        let metrics = &self.context.metrics;
        metrics.took(started.elapsed());
        metrics.passed(
            kind,
            result
                .as_ref()
                .map_or_else(|error| error.reason().as_str(), |_| "ok"),
        );
        let wait = result?;
        self.failures.succeeded(&object);
        Ok(Action::requeue(wait))
    }

    fn failed(&self, object: ObjectName, error: &Error) -> Action {
        match error.category() {
            Category::Stale => Action::requeue(AT_ONCE),
            Category::Failure => Action::requeue(self.failures.failed(object)),
        }
    }
}

fn tell<K: kube::runtime::reflector::Lookup>(
    result: &Result<(ObjectRef<K>, Action), controller::Error<Error, watcher::Error>>,
) where
    K::DynamicType: std::fmt::Debug,
{
    match result {
        Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
        Err(controller::Error::ReconcilerFailed(error, _))
            if error.category() == Category::Stale =>
        {
            tracing::debug!("{error}");
        }
        Err(controller::Error::ReconcilerFailed(error, _)) => {
            tracing::warn!(reason = error.reason().as_str(), "{error}");
        }
        Err(error) => tracing::warn!(
            error = redact(&error.to_string()),
            "a watch failed; it is tried again"
        ),
    }
}
