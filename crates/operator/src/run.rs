//! From start to end of the process: clients, health, Lease, controllers, shutdown.

use std::{sync::Arc, time::Duration};

use agent::endpoints;
use kube::{Client, Config, client::ClientBuilder};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    args::Args,
    barrier,
    clock::ServerClock,
    controllers::{self, Setup},
    health::{Health, Told},
    lease::Candidate,
    metrics::Metrics,
    redact::redact,
};

/// How long an answer to an ordinary request may take.
const ANSWER: Duration = Duration::from_secs(20);
/// How long a watch may be silent: longer than the server lets a watch live.
const SILENCE: Duration = Duration::from_secs(310);
/// How long to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// How long running passes may take to end after a signal, while the Lease is held.
const GRACE: Duration = Duration::from_secs(20);

/// Why the operator could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No configuration for the API server.
    #[error(
        "cannot find the API server: {0}; run in a pod with a service account, or set KUBECONFIG"
    )]
    Config(String),
    /// The configuration cannot be used.
    #[error("cannot use the configuration for the API server: {0}")]
    Client(String),
    /// The address is taken or not this machine's.
    #[error("cannot serve /healthz on {address}: {error}; choose another address with --listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The process cannot be told to stop.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// The Lease is another replica's.
    #[error("the Lease {0} was lost; this replica ends and stands by again after its restart")]
    LeaseLost(String),
    /// The controllers ended without being told to.
    #[error("the controllers ended unasked")]
    ControllersEnded,
}

/// Runs the operator until it is told to stop, or loses its Lease.
pub async fn run(args: Args) -> Result<(), StartError> {
    barrier::install_panic_hook();
    // Several providers may be linked; rustls asks which one is meant. An error means that it was
    // told before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Config::infer()
        .await
        .map_err(|error| StartError::Config(redact(&error.to_string())))?;
    let clock = ServerClock::default();
    let client = ClientBuilder::try_from(limited(&config, ANSWER))
        .map_err(|error| unusable(&error))?
        .with_layer(&clock)
        .build();
    let watch_client =
        Client::try_from(limited(&config, SILENCE)).map_err(|error| unusable(&error))?;
    let health = Arc::new(Health::default());
    let metrics = Arc::new(Metrics::default());
    let told = Told {
        health: Arc::clone(&health),
        metrics: Arc::clone(&metrics),
    };
    let cannot_listen = |error| StartError::Listen {
        address: args.listen,
        error,
    };
    let listener = endpoints::listen(args.listen).map_err(cannot_listen)?;
    let served = endpoints::serve(listener, told);
    let mut candidate =
        Candidate::new(client.clone(), &args.namespace, &args.lease, &args.identity);
    let setup = Setup {
        watch_client,
        client,
        namespace: args.namespace.clone(),
        secret_names: args.secret_names.clone(),
        single_restarts: args.single_restarts(),
        touches: args.touches(),
        workload_kinds: args.workload_kinds.clone(),
        identity: args.identity.clone(),
        metrics: Arc::clone(&metrics),
        clock,
        health: Arc::clone(&health),
    };
    tokio::select! {
        ended = served => {
            let error = ended.err().unwrap_or_else(|| std::io::Error::other("it ended"));
            Err(cannot_listen(error))
        }
        ended = lead(&args, &mut candidate, setup) => ended,
    }
}

/// The configuration for requests whose answers, or parts of them, take at most this long.
fn limited(config: &Config, read_timeout: Duration) -> Config {
    let mut config = config.clone();
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(read_timeout);
    config.reset_reader_on_write = true;
    // Retries of the client's would repeat writes whose reply was lost.
    config.default_retry = false;
    config
}

fn unusable(error: &kube::Error) -> StartError {
    StartError::Client(redact(&error.to_string()))
}

async fn lead(args: &Args, candidate: &mut Candidate, setup: Setup) -> Result<(), StartError> {
    let health = Arc::clone(&setup.health);
    let metrics = Arc::clone(&setup.metrics);
    let mut terminated = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let asked_to_stop = async {
        tokio::select! { _ = terminated.recv() => {}, _ = interrupted.recv() => {} }
    };
    tokio::pin!(asked_to_stop);
    tracing::info!(
        identity = args.identity,
        namespace = args.namespace,
        "waiting for the Lease"
    );
    tokio::select! {
        () = candidate.acquire(|| health.reached()) => {}
        () = &mut asked_to_stop => return Ok(()),
    }
    tracing::info!(identity = args.identity, "this replica acts");
    metrics.leads(true);
    let (stop, stopped) = watch::channel(false);
    let mut controllers = Box::pin(controllers::run(setup, stopped));
    let told = tokio::select! {
        () = &mut controllers => return Err(StartError::ControllersEnded),
        () = candidate.hold(|| health.reached()) => false,
        () = &mut asked_to_stop => true,
    };
    metrics.leads(false);
    if !told {
        // Another replica may act in a moment: what runs is dropped where it is, as a crash would.
        drop(controllers);
        return Err(StartError::LeaseLost(args.lease.clone()));
    }
    stop.send_replace(true);
    tokio::select! {
        ended = tokio::time::timeout(GRACE, &mut controllers) => if ended.is_err() {
            tracing::warn!(
                "some passes did not end in time; what they left is taken up at the next start"
            );
        },
        () = candidate.hold(|| health.reached()) => tracing::warn!(
            "the Lease was lost; what some passes left is taken up by who holds it"
        ),
    }
    // Whoever takes over after the release must meet no pass of this replica's.
    drop(controllers);
    candidate.release().await;
    tracing::info!("stopped");
    Ok(())
}
