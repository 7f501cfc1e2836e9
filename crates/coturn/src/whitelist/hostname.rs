//! How the fork compares a host of the whitelist with a name of a certificate.

use super::c_string;

/// Whether a certificate's name stands for a host of the whitelist. Case and one dot at the end count
/// for nothing. One star in the first label of the certificate's name stands for one or more
/// characters, if the name has at least two dots more.
pub(super) fn matches(host: &str, name: &str) -> bool {
    let (host, name) = (c_string(host), c_string(name));
    if host.is_empty() || name.is_empty() {
        return false;
    }
    let (host, name) = (without_dot(host), without_dot(name));
    let (host_label, host_rest) = divided(host);
    let (label, rest) = divided(name);
    match label.split_once('*') {
        None => host.eq_ignore_ascii_case(name),
        Some((_, after)) if after.contains('*') => false,
        Some((before, after)) => {
            may_be_wild(host, name)
                && host_rest.eq_ignore_ascii_case(rest)
                && stands_for(host_label, before, after)
        }
    }
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The first label, and the rest with its dot.
fn divided(name: &str) -> (&str, &str) {
    name.split_at(name.find('.').unwrap_or(name.len()))
}

/// A wildcard stands neither for stars, nor for numbers of an IPv4 address, nor in a name that is
/// too short or in Punycode.
fn may_be_wild(host: &str, name: &str) -> bool {
    let dots = |text: &str| text.matches('.').count();
    let is_numeric = host.starts_with(|first: char| first.is_ascii_digit());
    let is_punycode = starts_with(name, "xn--");
    !host.contains('*')
        && dots(name) >= 2
        && dots(name) == dots(host)
        && !(dots(host) == 3 && is_numeric)
        && !is_punycode
}

/// The fork asks for at least as many characters as the label with its star has.
fn stands_for(label: &str, before: &str, after: &str) -> bool {
    label.len() > before.len() + after.len()
        && starts_with(label, before)
        && ends_with(label, after)
}

fn starts_with(text: &str, start: &str) -> bool {
    let head = text.as_bytes().get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

fn ends_with(text: &str, end: &str) -> bool {
    let bytes = text.as_bytes();
    let tail = bytes
        .len()
        .checked_sub(end.len())
        .map(|from| &bytes[from..]);
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
}
