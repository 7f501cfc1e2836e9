//! What coturn is told in a pod, by its files and its command line.

use coturn::{Build, Configuration, Launch, Setting};
use deployed::{Candidate, Entry, Origin, Place, candidates, expanded, launch, place};
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{Cluster, Subject};
use crate::{
    error::Error,
    facts::{File, Presence, Process},
    report::Gap,
};

/// What was read.
pub struct Configured {
    /// What the image's tag and the options tell.
    pub build: Build,
    /// What coturn was told, if that is known.
    pub configuration: Option<Configuration>,
    /// The files that it reads.
    pub files: Vec<File>,
    /// Who it runs as.
    pub process: Process,
}

/// Reads it.
pub(super) struct Reader<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) subject: &'a Subject,
    pub(super) gaps: &'a mut Vec<Gap>,
}

/// A file of configuration: its name in findings, and its text.
type Text = (String, String);

impl Reader<'_> {
    pub(super) async fn read(mut self) -> Configured {
        let launch = launch(&self.subject.container);
        let configuration = if launch.is_known {
            let arguments = expanded(&self.subject.container, &launch.arguments);
            let texts = self.texts(&launch).await;
            let texts: Vec<_> = texts
                .iter()
                .map(|(name, text)| (&**name, &**text))
                .collect();
            Some(Configuration::read(&texts, &arguments))
        } else {
            let what = "how coturn is configured";
            let why = "the image's own entry point decides what it is started with; set `command` or \
                       `args` in the container";
            self.gaps.push(Gap::new(what, why));
            None
        };
        let files = match &configuration {
            Some(configuration) => self.files(configuration).await,
            None => Vec::new(),
        };
        Configured {
            build: build(&self.subject.container, configuration.as_ref()),
            files,
            process: process(&self.subject.pod, &self.subject.container),
            configuration,
        }
    }

    /// The first file that turnserver would find, as far as volumes hold it; one that a script makes is
    /// read where it is made from.
    async fn texts(&mut self, launch: &Launch) -> Vec<Text> {
        let candidates = candidates(&self.subject.pod, &self.subject.container, launch);
        for candidate in &candidates {
            let mut texts = Vec::new();
            for origin in &candidate.origins {
                texts.extend(self.text(origin).await);
            }
            if !texts.is_empty() {
                return texts;
            }
        }
        if let Some(Candidate { path, .. }) = candidates.first() {
            let why = format!(
                "no ConfigMap or Secret holds {path}: it is made in the pod, or comes with the image; \
                 the command line alone was read"
            );
            self.gaps.push(Gap::new("what turnserver.conf says", why));
        }
        Vec::new()
    }

    async fn text(&mut self, origin: &Origin) -> Option<Text> {
        let text = match origin {
            Origin::ConfigMap(Entry { object, key, .. }) => {
                self.cluster.config_map_text(object, key).await
            }
            Origin::Secret(Entry { object, key, .. }) => {
                self.cluster.secret_text(object, key).await
            }
        };
        let name = origin.to_string();
        let text = self.readable(&name, text)?;
        text.map(|text| (name, text))
    }

    /// What could not be read is a gap.
    fn readable<T>(&mut self, what: &str, result: Result<T, Error>) -> Option<T> {
        result
            .map_err(|error| self.gaps.push(Gap::new(what, error.to_string())))
            .ok()
    }

    async fn files(&mut self, configuration: &Configuration) -> Vec<File> {
        let named = configuration.files();
        let settings = [
            named.certificate,
            named.key,
            named.authorities,
            named.dh,
            named.federation_certificate,
            named.federation_key,
        ];
        let mut files = Vec::new();
        for setting in settings.into_iter().flatten() {
            files.extend(self.file(setting).await);
        }
        files
    }

    /// Only of a path that is whole it can be told where it lies.
    async fn file(&mut self, setting: &Setting) -> Option<File> {
        let path = setting.value.text().filter(|path| path.starts_with('/'));
        let Some(path) = path else {
            let why = format!("{} is no whole path: {}", setting.name, setting.value);
            self.gaps
                .push(Gap::new(format!("the file of {}", setting.name), why));
            return None;
        };
        let place = place(&self.subject.pod, &self.subject.container, path);
        Some(File {
            option: setting.name,
            source: setting.source.to_string(),
            path: path.to_owned(),
            presence: self.presence(&place).await,
            place,
        })
    }

    async fn presence(&mut self, place: &Place) -> Presence {
        let (what, presence) = match place {
            Place::Secret(Entry { object, key, .. }) => (
                format!("the keys of Secret {object}"),
                self.cluster.secret_presence(object, key).await,
            ),
            Place::ConfigMap(Entry { object, key, .. }) => (
                format!("ConfigMap {object}"),
                self.cluster.config_map_presence(object, key).await,
            ),
            Place::Volume(_) | Place::LeftOut { .. } | Place::Image => return Presence::Unknown,
        };
        self.readable(&what, presence).unwrap_or(Presence::Unknown)
    }
}

/// The fork is told also by options that only it has.
fn build(container: &Container, configuration: Option<&Configuration>) -> Build {
    let build = Build::of_image(container.image.as_deref().unwrap_or_default());
    let of_fork = ["federation-listening-ip", "federation-cert", "zrest"];
    let is_fork = configuration.is_some_and(|configuration| {
        let mut names = of_fork.into_iter();
        names.any(|name| configuration.last(name).is_some())
    });
    Build {
        is_fork: build.is_fork || is_fork,
        ..build
    }
}

fn process(pod: &PodSpec, container: &Container) -> Process {
    let of_container = container.security_context.as_ref();
    let of_pod = pod.security_context.as_ref();
    let own = of_container.and_then(|it| it.run_as_user);
    Process {
        user: own.or_else(|| of_pod.and_then(|it| it.run_as_user)),
        fs_group: of_pod.and_then(|it| it.fs_group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(text: &str) -> Container {
        serde_saphyr::from_str(&format!("{{name: coturn, {text}}}")).unwrap()
    }

    #[test]
    fn the_containers_user_counts_before_the_pods() {
        let pod = |text| serde_saphyr::from_str(text).unwrap();
        let pod: PodSpec = pod("{containers: [], securityContext: {runAsUser: 1, fsGroup: 2}}");
        let own = container("securityContext: {runAsUser: 3}");
        assert_eq!(process(&pod, &own).user, Some(3));
        let of_pod = process(&pod, &container("image: x"));
        assert_eq!((of_pod.user, of_pod.fs_group), (Some(1), Some(2)));
    }

    #[test]
    fn the_fork_is_known_by_its_options() {
        let configuration = Configuration::read(&[("f", "zrest")], &[]);
        assert!(build(&container("image: a"), Some(&configuration)).is_fork);
        assert!(!build(&container("image: a"), None).is_fork);
    }
}
