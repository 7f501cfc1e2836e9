//! Where turnserver's configuration comes from: which objects hold its file, and what its command line is
//! once variables are put in.

use std::fmt;

use coturn::Launch;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::{Entry, Place, launch, place};

/// A file that turnserver may take for its configuration. It takes the first that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its path.
    pub path: String,
    /// What holds its text, as far as volumes do: the file itself, or what a script makes it from, in
    /// the order in which the script adds it.
    pub origins: Vec<Origin>,
}

/// An object that holds a text of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A ConfigMap.
    ConfigMap(Entry),
    /// A Secret.
    Secret(Entry),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, entry) = match self {
            Self::ConfigMap(entry) => ("ConfigMap", entry),
            Self::Secret(entry) => ("Secret", entry),
        };
        write!(f, "{kind} {}, {}", entry.object, entry.key)
    }
}

/// The files that turnserver looks for in a container, in its order.
#[must_use]
pub fn candidates(pod: &PodSpec, container: &Container, launch: &Launch) -> Vec<Candidate> {
    let paths = launch.config_file().candidates();
    let candidate = |path: String| Candidate {
        origins: sources(pod, launch, &path)
            .iter()
            .flat_map(|source| origins(pod, container, source))
            .collect(),
        path,
    };
    paths.into_iter().map(candidate).collect()
}

/// What a script makes a file from, or else the file itself. Also init containers make files.
fn sources(pod: &PodSpec, own: &Launch, path: &str) -> Vec<String> {
    let init = pod.init_containers.iter().flatten();
    let launches: Vec<_> = init.map(launch).collect();
    let all = launches.iter().chain([own]);
    let sources: Vec<_> = all
        .flat_map(|launch| launch.made_from(path))
        .map(str::to_owned)
        .collect();
    if sources.is_empty() {
        vec![path.to_owned()]
    } else {
        sources
    }
}

/// A Secret counts only where the path is that of a configuration: secrets that a script adds to one are
/// none. Of a projected volume all that may have the file.
fn origins(pod: &PodSpec, container: &Container, path: &str) -> Vec<Origin> {
    let origins = match place(pod, container, path) {
        Place::ConfigMap(entry) => vec![Origin::ConfigMap(entry)],
        Place::Secret(entry) => vec![Origin::Secret(entry)],
        Place::Projected(projected) => projected.candidates,
        Place::Volume(_) | Place::LeftOut { .. } | Place::Image => Vec::new(),
    };
    let is_meant = |origin: &Origin| match origin {
        Origin::ConfigMap(_) => true,
        Origin::Secret(_) => path.contains(".conf"),
    };
    origins.into_iter().filter(is_meant).collect()
}

/// Kubernetes puts variables into arguments before the container starts: `$(NAME)`, of those that have
/// a value here.
#[must_use]
pub fn expanded(container: &Container, arguments: &[String]) -> Vec<String> {
    let variables: Vec<_> = container
        .env
        .iter()
        .flatten()
        .filter_map(|it| Some((format!("$({})", it.name), it.value.as_ref()?)))
        .collect();
    let expand = |argument: &String| {
        let put = |text: String, (name, value): &(String, &String)| text.replace(name, value);
        variables.iter().fold(argument.clone(), put)
    };
    arguments.iter().map(expand).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files of the first container of a pod.
    fn found(pod: &str) -> Vec<(String, Vec<String>)> {
        let pod: PodSpec = serde_saphyr::from_str(pod).unwrap();
        let container = &pod.containers[0];
        let candidates = candidates(&pod, container, &launch(container));
        let told = |candidate: Candidate| {
            let origins = candidate.origins.iter().map(ToString::to_string);
            (candidate.path, origins.collect())
        };
        candidates.into_iter().map(told).collect()
    }

    fn one(path: &str, origins: &[&str]) -> Vec<(String, Vec<String>)> {
        let origins = origins.iter().map(ToString::to_string).collect();
        vec![(path.to_owned(), origins)]
    }

    #[test]
    fn a_file_that_is_named_lies_in_its_config_map() {
        let pod = "
containers:
- {name: coturn, command: [turnserver, -c, /conf/a.conf], volumeMounts: [{name: v, mountPath: /conf}]}
volumes: [{name: v, configMap: {name: settings}}]";
        assert_eq!(
            found(pod),
            one("/conf/a.conf", &["ConfigMap settings, a.conf"])
        );
    }

    #[test]
    fn a_file_that_an_init_container_makes_is_read_where_it_is_made_from() {
        let pod = "
containers:
- name: coturn
  command: [turnserver, -c, /made/a.conf]
  volumeMounts: [{name: made, mountPath: /made}, {name: v, mountPath: /in}, {name: s, mountPath: /s}]
initContainers:
- {name: a, command: [sh, -c, 'cat /in/a.conf > /made/a.conf; sed s/^/a=/ /s/key >> /made/a.conf']}
volumes:
- {name: made, emptyDir: {}}
- {name: v, secret: {secretName: settings}}
- {name: s, secret: {secretName: shared}}";
        assert_eq!(
            found(pod),
            one("/made/a.conf", &["Secret settings, a.conf"])
        );
    }

    #[test]
    fn a_file_that_comes_with_the_image_has_no_origin() {
        let pod = "{containers: [{name: coturn, command: [turnserver, -c, /etc/a.conf]}]}";
        assert_eq!(found(pod), one("/etc/a.conf", &[]));
        let none = "{containers: [{name: coturn, command: [turnserver, -n]}]}";
        assert!(found(none).is_empty());
    }

    #[test]
    fn variables_with_a_value_are_put_into_arguments() {
        let text = "{name: coturn, env: [{name: A, value: '1'}, {name: B, valueFrom: {}}]}";
        let container = serde_saphyr::from_str(text).unwrap();
        let arguments = ["--realm=$(A)-$(B)".to_owned()];
        assert_eq!(expanded(&container, &arguments), ["--realm=1-$(B)"]);
    }
}
