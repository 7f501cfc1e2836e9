//! Drives the library by hand: `up [--no-node]`, `down`, `status`, `env`, `kubectl …`, `helm …`,
//! `load-image ARCHIVE`, `in-network PROGRAM …`, and `pause`, `resume`, `kill`, `stop`, `start` of a
//! component. The state folder is `COTURN_CERT_CLUSTER` or the default one.

use std::{
    env,
    error::Error,
    path::Path,
    process::{Command, ExitCode},
};

use cluster::{Cluster, Lifetime, Lines, NodeMode, Options};

fn main() -> ExitCode {
    match obey() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn obey() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let state = cluster::default_state();
    match words.as_slice() {
        ["cluster-supervisor", state] => cluster::supervisor::run(Path::new(state))?,
        ["up"] => up(&Options::real(state))?,
        ["up", "--no-node"] => up(&Options {
            node: NodeMode::None,
            lifetime: Lifetime::Kept,
            ..Options::real(state)
        })?,
        ["down"] => cluster::down(&state)?,
        ["status"] => println!("{:#?}", attach()?.status()?),
        ["env"] => {
            for (name, value) in attach()?.env() {
                println!("export {name}={}", value.display());
            }
        }
        ["kubectl", rest @ ..] => run(attach()?.kubectl().args(rest))?,
        ["helm", rest @ ..] => run(attach()?.helm().args(rest))?,
        ["in-network", program, rest @ ..] => run(attach()?.in_network(program)?.args(rest))?,
        ["load-image", archive] => println!("{:?}", attach()?.load_image(Path::new(archive))?),
        ["pause", component] => attach()?.pause(component)?,
        ["resume", component] => attach()?.resume(component)?,
        ["stop", component] => attach()?.stop(component)?,
        ["start", component] => attach()?.start(component)?,
        ["kill", component] => attach()?.kill(component)?,
        _ => return Err("see the first lines of this example for its commands".into()),
    }
    Ok(())
}

fn up(options: &Options) -> Result<(), Box<dyn Error>> {
    println!("{}", cluster::up(options, &Lines)?.kubeconfig().display());
    Ok(())
}

fn attach() -> Result<Cluster, Box<dyn Error>> {
    Ok(Cluster::attach(&cluster::default_state())?.ok_or("no cluster runs here")?)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{status}").into())
    }
}
