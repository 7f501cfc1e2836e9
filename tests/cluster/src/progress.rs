//! How a start that takes its time tells what it is doing.

/// Receives what is being done, for a person to read.
pub trait Progress {
    /// A step begins; what it is, as a short phrase.
    fn begin(&self, step: &str);
    /// The step that began last has ended well.
    fn end(&self, seconds: f64);
    /// Something that a person should know and that stops nothing.
    fn note(&self, text: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str) {}
    fn end(&self, _seconds: f64) {}
    fn note(&self, _text: &str) {}
}

/// Writes a line per step to standard error: what it is, then its seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines;

impl Progress for Lines {
    fn begin(&self, step: &str) {
        eprint!("{step} … ");
    }

    fn end(&self, seconds: f64) {
        eprintln!("{seconds:.1} s");
    }

    fn note(&self, text: &str) {
        eprintln!("{text}");
    }
}

/// Runs one step between `begin` and `end`; a failed step has no end.
pub(crate) fn step<T, E>(
    progress: &dyn Progress,
    name: &str,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let started = std::time::Instant::now();
    progress.begin(name);
    let outcome = work()?;
    progress.end(started.elapsed().as_secs_f64());
    Ok(outcome)
}
