//! The wiring: what wakes which pass, and what becomes of its result.

mod workloads;

use std::{
    fmt::Debug,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use api::{WorkloadKind, WorkloadRef};
use futures::{Stream, StreamExt as _};
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        Controller,
        controller::{self, Action, Config},
        reflector::{ObjectRef, Store},
        watcher::{self, Event},
    },
};
use plan::rollout::{SingleRestarts, Touches};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::{
    backoff::{Backoff, Range},
    barrier, certificate,
    clock::ServerClock,
    contests::Contests,
    context::{Context, Guarded},
    error::{Category, Error, ObjectName},
    events::Events,
    facts::Facts,
    health::Health,
    metrics::Metrics,
    partners::Partners,
    prober::Prober,
    redact::redact,
    secret_watch, wake, watches,
};

use workloads::Watches;

/// Passes that run at one time, per controller.
const CONCURRENCY: u16 = 16;
/// Events that arrive together are one pass.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How long a resource waits after a failure: ever longer.
const AFTER_A_FAILURE: Range = Range {
    first: Duration::from_secs(1),
    longest: Duration::from_mins(5),
};
/// How long after an object changed under a pass: mostly the watch is a moment behind.
const AFTER_A_CHANGE: Range = Range {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(30),
};
/// How long it may take to report a pass that broke off.
const REPORT: Duration = Duration::from_secs(30);

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
    /// Whether single pods may be deleted.
    pub single_restarts: SingleRestarts,
    /// Whether the kubelet may be hurried.
    pub touches: Touches,
    /// Kinds of the workloads that may be restarted.
    pub workload_kinds: Vec<WorkloadKind>,
    /// This replica's name.
    pub identity: String,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The API server's clock, as `client` hears of it.
    pub clock: ServerClock,
    /// Health.
    pub health: Arc<Health>,
}

struct Shared {
    context: Context,
    health: Arc<Health>,
    failures: Backoff<ObjectName>,
}

/// Runs the controllers until `stop` says true, then lets running passes end. Dropped, it ends
/// them at once, as a crash would.
pub async fn run(setup: Setup, stop: watch::Receiver<bool>) {
    let ready = &setup.health.ready;
    let certificates = watches::watch(
        "CoturnCertificates",
        Api::<Guarded>::namespaced(setup.watch_client.clone(), &setup.namespace),
        watcher::Config::default(),
        watches::as_it_is,
    );
    let workloads = Watches::start(&setup);
    let (index, touched_secrets) = secret_watch::watch(
        &setup.watch_client,
        &setup.namespace,
        &setup.secret_names,
        ready,
    );
    ready.expect("CoturnCertificates", certificates.listed.clone());
    let (bell, calls) = wake::bell();
    let shared = Arc::new(Shared {
        context: Context {
            single_restarts: setup.single_restarts,
            touches: setup.touches,
            partners: Partners::new(
                setup.client.clone(),
                &setup.namespace,
                setup.clock.clone(),
                bell.clone(),
                Arc::clone(&setup.metrics),
            ),
            prober: Prober::new(
                setup.client.clone(),
                &setup.namespace,
                setup.clock.clone(),
                bell.clone(),
                Arc::clone(&setup.metrics),
            ),
            namespace: setup.namespace,
            events: Events::new(setup.client.clone(), &setup.identity),
            conflicts: Backoff::new(AFTER_A_CHANGE),
            restorations: Contests::default(),
            stamps: Contests::default(),
            client: setup.client,
            certificates: certificates.known(),
            workloads: workloads.known(),
            secrets: index,
            facts: Facts::default(),
            metrics: setup.metrics,
            clock: setup.clock,
            bell,
        },
        health: setup.health,
        failures: Backoff::new(AFTER_A_FAILURE),
    });
    let certificate_events = heeding(&shared, certificates.events, |shared, event| {
        let context = &shared.context;
        context
            .bell
            .heed_certificate(&context.certificates.store, event);
        if let Event::Delete(gone) = event {
            shared.forget_certificate(&gone.name_any());
        }
    });
    let touched_secrets = heeding(&shared, touched_secrets, |shared, touched| {
        let context = &shared.context;
        context
            .bell
            .heed_secret(&context.certificates.store, touched);
    });
    let namespace = shared.context.namespace.clone();
    let certificates = certificate_passes(
        controller(certificate_events, certificates.store)
            .reconcile_on(references(calls.certificates, namespace))
            .graceful_shutdown_on(stopped(stop.clone())),
        Arc::clone(&shared),
    );
    let workloads = workloads.run(calls.workloads, shared, stop);
    tokio::select! {
        _ = futures::future::join(certificates, workloads) => {}
        // A watch has no end.
        () = touched_secrets.for_each(async |_| {}) => {}
    }
}

fn config() -> Config {
    Config::default()
        .debounce(DEBOUNCE)
        .concurrency(CONCURRENCY)
}

async fn certificate_passes(controller: Controller<Guarded>, shared: Arc<Shared>) {
    let results = controller.with_config(config()).run(
        certificate_pass,
        |guarded, error, shared| shared.failed(certificate::object_name(&guarded), error),
        Arc::clone(&shared),
    );
    results
        .for_each(async |result| {
            if let Err(controller::Error::ObjectNotFound(gone)) = &result {
                shared.forget_certificate(&gone.name);
            }
            tell(&result);
        })
        .await;
}

/// A stream whose items are heeded as they pass.
fn heeding<T: Send + 'static>(
    shared: &Arc<Shared>,
    stream: impl Stream<Item = T> + Send + 'static,
    heed: fn(&Shared, &T),
) -> impl Stream<Item = T> + Send + 'static {
    let shared = Arc::clone(shared);
    stream.inspect(move |item| heed(&shared, item))
}

/// A controller over the objects of a watch, whose failures never reach it: it would hold back every
/// other event for them.
fn controller<K>(
    events: impl Stream<Item = Event<K>> + Send + 'static,
    store: Store<K>,
) -> Controller<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let objects = watches::objects(store.clone(), events);
    Controller::for_stream(objects.map(Ok), store)
}

fn references<K>(
    names: impl Stream<Item = String> + Send + 'static,
    namespace: String,
) -> impl Stream<Item = ObjectRef<K>> + Send + 'static
where
    K: kube::Resource<DynamicType = ()> + 'static,
{
    names.map(move |name| ObjectRef::new(&name).within(&namespace))
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives as long as the process: an error means that it ends as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn certificate_pass(guarded: Arc<Guarded>, shared: Arc<Shared>) -> Result<Action, Error> {
    let object = certificate::object_name(&guarded);
    let pass = Box::pin(certificate::reconcile(&shared.context, &guarded));
    let result = shared.run("CoturnCertificate", object.clone(), pass).await;
    if let Err(error) = &result
        && broke_off(error)
    {
        let report = certificate::broke_off(&shared.context, &guarded, error);
        if let Err(error) = barrier::guard(object, REPORT, report).await {
            tracing::warn!(reason = error.reason().as_str(), "{error}");
        }
    }
    result
}

/// Whether a pass ended in the middle, so that it could report nothing itself.
const fn broke_off(error: &Error) -> bool {
    matches!(error, Error::Deadline { .. } | Error::Panicked { .. })
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
        self.forget_failures(&object);
        Ok(Action::requeue(wait))
    }

    fn forget_certificate(&self, name: &str) {
        let context = &self.context;
        context.forget(name);
        self.forget_failures(&ObjectName::new(
            "CoturnCertificate",
            &context.namespace,
            name,
        ));
    }

    fn forget_workload(&self, workload: &WorkloadRef) {
        let (kind, namespace) = (workload.kind.as_str(), &self.context.namespace);
        self.context.forget_workload(workload);
        self.forget_failures(&ObjectName::new(kind, namespace, &workload.name));
    }

    fn forget_failures(&self, object: &ObjectName) {
        self.failures.forget(object);
        self.context.conflicts.forget(object);
    }

    fn failed(&self, object: ObjectName, error: &Error) -> Action {
        let conflicts = &self.context.conflicts;
        let after_a_change = match error.category() {
            Category::Stale => conflicts.failed(object.clone()),
            Category::Failure => return Action::requeue(self.failures.failed(object)),
        };
        if !self.context.is_failure(&object, error) {
            return Action::requeue(after_a_change);
        }
        tracing::warn!(
            reason = error.reason().as_str(),
            times = conflicts.count(&object),
            "{error}, time and again"
        );
        Action::requeue(self.failures.failed(object))
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
        Err(controller::Error::ReconcilerFailed(error, _)) if broke_off(error) => {
            tracing::error!(reason = error.reason().as_str(), "{error}");
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
