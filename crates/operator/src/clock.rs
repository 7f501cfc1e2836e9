//! The API server's clock, as the `Date` of its answers tells it, against this machine's. Whoever
//! asks anything of the API server measures it in passing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use kube::client::Body;
use tower::{Layer, Service};

/// `Date` tells whole seconds: the time is somewhere within the one it names.
const RESOLUTION: SignedDuration = SignedDuration::from_secs(1);

/// How far this machine's clock is ahead of the API server's, as of the last answer.
#[derive(Clone, Default)]
pub struct ServerClock(Arc<Mutex<Option<SignedDuration>>>);

impl ServerClock {
    /// How far this machine's clock is ahead, behind if negative. None if it was not measured.
    pub fn ahead(&self) -> Option<SignedDuration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time by the API server's clock, by this machine's as long as that is not known: what pods and
    /// publications have their times from.
    pub fn now(&self) -> Timestamp {
        let ahead = self.ahead().unwrap_or_default();
        let now = Timestamp::now();
        now.saturating_sub(ahead).unwrap_or(now)
    }

    fn hear(&self, date: Option<&str>, sent: Timestamp, received: Timestamp) {
        let Some(date) = date.and_then(parse) else {
            return;
        };
        let ahead = ahead(date, sent, received);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    }
}

/// An HTTP date (RFC 9110, section 5.6.7), as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse(date: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

/// The answer was made at some time between the request and its arrival: what lies within is no
/// difference, however long the answer took or this process slept.
fn ahead(date: Timestamp, sent: Timestamp, received: Timestamp) -> SignedDuration {
    let latest = date.saturating_add(RESOLUTION).unwrap_or(Timestamp::MAX);
    if sent > latest {
        sent.duration_since(latest)
    } else if received < date {
        received.duration_since(date)
    } else {
        SignedDuration::ZERO
    }
}

impl<S> Layer<S> for ServerClock {
    type Service = Listening<S>;

    fn layer(&self, inner: S) -> Listening<S> {
        Listening {
            inner,
            clock: self.clone(),
        }
    }
}

/// A client's stack whose answers are listened to.
pub struct Listening<S> {
    inner: S,
    clock: ServerClock,
}

type Request = axum::http::Request<Body>;
type Response<B> = axum::http::Response<B>;

impl<S, B> Service<Request> for Listening<S>
where
    S: Service<Request, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (clock, sent) = (self.clock.clone(), Timestamp::now());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let date = answer.headers().get("date");
            let date = date.and_then(|date| date.to_str().ok());
            clock.hear(date, sent, Timestamp::now());
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(784_111_777_000 + millisecond).unwrap()
    }

    /// Asked and answered at these milliseconds after the second that the API server names.
    #[rstest]
    #[case::at_once(100, 110, 0)]
    #[case::at_the_end_of_the_second(990, 1000, 0)]
    #[case::after_a_while_in_which_this_process_slept(-3_000, 86_400_000, 0)]
    #[case::ahead(61_000, 61_010, 60_000)]
    #[case::behind(-60_010, -60_000, -60_000)]
    fn the_difference_is_what_the_time_of_the_answer_does_not_explain(
        #[case] sent: i64,
        #[case] received: i64,
        #[case] expected: i64,
    ) {
        let clock = ServerClock::default();
        assert_eq!(clock.ahead(), None);
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        clock.hear(date, at(sent), at(received));
        assert_eq!(clock.ahead(), Some(SignedDuration::from_millis(expected)));
    }

    #[rstest]
    #[case(None)]
    #[case(Some(""))]
    #[case(Some("yesterday"))]
    fn an_answer_without_a_date_tells_nothing(#[case] date: Option<&str>) {
        let clock = ServerClock::default();
        clock.hear(date, at(0), at(0));
        assert_eq!(clock.ahead(), None);
        clock.hear(
            Some("Sun, 06 Nov 1994 08:49:37 GMT"),
            at(-10_000),
            at(-9_000),
        );
        clock.hear(date, at(0), at(0));
        assert_eq!(clock.ahead(), Some(SignedDuration::from_secs(-9)));
    }
}
