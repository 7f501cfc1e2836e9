//! Which container runs coturn.

use coturn::Launch;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// The container of this name, or the first whose command or image tells that it runs coturn.
#[must_use]
pub fn coturn<'a>(pod: &'a PodSpec, name: Option<&str>) -> Option<&'a Container> {
    let mut containers = pod.containers.iter();
    if let Some(name) = name {
        return containers.find(|container| container.name == name);
    }
    let mut all = pod.containers.iter();
    let by_command = all.find(|container| names_turnserver(container));
    by_command.or_else(|| containers.find(|container| is_image_of_coturn(container)))
}

/// How a container starts coturn.
#[must_use]
pub fn launch(container: &Container) -> Launch {
    let command = container.command.as_deref().unwrap_or_default();
    let arguments = container.args.as_deref().unwrap_or_default();
    Launch::of_container(command, arguments)
}

/// Arguments alone tell only where the image is known.
fn names_turnserver(container: &Container) -> bool {
    let words = container.command.iter().chain(&container.args).flatten();
    launch(container).is_known && words.into_iter().any(|word| word.contains("turnserver"))
}

fn is_image_of_coturn(container: &Container) -> bool {
    let image = container.image.as_deref().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let name = name.split([':', '@']).next().unwrap_or_default();
    name.contains("coturn") && !name.contains("coturn-cert") && !name.contains("exporter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(containers: &str, name: Option<&str>) -> Option<String> {
        let pod: PodSpec =
            serde_saphyr::from_str(&format!("{{containers: [{containers}]}}")).unwrap();
        coturn(&pod, name).map(|container| container.name.clone())
    }

    const SIDECAR: &str = "{name: agent, image: local/coturn-cert-operator}";
    const BY_IMAGE: &str = "{name: a, image: 'docker.io/coturn/coturn:4.6.2'}";
    const BY_COMMAND: &str = "{name: b, image: x, command: [sh, -c, 'exec turnserver -n']}";

    #[test]
    fn the_command_tells_before_the_image_and_a_sidecar_is_none() {
        let all = [SIDECAR, BY_IMAGE, BY_COMMAND].join(",");
        assert_eq!(found(&all, None).as_deref(), Some("b"));
        let all = [SIDECAR, BY_IMAGE].join(",");
        assert_eq!(found(&all, None).as_deref(), Some("a"));
        assert_eq!(found(SIDECAR, None), None);
    }

    #[test]
    fn a_name_decides() {
        let all = [SIDECAR, BY_IMAGE].join(",");
        assert_eq!(found(&all, Some("agent")).as_deref(), Some("agent"));
        assert_eq!(found(&all, Some("other")), None);
    }
}
