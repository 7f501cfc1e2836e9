//! The plugin's process.

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use cli::{
    args::{Args, Audit, Command},
    audit::audit,
    error::Error,
    harden::harden,
    report::Outcome,
};
use jiff::Timestamp;

/// Something was found.
const FOUND: u8 = 1;
/// It could not look.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Audit(options) => audited(&options),
        Command::Harden(options) => print(&harden(options.policy, options.build), 0),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn audited(options: &Audit) -> Result<ExitCode, Error> {
    // Another provider may be linked; this is the one that is meant.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::Report(error.to_string()))?;
    let report = runtime.block_on(audit(options, Timestamp::now()))?;
    let code = match report.outcome(options.fail_on) {
        Outcome::Well => 0,
        Outcome::Found => FOUND,
        Outcome::Blind => FAILED,
    };
    print(&report.told(options.output)?, code)
}

/// A reader that has seen enough, as `head`, is no failure.
fn print(text: &str, code: u8) -> Result<ExitCode, Error> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Report(error.to_string()))
        }
        Ok(()) | Err(_) => Ok(ExitCode::from(code)),
    }
}
