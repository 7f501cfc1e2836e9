//! The operator's process, and what else its binary does: the agent beside coturn, and how it gets there.

use std::process::ExitCode;

use operator::{
    args::{Args, Command, LogArgs},
    logging, run,
};

fn main() -> ExitCode {
    match Command::parse() {
        Command::Operator(args) => operator(args),
        Command::Agent { agent, log } => side(agent, &log),
        Command::PostRender(args) => post_render(&args),
    }
}

fn operator(args: Args) -> ExitCode {
    logging::install(&args.log.log, args.log.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    ended(runtime.map_err(not_started).and_then(|runtime| {
        let result = runtime.block_on(run(args));
        result.map_err(|error| error.to_string())
    }))
}

fn side(args: agent::AgentArgs, log: &LogArgs) -> ExitCode {
    logging::install(&log.log, log.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    ended(runtime.map_err(not_started).and_then(|runtime| {
        let result = runtime.block_on(agent::run(args));
        result.map_err(|error| error.to_string())
    }))
}

fn post_render(args: &agent::sidecar::PostRenderArgs) -> ExitCode {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    match agent::sidecar::post_render(args, input, output) {
        Ok(()) => ExitCode::SUCCESS,
        // Helm shows what stands here.
        Err(error) => {
            eprintln!("coturn-cert-operator post-render: {error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "an adapter for map_err, which passes the error"
)]
fn not_started(error: std::io::Error) -> String {
    format!("cannot start the runtime: {error}")
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
