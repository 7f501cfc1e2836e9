//! How the agent gets into pods of a workload that somebody else's chart makes: as a post-renderer of
//! Helm's, from manifests to manifests.
//!
//! Only what is added is written: every other byte passes as it came, so nothing is read in one dialect of
//! YAML and written in another. What came of it is read again and compared before it is passed on.

mod container;
mod documents;
mod edit;
mod workload;

use std::{
    io::{self, Read, Write},
    str::FromStr,
};

use api::{WorkloadKind, names::AGENT};
use clap::Args;
use probe::Partner;
use serde_json::Value;

use crate::args;
use workload::{Reading, Workload};

/// Name of its port for `/healthz`, `/readyz` and `/metrics`.
pub const PORT: &str = "cert-agent";

/// Adds the agent to a workload among the manifests on standard input.
#[derive(Args, Clone, Debug)]
pub struct PostRenderArgs {
    /// Image of the agent: the operator's.
    #[arg(long)]
    pub image: String,
    /// The workload whose pods run coturn, as KIND/NAME.
    #[arg(long, default_value = "StatefulSet/coturn")]
    pub workload: WorkloadName,
    /// Its container that runs coturn.
    #[arg(long, default_value = "coturn")]
    pub container: String,
    /// The Secret with the pair, which that container mounts.
    #[arg(long, default_value = "coturn-dtls-certificate")]
    pub secret: String,
    /// The uid that coturn runs as, where no securityContext tells: 65534 in Wire's image.
    #[arg(long)]
    pub uid: Option<u32>,
    /// The agent's port for `/healthz`, `/readyz` and `/metrics`; with hostNetwork, one of the node.
    #[arg(long, default_value_t = args::PORT)]
    pub port: u16,
    /// The relay's port, used if there are partners.
    #[arg(long, default_value_t = args::RELAY_PORT)]
    pub relay_port: u16,
    /// A partner, as HOST:PORT, to whose federation port the relay may send (repeat for more).
    #[arg(long = "partner")]
    pub partners: Vec<Partner>,
}

/// A kind and a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadName {
    /// The kind.
    pub kind: WorkloadKind,
    /// The name.
    pub name: String,
}

impl FromStr for WorkloadName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or_default();
        let mut kinds = WorkloadKind::ALL.into_iter();
        match kinds.find(|known| known.as_str().eq_ignore_ascii_case(kind)) {
            Some(kind) if !name.is_empty() => Ok(Self {
                kind,
                name: name.to_owned(),
            }),
            Some(_) | None => Err(format!(
                "a workload is named as KIND/NAME; the kinds are {}",
                WorkloadKind::ALL.map(WorkloadKind::as_str).join(", ")
            )),
        }
    }
}

impl std::fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

/// Why the agent was not added.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The manifests cannot be read, or written.
    #[error("cannot read the manifests, or write them: {0}")]
    Stream(#[from] io::Error),
    /// The workload is not there.
    #[error(
        "there is no {workload} among the manifests; name the workload that runs coturn by --workload KIND/NAME{unread}"
    )]
    NoWorkload {
        /// It.
        workload: WorkloadName,
        /// Which documents could not be read.
        unread: String,
    },
    /// It is there more than once.
    #[error("{0} is there more than once among the manifests")]
    Ambiguous(WorkloadName),
    /// The workload is not one that coturn could run in.
    #[error("{workload} cannot be read: {why}")]
    Unreadable {
        /// It.
        workload: WorkloadName,
        /// Why.
        why: String,
    },
    /// It has no such container.
    #[error(
        "{workload} has no container {container}; name the one that runs coturn by --container (there are: {there})"
    )]
    NoContainer {
        /// The workload.
        workload: WorkloadName,
        /// What was looked for.
        container: String,
        /// What there is.
        there: String,
    },
    /// The Secret is not mounted as a directory.
    #[error(
        "container {container} of {workload} does not mount Secret {secret} as a directory (without subPath): {why}"
    )]
    NotMounted {
        /// The workload.
        workload: WorkloadName,
        /// The container.
        container: String,
        /// The Secret.
        secret: String,
        /// What was found instead.
        why: &'static str,
    },
    /// coturn's uid is not known.
    #[error(
        "{0} does not say which uid coturn runs as, and only the same uid may signal it; say it by --uid (65534 in Wire's image)"
    )]
    NoUid(WorkloadName),
    /// coturn has another uid.
    #[error("{workload} runs coturn as uid {spec}, and --uid says {asked}; leave --uid out")]
    OtherUid {
        /// The workload.
        workload: WorkloadName,
        /// As its securityContext says.
        spec: i64,
        /// As the option says.
        asked: u32,
    },
    /// A container of the agent's name is there, and it is another one.
    #[error(
        "{0} has a container {AGENT} already, and another one than would be added; take it out, or leave this post-renderer out"
    )]
    Taken(WorkloadName),
    /// The text is written in a way that is not understood.
    #[error(
        "cannot add the agent to the text of {0} so that nothing else changes; use deploy/agent with kustomize instead"
    )]
    NotEditable(WorkloadName),
}

/// Reads manifests to their end, and writes them with the agent added, or nothing.
pub fn post_render(
    args: &PostRenderArgs,
    mut input: impl Read,
    mut output: impl Write,
) -> Result<(), RenderError> {
    let mut manifests = String::new();
    input.read_to_string(&mut manifests)?;
    let rendered = rendered(args, &manifests)?;
    output.write_all(rendered.as_bytes())?;
    Ok(output.flush()?)
}

/// The manifests with the agent added; once more changes nothing.
pub fn rendered(args: &PostRenderArgs, manifests: &str) -> Result<String, RenderError> {
    let mut found = None;
    let mut unread = Vec::new();
    for (number, range) in documents::ranges(manifests).into_iter().enumerate() {
        match Workload::read(&manifests[range.clone()], &args.workload) {
            Ok(Reading::Another) => {}
            Ok(Reading::It(_)) if found.is_some() => {
                return Err(RenderError::Ambiguous(args.workload.clone()));
            }
            Ok(Reading::It(workload)) => found = Some((range, workload)),
            Err(why) => unread.push(format!("; document {}: {why}", number + 1)),
        }
    }
    let Some((range, workload)) = found else {
        return Err(RenderError::NoWorkload {
            workload: args.workload.clone(),
            unread: unread.concat(),
        });
    };
    let text = &manifests[range.clone()];
    let edited = with_agent(args, text, &workload)?;
    Ok([&manifests[..range.start], &edited, &manifests[range.end..]].concat())
}

/// The text of the workload with the agent in it.
fn with_agent(
    args: &PostRenderArgs,
    text: &str,
    workload: &Workload,
) -> Result<String, RenderError> {
    let container = container::container(args, &workload.place(args)?);
    let wanted = workload
        .with(&container)
        .map_err(|workload::Taken| RenderError::Taken(args.workload.clone()))?;
    if wanted == workload.value {
        return Ok(text.to_owned());
    }
    let not_editable = || RenderError::NotEditable(args.workload.clone());
    let edited = edit::add(text, &container).ok_or_else(not_editable)?;
    match serde_saphyr::from_str::<Value>(&edited) {
        Ok(value) if value == wanted => Ok(edited),
        Ok(_) | Err(_) => Err(not_editable()),
    }
}

#[cfg(test)]
mod tests;
