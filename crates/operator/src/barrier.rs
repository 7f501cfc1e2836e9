//! What stands round each pass: a deadline and a catch for panics, so that one bad resource costs
//! itself alone.

use std::{
    any::Any,
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use futures::FutureExt as _;

use crate::error::{Error, ObjectName};

/// How long a pass may take: RSA-4096 keys on a throttled CPU take most of it.
pub const DEADLINE: Duration = Duration::from_mins(2);

thread_local! {
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics report where they happened, and only that: a panic's message may quote anything.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        let location = info
            .location()
            .map(|at| format!("{}:{}", at.file(), at.line()));
        tracing::error!(location, "a panic was caught");
        LOCATION.with_borrow_mut(|last| *last = location);
    }));
}

/// Runs a pass within its deadline; a panic in it becomes an error.
pub async fn guard<T>(
    object: ObjectName,
    deadline: Duration,
    pass: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(deadline, AssertUnwindSafe(pass).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(payload)) => Err(panicked(object, &payload)),
        Err(_) => Err(Error::Deadline {
            object,
            seconds: deadline.as_secs(),
        }),
    }
}

/// The payload is dropped unread.
fn panicked(object: ObjectName, _payload: &Box<dyn Any + Send>) -> Error {
    let location = LOCATION.with_borrow_mut(Option::take);
    Error::Panicked {
        object,
        location: location.unwrap_or_else(|| "an unknown place".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> ObjectName {
        ObjectName::new("CoturnCertificate", "a", "b")
    }

    #[tokio::test]
    async fn a_panic_becomes_an_error_that_does_not_quote_it() {
        install_panic_hook();
        let result: Result<(), _> = guard(object(), DEADLINE, async { panic!("secret") }).await;
        let message = result.unwrap_err().to_string();
        assert!(
            message.contains("barrier.rs") && !message.contains("secret"),
            "{message}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_hangs_is_ended() {
        let result: Result<(), _> = guard(object(), DEADLINE, std::future::pending()).await;
        assert!(matches!(result, Err(Error::Deadline { seconds: 120, .. })));
    }
}
