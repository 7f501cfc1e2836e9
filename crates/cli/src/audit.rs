//! `audit`: read, scan, judge.

mod answers;
mod listening;

use std::{fs, net::SocketAddr, path::Path};

use coturn::Build;
use jiff::Timestamp;
use kube::{Client, Config, config::KubeConfigOptions};
use pki::Roots;

use crate::{
    args::Audit,
    error::{Error, in_words, with_causes},
    facts::Facts,
    read::{Cluster, Configured},
    report::Report,
    rules,
};
use listening::Listening;

/// Looks at a coturn and judges it.
///
/// # Errors
/// What kept it from looking.
pub async fn audit(options: &Audit, now: Timestamp) -> Result<Report, Error> {
    let trusted = trusted(options)?;
    let cluster = connect(options).await?;
    let addresses = resolved(&options.addresses).await?;
    let subject = cluster
        .subject(options.workload.as_ref(), options.container.as_deref())
        .await?;
    let mut gaps = Vec::new();
    let configured = cluster.configured(&subject, &mut gaps).await;
    let mut facts = facts(options, now, configured);
    facts.trusted = trusted;
    Listening {
        cluster: &cluster,
        subject: &subject,
        options,
        addresses: &addresses,
        gaps: &mut gaps,
    }
    .hear(&mut facts)
    .await;
    gaps.extend(rules::gaps(&facts));
    let findings = rules::judge(&facts);
    Ok(Report::new(&subject, &facts, findings, gaps))
}

fn facts(options: &Audit, now: Timestamp, configured: Configured) -> Facts {
    Facts {
        now,
        policy: options.policy,
        build: Build {
            version: options.version.or(configured.build.version),
            ..configured.build
        },
        tagged: configured.tagged,
        running: None,
        plain: None,
        configuration: configured.configuration,
        extent: configured.extent,
        files: configured.files,
        process: configured.process,
        heard: Vec::new(),
        names: options.names.clone(),
        trusted: None,
    }
}

async fn connect(options: &Audit) -> Result<Cluster, Error> {
    let kubeconfig = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    let from_file = Config::from_kubeconfig(&kubeconfig).await;
    let config = match from_file {
        Ok(config) => config,
        // Within a pod there is none.
        Err(error) if options.context.is_none() => {
            Config::incluster().map_err(|_| Error::Kubeconfig(with_causes(&error)))?
        }
        Err(error) => return Err(Error::Kubeconfig(with_causes(&error))),
    };
    let namespace = options.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|error| Error::Kubeconfig(in_words(&error)))?;
    Ok(Cluster { client, namespace })
}

fn trusted(options: &Audit) -> Result<Option<Roots>, Error> {
    options.trusted.as_deref().map(roots).transpose()
}

fn roots(path: &Path) -> Result<Roots, Error> {
    let pem = fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    Roots::parse(&pem).map_err(|reason| Error::Roots {
        path: path.to_owned(),
        reason,
    })
}

/// Of a name with several addresses, the first.
async fn resolved(addresses: &[String]) -> Result<Vec<SocketAddr>, Error> {
    let mut resolved = Vec::new();
    for address in addresses {
        let found = tokio::net::lookup_host(address).await;
        let first = found.map(|mut all| all.next());
        let reason = match first {
            Ok(Some(first)) => {
                resolved.push(first);
                continue;
            }
            Ok(None) => "its name has none".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(Error::Address {
            address: address.clone(),
            reason,
        });
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_roots_is_an_error_that_names_it() {
        let told = |path: &str| roots(Path::new(path)).unwrap_err().to_string();
        let empty = told("/dev/null");
        assert!(empty.contains("/dev/null: it is empty"), "{empty}");
        let garbage = told("Cargo.toml");
        assert!(
            garbage.contains("Cargo.toml: it has no certificate in PEM"),
            "{garbage}"
        );
    }
}
