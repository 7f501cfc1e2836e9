//! What coturn is told in a pod, by its files and its command line.

use coturn::{Build, Configuration, Launch, Setting, Source};
use deployed::{
    Candidate, Origin, Part, Piece, Place, Projected, Text, candidates, expanded, launch, place,
};
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{Cluster, Subject};
use crate::{
    error::Error,
    facts::{Extent, File, Presence, Process},
    report::Gap,
};

/// What was read.
pub struct Configured {
    /// What the image's tag and the options tell.
    pub build: Build,
    /// What the image's tag alone tells.
    pub tagged: Build,
    /// What coturn was told, if that is known.
    pub configuration: Option<Configuration>,
    /// Whether that is all.
    pub extent: Extent,
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
    /// Whether all of the configuration was read so far.
    pub(super) extent: Extent,
    /// Whether a value of the file may be another one.
    pub(super) is_changed: bool,
    /// What was read so far: each object once, however often a file has it.
    pub(super) read: Vec<(Origin, Piece)>,
}

/// A file of configuration: its name in findings, and its text.
type Named = (String, String);

impl Reader<'_> {
    pub(super) async fn read(mut self) -> Configured {
        let launch = launch(&self.subject.container);
        let configuration = if launch.is_known {
            let arguments = expanded(&self.subject.container, &launch.arguments);
            let texts = self.texts(&launch).await;
            self.without_command(&launch);
            Some(of_texts(&texts, &arguments))
        } else {
            self.of_image(&launch).await
        };
        let files = match &configuration {
            Some(configuration) => self.files(configuration).await,
            None => Vec::new(),
        };
        let image = self.subject.container.image.as_deref().unwrap_or_default();
        Configured {
            build: build(image, configuration.as_ref()),
            tagged: Build::of_image(image),
            files,
            process: process(&self.subject.pod, &self.subject.container),
            configuration,
            extent: self.extent,
        }
    }

    /// Whatever entry point of its own an image has: where the container says nothing, turnserver looks for
    /// its file in the usual places, as it does in upstream's image.
    async fn of_image(&mut self, launch: &Launch) -> Option<Configuration> {
        const WHY: &str = "the image's own entry point decides what it is started with; set `command` or \
                           `args` in the container";
        self.extent = Extent::Partial;
        let container = &self.subject.container;
        let words = [&container.command, &container.args].into_iter().flatten();
        let texts = if words.flatten().next().is_none() {
            let candidates = candidates(&self.subject.pod, container, launch);
            self.found(&candidates).await
        } else {
            None
        };
        let what = match texts {
            Some(_) => "what coturn is told beside its file",
            None => "how coturn is configured",
        };
        self.gaps.push(Gap::new(what, WHY));
        texts.map(|texts| of_texts(&texts, &[]))
    }

    fn without_command(&mut self, launch: &Launch) {
        if launch.may_lose_n() {
            let why = "`-n` is in `args` without a `command`, and the entry point of coturn's images drops it; \
                       name turnserver in `command`";
            self.extent = Extent::Partial;
            self.gaps
                .push(Gap::new("whether it reads turnserver.conf", why));
        }
    }

    async fn texts(&mut self, launch: &Launch) -> Vec<Named> {
        let candidates = candidates(&self.subject.pod, &self.subject.container, launch);
        if let Some(texts) = self.found(&candidates).await {
            return texts;
        }
        if let Some(Candidate { path, .. }) = candidates.first() {
            let why = format!(
                "no ConfigMap or Secret that was read holds {path}: it is made in the pod, or comes with the \
                 image; the command line alone was read. Where there is none, `-n` behind turnserver in \
                 `command` says so"
            );
            self.extent = Extent::Partial;
            self.gaps.push(Gap::new("what turnserver.conf says", why));
        }
        Vec::new()
    }

    /// The first file that turnserver would find, as far as volumes hold it; one that a script makes is
    /// read where it is made from.
    async fn found(&mut self, candidates: &[Candidate]) -> Option<Vec<Named>> {
        for candidate in candidates {
            let mut pieces = Vec::new();
            for part in &candidate.parts {
                pieces.push(self.piece(part).await);
            }
            let text = Text::of(pieces);
            if !text.files.is_empty() {
                self.is_changed = text.is_changed;
                self.not_known(&candidate.path, text.unknown);
                return Some(text.files);
            }
        }
        None
    }

    /// What a file says beside what was read of it.
    fn not_known(&mut self, path: &str, unknown: Vec<String>) {
        for why in unknown {
            self.extent = Extent::Partial;
            self.gaps
                .push(Gap::new(format!("all that {path} says"), why));
        }
    }

    async fn piece(&mut self, part: &Part) -> Piece {
        match part {
            Part::Held(origin) => self.text(origin).await,
            Part::Projected(projected) => self.projected(projected).await,
            Part::Text { script, text } => Piece::Known {
                name: script.clone(),
                text: text.clone(),
            },
            Part::Unknown(why) => Piece::Unknown(why.clone()),
            Part::Changed(why) => Piece::Changed(why.clone()),
        }
    }

    /// Of a projected volume the last source that has the file counts.
    async fn projected(&mut self, projected: &Projected) -> Piece {
        let mut piece = Piece::Missing(format!("volume {} has no such file", projected.volume));
        for origin in projected.candidates.iter().rev() {
            match self.text(origin).await {
                Piece::Missing(_) => {}
                Piece::Unread => piece = Piece::Unread,
                known => return known,
            }
        }
        piece
    }

    async fn text(&mut self, origin: &Origin) -> Piece {
        if let Some((_, piece)) = self.read.iter().find(|(it, _)| it == origin) {
            return piece.clone();
        }
        let piece = self.requested(origin).await;
        self.read.push((origin.clone(), piece.clone()));
        piece
    }

    async fn requested(&mut self, origin: &Origin) -> Piece {
        let text = match origin {
            Origin::ConfigMap(entry) => self.cluster.config_map_text(entry).await,
            Origin::Secret(entry) => self.cluster.secret_text(entry).await,
        };
        let name = origin.to_string();
        match self.readable(&name, text) {
            Some(Some(text)) => Piece::Known { name, text },
            Some(None) => Piece::Missing(format!("{name}, is not there")),
            None => {
                self.extent = Extent::Partial;
                Piece::Unread
            }
        }
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

    /// The path of a file, if it is known and whole: only then it can be told where it lies.
    fn path<'a>(&mut self, setting: &'a Setting) -> Option<&'a str> {
        let is_of_file = matches!(setting.source, Source::Line { .. });
        let path = setting.value.text().filter(|path| path.starts_with('/'));
        let why = match path {
            Some(path) if self.is_changed && is_of_file => {
                format!("what may change turnserver.conf may change its path, {path}")
            }
            Some(path) => return Some(path),
            None => format!("{} is no whole path: {}", setting.name, setting.value),
        };
        self.gaps
            .push(Gap::new(format!("the file of {}", setting.name), why));
        None
    }

    async fn file(&mut self, setting: &Setting) -> Option<File> {
        let path = self.path(setting)?;
        let (place, presence) = self
            .located(place(&self.subject.pod, &self.subject.container, path))
            .await;
        Some(File {
            option: setting.name,
            source: setting.source.to_string(),
            path: path.to_owned(),
            presence,
            place,
        })
    }

    /// Of a projected volume, the source that has the file.
    async fn located(&mut self, place: Place) -> (Place, Presence) {
        match place {
            Place::Projected(projected) => {
                let mut found = Vec::new();
                for origin in &projected.candidates {
                    found.push(self.presence(origin).await);
                }
                settled(projected, found)
            }
            Place::Secret(entry) => self.of_origin(Origin::Secret(entry)).await,
            Place::ConfigMap(entry) => self.of_origin(Origin::ConfigMap(entry)).await,
            Place::Volume(_) | Place::LeftOut { .. } | Place::Image => (place, Presence::Unknown),
        }
    }

    async fn of_origin(&mut self, origin: Origin) -> (Place, Presence) {
        let presence = self.presence(&origin).await;
        (origin.into(), presence)
    }

    async fn presence(&mut self, origin: &Origin) -> Presence {
        let (what, presence) = match origin {
            Origin::Secret(entry) => (
                format!("the keys of Secret {}", entry.object),
                self.cluster.secret_presence(entry).await,
            ),
            Origin::ConfigMap(entry) => (
                format!("ConfigMap {}", entry.object),
                self.cluster.config_map_presence(entry).await,
            ),
        };
        self.readable(&what, presence).unwrap_or(Presence::Unknown)
    }
}

fn of_texts(texts: &[Named], arguments: &[String]) -> Configuration {
    let texts: Vec<_> = texts
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    Configuration::read(&texts, arguments)
}

/// Which source of a projected volume has a file, by what is known of each. It is missing only if no source
/// has it.
fn settled(projected: Projected, found: Vec<Presence>) -> (Place, Presence) {
    let mut missing = Vec::new();
    let mut is_known = projected.is_all;
    for (origin, presence) in projected.candidates.iter().zip(found).rev() {
        match presence {
            Presence::There if is_known => return (origin.clone().into(), Presence::There),
            Presence::There | Presence::Unknown => is_known = false,
            Presence::Missing(what) => missing.push(what),
        }
    }
    missing.reverse();
    let presence = if is_known {
        Presence::Missing(missing.join("; "))
    } else {
        Presence::Unknown
    };
    (Place::Projected(projected), presence)
}

/// The fork is told also by options that only it has, where the image may be it.
fn build(image: &str, configuration: Option<&Configuration>) -> Build {
    let build = Build::of_image(image);
    let of_fork = ["federation-listening-ip", "federation-cert", "zrest"];
    let has_any = configuration.is_some_and(|configuration| {
        let mut names = of_fork.into_iter();
        names.any(|name| configuration.last(name).is_some())
    });
    Build {
        is_fork: build.is_fork || (has_any && Build::may_be_fork(image)),
        ..build
    }
}

/// What the container says counts before what the pod says.
fn process(pod: &PodSpec, container: &Container) -> Process {
    let of_container = container.security_context.as_ref();
    let of_pod = pod.security_context.as_ref();
    let user = of_container.and_then(|it| it.run_as_user);
    let group = of_container.and_then(|it| it.run_as_group);
    let more_groups = of_pod.and_then(|it| it.supplemental_groups.clone());
    Process {
        user: user.or_else(|| of_pod.and_then(|it| it.run_as_user)),
        group: group.or_else(|| of_pod.and_then(|it| it.run_as_group)),
        more_groups: more_groups.unwrap_or_default(),
        fs_group: of_pod.and_then(|it| it.fs_group),
    }
}

#[cfg(test)]
mod tests;
