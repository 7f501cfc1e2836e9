//! Where turnserver's configuration comes from: which objects hold its file, and what its command line is
//! once variables are put in.

use std::fmt;

use coturn::Launch;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::{Entry, Place, Projected, launch, place, place::counterpart};

/// A file that turnserver may take for its configuration. It takes the first that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its path.
    pub path: String,
    /// What it is made of, in order: the file as a volume holds it, or what scripts make it of.
    pub parts: Vec<Part>,
}

/// A part of a file of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// What an object holds.
    Held(Origin),
    /// What the last of these holds that has the file.
    Projected(Projected),
    /// Lines that a script has.
    Text {
        /// Whose script: a name for messages.
        script: String,
        /// The lines. What the shell puts into them is not known.
        text: String,
    },
    /// What cannot be known from here: why.
    Unknown(String),
}

impl Candidate {
    /// Why it is not known what all of it says; nothing if it is.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Unknown(why) => Some(why.as_str()),
            Part::Held(_) | Part::Projected(_) | Part::Text { .. } => None,
        })
    }
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
        parts: parts(pod, container, launch, &path),
        path,
    };
    paths.into_iter().map(candidate).collect()
}

/// A file as a volume holds it, then what init containers that share the volume make of it, then what the
/// container itself does.
fn parts(pod: &PodSpec, container: &Container, own: &Launch, path: &str) -> Vec<Part> {
    let mut parts = vec![held(pod, container, path)];
    for init in pod.init_containers.iter().flatten() {
        if let Some(path) = counterpart(container, path, init) {
            parts = made(pod, init, &launch(init), &path, &parts);
        }
    }
    made(pod, container, own, path, &parts)
}

/// What a script makes of a file that had these parts.
fn made(
    pod: &PodSpec,
    container: &Container,
    launch: &Launch,
    path: &str,
    before: &[Part],
) -> Vec<Part> {
    let script = format!("the script of container {}", container.name);
    let parts = launch.parts(path).into_iter();
    let parts = parts.flat_map(|part| match part {
        coturn::Part::File(file) if file == path => before.to_vec(),
        coturn::Part::File(file) => vec![held(pod, container, &file)],
        coturn::Part::Text(text) => {
            let script = script.clone();
            vec![Part::Text { script, text }]
        }
        coturn::Part::Unclear(command) => vec![Part::Unknown(format!(
            "{script} may change {path} by {command}, which is not followed"
        ))],
    });
    parts.collect()
}

/// A Secret is read only where the path is that of a configuration: what a script adds of other Secrets is
/// nobody's business.
fn held(pod: &PodSpec, container: &Container, path: &str) -> Part {
    let is_meant = |origin: &Origin| match origin {
        Origin::ConfigMap(_) => true,
        Origin::Secret(_) => path.contains(".conf"),
    };
    let not_read = |origins: &[Origin]| {
        let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
        Part::Unknown(format!(
            "{path} ({}) is no configuration by its name, and is not read",
            origins.join("; ")
        ))
    };
    let of_origin = |origin: Origin| {
        if is_meant(&origin) {
            Part::Held(origin)
        } else {
            not_read(&[origin])
        }
    };
    match place(pod, container, path) {
        Place::ConfigMap(entry) => of_origin(Origin::ConfigMap(entry)),
        Place::Secret(entry) => of_origin(Origin::Secret(entry)),
        Place::Projected(it) if it.candidates.iter().all(is_meant) => Part::Projected(it),
        Place::Projected(projected) => not_read(&projected.candidates),
        Place::Volume(volume) => Part::Unknown(format!(
            "{path} lies in volume {volume}, which is no Secret and no ConfigMap"
        )),
        Place::LeftOut { volume, .. } => {
            Part::Unknown(format!("volume {volume} leaves {path} out"))
        }
        Place::Image => Part::Unknown(format!("{path} lies in no volume")),
    }
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

    /// The files of the first container of a pod, and what each is made of.
    fn found(pod: &str) -> Vec<(String, Vec<String>)> {
        let pod: PodSpec = serde_saphyr::from_str(pod).unwrap();
        let container = &pod.containers[0];
        let candidates = candidates(&pod, container, &launch(container));
        let told = |part: &Part| match part {
            Part::Held(origin) => origin.to_string(),
            Part::Projected(projected) => format!("one of {}", projected.candidates.len()),
            Part::Text { script, text } => format!("{script}: {text}"),
            Part::Unknown(why) => format!("not known: {why}"),
        };
        let told = |it: Candidate| (it.path, it.parts.iter().map(told).collect());
        candidates.into_iter().map(told).collect()
    }

    fn one(path: &str, parts: &[&str]) -> Vec<(String, Vec<String>)> {
        let parts = parts.iter().map(ToString::to_string).collect();
        vec![(path.to_owned(), parts)]
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

    /// An init container that has its script make the file in a volume that it mounts elsewhere.
    fn prepared(script: &str) -> Vec<(String, Vec<String>)> {
        found(&format!(
            "
containers:
- {{name: coturn, command: [turnserver, -c, /made/a.conf], volumeMounts: [{{name: made, mountPath: /made}}]}}
initContainers:
- name: prepare
  command: [sh, -c, '{script}']
  volumeMounts: [{{name: made, mountPath: /out}}, {{name: v, mountPath: /in}}, {{name: s, mountPath: /s}}]
volumes:
- {{name: made, emptyDir: {{}}}}
- {{name: v, secret: {{secretName: settings}}}}
- {{name: s, secret: {{secretName: shared}}}}"
        ))
    }

    #[test]
    fn a_file_that_an_init_container_makes_is_read_where_it_is_made_from() {
        let made = prepared("cat /in/a.conf > /out/a.conf; sed s/^/user=/ /s/key >> /out/a.conf");
        let text = "the script of container prepare: user=$(cat /s/key)\n";
        assert_eq!(
            made,
            one("/made/a.conf", &["Secret settings, a.conf", text])
        );
    }

    #[test]
    fn what_a_script_adds_of_what_is_no_configuration_is_not_known() {
        let made = prepared("cat /in/a.conf > /out/a.conf; cat /s/key >> /out/a.conf");
        let why = "not known: /s/key (Secret shared, key) is no configuration by its name, and is not read";
        assert_eq!(made, one("/made/a.conf", &["Secret settings, a.conf", why]));
        let made = prepared("cp /in/a.conf /out/a.conf; render /out/a.conf");
        let why = "not known: the script of container prepare may change /out/a.conf by render, which is not \
                   followed";
        assert_eq!(made, one("/made/a.conf", &["Secret settings, a.conf", why]));
    }

    #[test]
    fn what_an_init_container_makes_elsewhere_is_none_of_it() {
        let made = prepared("cat /in/a.conf > /made/a.conf");
        let why =
            "not known: /made/a.conf lies in volume made, which is no Secret and no ConfigMap";
        assert_eq!(made, one("/made/a.conf", &[why]));
    }

    #[test]
    fn a_file_that_comes_with_the_image_is_not_known() {
        let pod = "{containers: [{name: coturn, command: [turnserver, -c, /etc/a.conf]}]}";
        let why = "not known: /etc/a.conf lies in no volume";
        assert_eq!(found(pod), one("/etc/a.conf", &[why]));
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
