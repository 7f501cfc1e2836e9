//! The log: JSON lines, filtered as `RUST_LOG` says, and never a request's body.
//!
//! kube's client logs the whole body of an answer that it cannot parse, Secrets included, at WARN.
//! No filter of the user's lifts the ceiling that stands here for that.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::args::LogFormat;

/// Installs the process-wide log. An unusable filter is replaced by `info`, and said so.
pub fn install(filter: &str, format: LogFormat) {
    let parsed = EnvFilter::try_new(filter);
    let unusable = parsed.is_err();
    let filter_in_use = parsed.unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry()
        .with(filtered(lines(format), filter_in_use))
        .init();
    if unusable {
        tracing::warn!(
            filter,
            "the log filter cannot be parsed; info is used instead"
        );
    }
}

/// The lines that the filter lets through, under the ceiling that no filter lifts.
fn filtered<S>(lines: impl Layer<S>, filter: EnvFilter) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    lines
        .with_filter(filter_fn(carries_no_body))
        .with_filter(filter)
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
        LogFormat::Text => fmt::layer().boxed(),
    }
}

/// Whether events of this origin and level are known to hold no body of a request or an answer.
fn carries_no_body(metadata: &Metadata<'_>) -> bool {
    let ceiling = match metadata.target().split("::").next().unwrap_or_default() {
        "kube_client" | "kube" => Level::ERROR,
        "hyper" | "hyper_util" | "h2" | "rustls" | "tower" => Level::WARN,
        _ => Level::TRACE,
    };
    *metadata.level() <= ceiling
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    type Written = Arc<Mutex<Vec<u8>>>;

    struct Capture(Written);

    impl std::io::Write for Capture {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What the log holds of `events` under a filter.
    fn logged(filter: &str, events: impl FnOnce()) -> String {
        let written = Written::default();
        let sink = Arc::clone(&written);
        let lines = fmt::layer().with_writer(move || Capture(Arc::clone(&sink)));
        let filter = EnvFilter::try_new(filter).unwrap();
        let subscriber = tracing_subscriber::registry().with(filtered(lines, filter));
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    fn client_warns_of_a_body() {
        tracing::warn!(target: "kube_client::client", "{{\"tls.key\":\"LS0tLS1CRUdJTg==\"}}");
        tracing::debug!(target: "kube_client::client::builder", "LS0tLS1CRUdJTg==");
        tracing::info!(target: "hyper_util::client", "LS0tLS1CRUdJTg==");
    }

    #[test]
    fn no_filter_lets_a_body_that_the_client_could_not_parse_into_the_log() {
        for filter in [
            "trace",
            "kube_client=trace",
            "kube_client::client=warn,hyper_util=trace",
        ] {
            assert_eq!(logged(filter, client_warns_of_a_body), "", "{filter}");
        }
    }

    #[test]
    fn the_operators_own_lines_and_the_clients_errors_are_logged() {
        let log = logged("debug", || {
            tracing::debug!(target: "operator::run", "a line of its own");
            tracing::error!(target: "kube_client::client", "an error of the client");
        });
        assert!(
            log.contains("a line of its own") && log.contains("an error of the client"),
            "{log}"
        );
    }

    #[test]
    fn the_users_filter_holds_beneath_the_ceiling() {
        let log = logged(
            "error",
            || tracing::info!(target: "operator::run", "too much"),
        );
        assert_eq!(log, "");
    }
}
