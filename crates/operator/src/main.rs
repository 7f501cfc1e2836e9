//! The operator's process.

use std::process::ExitCode;

use clap::Parser as _;
use operator::{args::Args, logging, run};

fn main() -> ExitCode {
    let args = Args::parse();
    logging::install(&args.log, args.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime
            .block_on(run(args))
            .map_err(|error| error.to_string()),
        Err(error) => Err(format!("cannot start the runtime: {error}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
