use tempfile::TempDir;

use super::*;
use crate::testing::{issued, with_an_intermediate};

/// A directory with these two files.
fn holding(certificate: &str, key: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("tls.crt"), certificate).unwrap();
    fs::write(folder.path().join("tls.key"), key).unwrap();
    folder
}

fn content(certificate: &str, key: &str) -> Content {
    read(holding(certificate, key).path()).unwrap().content
}

fn state(certificate: &str, key: &str) -> State {
    let fault = read(holding(certificate, key).path()).unwrap_err();
    fault.state()
}

#[test]
fn the_content_is_the_chain_however_it_is_written() {
    let pair = issued();
    let spaced = format!("a note\n{}\n\n", pair.certificate);
    let plain = content(&pair.certificate, &pair.key);
    assert_eq!(content(&spaced, &pair.key), plain);
    assert_eq!(plain.leaf(), Some(pair.leaf.fingerprint));
}

#[test]
fn a_chain_that_lost_its_intermediate_is_another_content_of_the_same_leaf() {
    let pair = with_an_intermediate();
    let end = "-----END CERTIFICATE-----\n";
    let (leaf, _) = pair.certificate.split_once(end).unwrap();
    let leaf = format!("{leaf}{end}");
    let whole = content(&pair.certificate, &pair.key);
    let alone = content(&leaf, &pair.key);
    assert_ne!(alone, whole);
    assert_eq!(alone.leaf(), whole.leaf());
}

#[test]
fn what_is_no_pair_is_told_by_its_state() {
    let (pair, other) = (issued(), issued());
    let (certificate, key) = (pair.certificate.as_str(), pair.key.as_str());
    assert_eq!(state(certificate, &other.key), State::Mismatched);
    assert_eq!(state("", key), State::Incomplete);
    assert_eq!(state(&certificate[..400], key), State::Incomplete);
    assert_eq!(state(certificate, &key[..60]), State::Incomplete);
    let large = "x".repeat(1024 * 1024 + 1);
    assert_eq!(state(&large, key), State::Unreadable);
}

#[test]
fn a_chain_that_begins_with_its_intermediate_is_no_pair() {
    let pair = with_an_intermediate();
    let end = "-----END CERTIFICATE-----\n";
    let (leaf, rest) = pair.certificate.split_once(end).unwrap();
    let turned = format!("{rest}{leaf}{end}");
    assert_eq!(state(&turned, &pair.key), State::Mismatched);
}

#[test]
fn the_age_of_a_pair_is_that_of_the_kubelets_link() {
    let folder = TempDir::new().unwrap();
    let pair = issued();
    let revision = folder.path().join("..1");
    fs::create_dir(&revision).unwrap();
    fs::write(revision.join("tls.crt"), &pair.certificate).unwrap();
    fs::write(revision.join("tls.key"), pair.key.as_bytes()).unwrap();
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, folder.path().join(at));
    for file in ["tls.crt", "tls.key"] {
        link(&format!("..data/{file}"), file).unwrap();
    }
    link("..1", "..data").unwrap();
    let made = fs::symlink_metadata(folder.path().join("..data")).unwrap();
    assert_eq!(read(folder.path()).unwrap().since, made.modified().unwrap());
}
