//! Adds to the text of a workload, and leaves the rest of it as it is.

use api::names::AGENT;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

#[derive(Deserialize)]
struct Document {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    spec: Spanned<Pod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    share_process_namespace: Option<Spanned<bool>>,
    init_containers: Option<Spanned<Vec<Spanned<Named>>>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// A piece of text that takes the place of another.
struct Change {
    at: usize,
    length: usize,
    text: String,
}

impl Change {
    fn insert(at: usize, text: String) -> Self {
        Self {
            at,
            length: 0,
            text,
        }
    }
}

/// The text with the container as the first of the init containers, and the process namespace shared. None
/// if it is not written in a way that is understood; whoever calls reads what came of it.
pub(super) fn add(text: &str, container: &Value) -> Option<String> {
    let document: Document = serde_saphyr::from_str(text).ok()?;
    let pod = document.spec.template.spec;
    let mut changes = share(text, &pod)?;
    changes.extend(list(text, &pod, &container.to_string())?);
    // From the end, so that what is still to be changed stays where it is.
    changes.sort_by_key(|change| std::cmp::Reverse(change.at));
    let mut edited = text.to_owned();
    for Change { at, length, text } in changes {
        edited.replace_range(at..at + length, &text);
    }
    Some(edited)
}

/// What shares the process namespace; nothing if it is shared already.
fn share(text: &str, pod: &Spanned<Pod>) -> Option<Vec<Change>> {
    match &pod.value.share_process_namespace {
        Some(shared) if shared.value => Some(Vec::new()),
        Some(shared) => {
            let at = offset(shared.referenced)?;
            let word = text[at..].chars().take_while(char::is_ascii_alphabetic);
            Some(vec![Change {
                at,
                length: word.count(),
                text: "true".to_owned(),
            }])
        }
        None => Some(vec![entry(text, pod, "shareProcessNamespace", "true")?]),
    }
}

/// What adds the container; nothing if it is there already.
fn list(text: &str, pod: &Spanned<Pod>, container: &str) -> Option<Vec<Change>> {
    let Some(list) = &pod.value.init_containers else {
        let list = format!("[{container}]");
        return match empty_entry(text, pod, "initContainers") {
            Some(at) => Some(vec![Change::insert(at, format!(" {list}"))]),
            None => Some(vec![entry(text, pod, "initContainers", &list)?]),
        };
    };
    let mut names = list.value.iter().map(|it| it.value.name.as_str());
    if names.any(|name| name == AGENT) {
        return Some(Vec::new());
    }
    Some(vec![item(text, list, container)?])
}

/// What makes an item the first of a list.
fn item(text: &str, list: &Spanned<Vec<Spanned<Named>>>, item: &str) -> Option<Change> {
    let at = offset(list.referenced)?;
    if text[at..].starts_with('[') {
        let comma = if list.value.is_empty() { "" } else { ", " };
        return Some(Change::insert(at + 1, format!("{item}{comma}")));
    }
    let first = offset(list.value.first()?.referenced)?;
    let dash = text[..first].rfind('-')?;
    let item = format!("- {item}\n{}", indent(text, dash)?);
    Some(Change::insert(dash, item))
}

/// What makes an entry the first of the pod's.
fn entry(text: &str, pod: &Spanned<Pod>, key: &str, value: &str) -> Option<Change> {
    let at = offset(pod.referenced)?;
    Some(if text[at..].starts_with('{') {
        Change::insert(at + 1, format!("\"{key}\": {value}, "))
    } else {
        Change::insert(at, format!("{key}: {value}\n{}", indent(text, at)?))
    })
}

/// The end of an entry of the pod's that is a key and nothing else, as templates leave it where a list has
/// no items.
fn empty_entry(text: &str, pod: &Spanned<Pod>, key: &str) -> Option<usize> {
    let start = offset(pod.referenced)?;
    let line = format!("{}{key}:", indent(text, start)?);
    let mut at = text[..start].rfind('\n').map_or(0, |end| end + 1);
    for candidate in text[at..].split_inclusive('\n') {
        let rest = candidate.strip_prefix(&line);
        if rest.is_some_and(|rest| rest.trim().is_empty()) {
            return Some(at + line.len());
        }
        at += candidate.len();
    }
    None
}

/// The blanks before a place, if there is nothing else before it in its line.
fn indent(text: &str, at: usize) -> Option<&str> {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before = &text[start..at];
    before.chars().all(|it| it == ' ').then_some(before)
}

fn offset(location: Location) -> Option<usize> {
    usize::try_from(location.span().byte_offset()?).ok()
}
