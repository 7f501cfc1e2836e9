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
        .with(
            lines(format)
                .with_filter(filter_fn(carries_no_body))
                .with_filter(filter_in_use),
        )
        .init();
    if unusable {
        tracing::warn!(
            filter,
            "the log filter cannot be parsed; info is used instead"
        );
    }
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
