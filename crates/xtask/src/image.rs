//! The operator's image: one static binary on an empty root.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;
use clap::ValueEnum;
use cluster::{Image, Layer, Lines};

use crate::shell;

/// What the image is called.
pub const TAG: &str = "docker.io/local/coturn-cert-operator:dev";
/// The name of the program in it.
pub const BINARY: &str = "coturn-cert-operator";
/// Bytes that an image for users must stay below.
const LIMIT: u64 = 25_000_000;

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
    /// For tests and the demo: as all else is compiled for them.
    Dev,
}

/// Builds the binary and writes the archive.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let built = write(options.profile, &options.output)?;
    match options.profile {
        Profile::Release => check_size(&built)?,
        Profile::Dev => {}
    }
    let bytes = fs::metadata(&options.output)?.len();
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
pub fn dev() -> anyhow::Result<Built> {
    let archive = shell::target()
        .join("image")
        .join("coturn-cert-operator.tar");
    write(Profile::Dev, &archive)
}

fn write(profile: Profile, archive: &Path) -> anyhow::Result<Built> {
    let binary = build(profile)?;
    let image = Image {
        tag: TAG.to_owned(),
        user: "65532:65532".to_owned(),
        entrypoint: vec![format!("/{BINARY}")],
        layer: Layer::default().copy(BINARY, 0o755, &binary),
        ..Image::default()
    };
    cluster::docker_archive(&image, archive)?;
    Ok(Built {
        binary,
        archive: archive.to_owned(),
    })
}

fn build(profile: Profile) -> anyhow::Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", env::consts::ARCH);
    provide_toolchain(&target)?;
    // Cargo's name for the profile, and for its folder.
    let (profile, folder) = match profile {
        Profile::Release => ("release", "release"),
        Profile::Dev => ("dev", "debug"),
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
    Ok(shell::target().join(&target).join(folder).join(BINARY))
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
    shell::provide_build_tools()?;
    if shell::capture(Command::new("musl-gcc").arg("--version")).is_err() {
        cluster::provide_packages(&["musl-tools"], &Lines)?;
    }
    Ok(())
}

/// Fails if the binary or the archive is too large for what is promised of the image.
fn check_size(built: &Built) -> anyhow::Result<()> {
    for path in [&built.binary, &built.archive] {
        let bytes = fs::metadata(path)?.len();
        ensure!(
            bytes < LIMIT,
            "{} has {bytes} bytes; the image must stay below {LIMIT}",
            path.display()
        );
    }
    Ok(())
}
