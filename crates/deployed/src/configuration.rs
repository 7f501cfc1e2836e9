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
    /// What may have changed all that stands before it: why.
    Changed(String),
}

/// More parts than a file has. Each script may have the file that it finds several times in the one that it
/// makes.
const MOST: usize = 64;

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
/// container itself does. The files of ConfigMaps and Secrets nobody changes: they are mounted read-only.
fn parts(pod: &PodSpec, container: &Container, own: &Launch, path: &str) -> Vec<Part> {
    let place = place(pod, container, path);
    let is_read_only = is_read_only(&place);
    let mut parts = vec![held(path, place)];
    if is_read_only {
        return parts;
    }
    for init in pod.init_containers.iter().flatten() {
        if let Some(path) = counterpart(container, path, init) {
            parts = made(pod, init, &launch(init), &path, &parts);
            if init.command.as_deref().unwrap_or_default().is_empty() {
                parts.push(Part::Changed(format!(
                    "the entry point of container {}'s image may change {path}, and is not known",
                    init.name
                )));
            }
        }
    }
    made(pod, container, own, path, &parts)
}

fn is_read_only(place: &Place) -> bool {
    match place {
        Place::ConfigMap(_) | Place::Secret(_) | Place::Projected(_) | Place::LeftOut { .. } => {
            true
        }
        Place::Volume(_) | Place::Image => false,
    }
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
    let not_followed =
        |command: &str| format!("{script} may change {path} by {command}, which is not followed");
    let parts = launch.parts(path).into_iter();
    let parts = parts.flat_map(|part| match part {
        coturn::Part::File(file) if file == path => before.to_vec(),
        coturn::Part::File(file) => vec![held(&file, place(pod, container, &file))],
        coturn::Part::Text(text) => {
            let script = script.clone();
            vec![Part::Text { script, text }]
        }
        coturn::Part::Unclear(command) => vec![Part::Unknown(not_followed(&command))],
        coturn::Part::Changed(command) => vec![Part::Changed(not_followed(&command))],
    });
    let mut parts: Vec<_> = parts.take(MOST + 1).collect();
    if parts.len() > MOST {
        parts.truncate(MOST);
        let why = format!("{script} makes {path} of more than {MOST} parts");
        parts.push(Part::Unknown(why));
    }
    parts
}

/// A Secret is read only where the path is that of a configuration: what a script adds of other Secrets is
/// nobody's business.
fn held(path: &str, place: Place) -> Part {
    let is_meant = |origin: &Origin| match origin {
        Origin::ConfigMap(_) => true,
        Origin::Secret(_) => path.rsplit('.').next() == Some("conf"),
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
    match place {
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
    use rstest::rstest;

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
            Part::Unknown(why) | Part::Changed(why) => format!("not known: {why}"),
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
    fn a_secret_is_no_configuration_by_a_part_of_its_name() {
        let made = prepared("cp /s/a.conf.key /out/a.conf");
        let why = "not known: /s/a.conf.key (Secret shared, a.conf.key) is no configuration by its name, and \
                   is not read";
        assert_eq!(made, one("/made/a.conf", &[why]));
    }

    /// The parts of a file in a volume that these init containers mount.
    fn shared(init: &str, path: &str) -> Vec<String> {
        let found = found(&format!(
            "
containers:
- name: coturn
  command: [turnserver, -c, {path}]
  volumeMounts: [{{name: made, mountPath: /made}}, {{name: v, mountPath: /conf}}]
initContainers: [{init}]
volumes: [{{name: made, emptyDir: {{}}}}, {{name: v, configMap: {{name: settings}}}}]"
        ));
        found.into_iter().next().unwrap().1
    }

    const MOUNTS: &str =
        "volumeMounts: [{name: made, mountPath: /made}, {name: v, mountPath: /conf}]";

    #[rstest]
    #[case::its_arguments_alone("args: [render]", "entry point of container b's image")]
    #[case::nothing("image: x", "entry point of container b's image")]
    #[case::a_script_in_a_file("command: [sh, /x.sh]", "by sh")]
    #[case::a_program("command: [/render]", "by /render")]
    fn an_init_container_of_which_it_is_not_known_what_it_does_may_change_what_it_mounts(
        #[case] start: &str,
        #[case] told: &str,
    ) {
        let copies = format!("{{name: a, command: [cp, /conf/a.conf, /made/a.conf], {MOUNTS}}}");
        let init = format!("{copies}, {{name: b, {start}, {MOUNTS}}}");
        let parts = shared(&init, "/made/a.conf");
        assert_eq!(parts[0], "ConfigMap settings, a.conf");
        assert!(parts[1].contains(told), "{parts:?}");
        assert_eq!(parts.len(), 2);
        let untouched = ["ConfigMap settings, a.conf"];
        assert_eq!(shared(&init, "/conf/a.conf"), untouched);
        let elsewhere = format!("{copies}, {{name: b, {start}}}");
        assert_eq!(shared(&elsewhere, "/made/a.conf"), untouched);
    }

    /// The shape of Wire's chart: init containers that share none of the file's volumes do what they like.
    #[test]
    fn an_init_container_that_does_not_mount_the_files_volume_changes_nothing() {
        let pod = r#"
containers:
- name: coturn
  command: [dumb-init, --, /bin/sh, -c]
  args:
  - |
    set -e
    IP=$(cat /external-ip/ip)
    sed -Ee "s;__COTURN_EXT_IP__;$IP;g" -e "s;__COTURN_POD_IP__;$POD_IP;g" /template/coturn.conf > /made/a.conf
    sed -Ee 's/^/static-auth-secret=/' /s/secret.txt >> /made/a.conf
    exec /usr/bin/turnserver -c /made/a.conf
  volumeMounts:
  - {name: ip, mountPath: /external-ip}
  - {name: made, mountPath: /made}
  - {name: v, mountPath: /template/coturn.conf, subPath: coturn.conf}
  - {name: s, mountPath: /s}
initContainers:
- name: get-external-ip
  command: [/bin/sh, -c]
  args:
  - |
    while [ -z "$IP" ]; do IP=$(kubectl get node $NODE); done
    echo -n "$IP" | tee /dev/stderr > /external-ip/ip
  volumeMounts: [{name: ip, mountPath: /external-ip}]
- {name: pin, image: x, args: [iptables]}
volumes:
- {name: ip, emptyDir: {}}
- {name: made, emptyDir: {}}
- {name: v, configMap: {name: settings}}
- {name: s, secret: {secretName: shared}}"#;
        let text = "the script of container coturn: static-auth-secret=$(cat /s/secret.txt)\n";
        assert_eq!(
            found(pod),
            one("/made/a.conf", &["ConfigMap settings, coturn.conf", text])
        );
    }

    #[test]
    fn a_file_that_several_scripts_multiply_is_not_followed_to_its_end() {
        let doubled =
            "cat /made/a.conf /made/a.conf > /b; cat /b /b > /c; cat /c /c > /made/a.conf";
        let script = format!("command: [sh, -c, '{doubled}'], {MOUNTS}");
        let init: Vec<_> = ["a", "b", "c", "d"]
            .map(|name| format!("{{name: {name}, {script}}}"))
            .into();
        let parts = shared(&init.join(", "), "/made/a.conf");
        assert_eq!(parts.len(), MOST + 1);
        assert!(parts[MOST].contains("more than 64 parts"), "{parts:?}");
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
