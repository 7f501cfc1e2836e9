//! The operator's image: one static binary on an empty root.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;
use cluster::{Image, Layer};

use crate::shell;

/// What the image is called.
pub const TAG: &str = "docker.io/local/coturn-cert-operator:dev";
const BINARY: &str = "coturn-cert-operator";

/// Options of `cargo xtask image`.
#[derive(clap::Args)]
pub struct Options {
    /// The archive to write.
    #[arg(long)]
    output: PathBuf,
    /// How the binary is built.
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
}

/// A build profile of the workspace.
#[derive(Clone, Copy, ValueEnum)]
pub enum Profile {
    /// Small; takes minutes.
    Release,
    /// For tests and the demo.
    Fast,
}

/// Builds the binary and writes the archive.
pub fn run(options: &Options) -> anyhow::Result<()> {
    write(options.profile, &options.output)?;
    let bytes = std::fs::metadata(&options.output)?.len();
    eprintln!("{}: {TAG}, {} kB", options.output.display(), bytes / 1000);
    Ok(())
}

/// What was built.
pub struct Built {
    /// The static binary.
    pub binary: PathBuf,
    /// The image that holds it.
    pub archive: PathBuf,
}

/// Builds the image of this tree for the tests and the demo.
pub fn fast() -> anyhow::Result<Built> {
    let archive = shell::target()
        .join("image")
        .join("coturn-cert-operator.tar");
    let binary = write(Profile::Fast, &archive)?;
    Ok(Built { binary, archive })
}

fn write(profile: Profile, archive: &Path) -> anyhow::Result<PathBuf> {
    let binary = build(profile)?;
    let image = Image {
        tag: TAG.to_owned(),
        user: "65532:65532".to_owned(),
        entrypoint: vec![format!("/{BINARY}")],
        layer: Layer::default().copy(BINARY, 0o755, &binary),
        ..Image::default()
    };
    cluster::docker_archive(&image, archive)?;
    Ok(binary)
}

fn build(profile: Profile) -> anyhow::Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", env::consts::ARCH);
    provide_toolchain(&target)?;
    let profile = match profile {
        Profile::Release => "release",
        Profile::Fast => "fast",
    };
    shell::run(&mut shell::cargo(&[
        "build",
        "--locked",
        "--package",
        "operator",
        "--profile",
        profile,
        "--target",
        &target,
    ]))?;
    Ok(shell::target().join(&target).join(profile).join(BINARY))
}

/// The standard library for musl, and a C compiler for it.
fn provide_toolchain(target: &str) -> anyhow::Result<()> {
    let installed = shell::read(
        Command::new("rustup")
            .args(["target", "list", "--installed"])
            .current_dir(shell::root()),
    )?;
    if !installed.lines().any(|line| line == target) {
        shell::run(
            Command::new("rustup")
                .args(["target", "add", target])
                .current_dir(shell::root()),
        )?;
    }
    if shell::capture(Command::new("musl-gcc").arg("--version")).is_ok() {
        return Ok(());
    }
    if env::var_os("USER").is_some_and(|user| user != "root") {
        anyhow::bail!("musl-gcc is missing; run `apt-get install musl-tools` as root");
    }
    shell::run(
        Command::new("apt-get")
            .args([
                "install",
                "--yes",
                "--no-install-recommends",
                "-qq",
                "musl-tools",
            ])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}
