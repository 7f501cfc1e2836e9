//! Distinguished names: made from what a spec asks for, read back, and shown.

use api::Subject;
use der::{
    Decode, Encode, Tag, Tagged,
    asn1::{Any, Ia5StringRef, ObjectIdentifier, PrintableStringRef, Utf8StringRef},
};
use x509_cert::{
    attr::AttributeTypeAndValue,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

use crate::IssueError;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
const PROVINCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.8");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");

/// Upper bound of the attributes offered (RFC 5280 appendix A.1), in characters.
const MAX_ATTRIBUTE: usize = 64;

/// Longest form of a name that is shown, in characters: conditions and logs hold names.
const MAX_SHOWN: usize = 256;

/// The name in the order of `openssl req`: from the country to the common name.
pub(crate) fn from_request(
    subject: &Subject,
    common_name: Option<&str>,
) -> Result<Name, IssueError> {
    let parts = [
        (COUNTRY, &subject.countries),
        (PROVINCE, &subject.provinces),
        (LOCALITY, &subject.localities),
        (ORGANIZATION, &subject.organizations),
        (ORGANIZATIONAL_UNIT, &subject.organizational_units),
    ];
    let mut rdns = Vec::new();
    for (oid, values) in parts {
        for value in values {
            rdns.push(rdn(oid, value)?);
        }
    }
    if let Some(value) = common_name {
        rdns.push(rdn(COMMON_NAME, value)?);
    }
    Ok(Name::from_der(&RdnSequence::from(rdns).to_der()?)?)
}

fn rdn(oid: ObjectIdentifier, value: &str) -> Result<RelativeDistinguishedName, IssueError> {
    let refuse = || IssueError::SubjectAttribute(value.chars().take(MAX_ATTRIBUTE).collect());
    let is_country = oid == COUNTRY;
    let length = value.chars().count();
    if value.chars().any(char::is_control)
        || !(1..=MAX_ATTRIBUTE).contains(&length)
        || is_country && !(length == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        return Err(refuse());
    }
    let tag = if is_country {
        Tag::PrintableString
    } else {
        Tag::Utf8String
    };
    let value = Any::new(tag, value.as_bytes()).map_err(|_| refuse())?;
    let attribute = AttributeTypeAndValue { oid, value };
    RelativeDistinguishedName::try_from(vec![attribute]).map_err(|_| refuse())
}

/// What a spec would say to get this name; None if no spec can ask for it. The order between
/// attributes of different types is not told.
pub(crate) fn to_request(name: &Name) -> Option<(Subject, Option<String>)> {
    let mut subject = Subject::default();
    let mut common_name = None;
    for rdn in name.iter_rdn() {
        let mut attributes = rdn.iter();
        let attribute = attributes.next()?;
        if attributes.next().is_some() {
            return None;
        }
        let value = text(&attribute.value)?;
        match attribute.oid {
            COUNTRY => subject.countries.push(value),
            PROVINCE => subject.provinces.push(value),
            LOCALITY => subject.localities.push(value),
            ORGANIZATION => subject.organizations.push(value),
            ORGANIZATIONAL_UNIT => subject.organizational_units.push(value),
            COMMON_NAME if common_name.is_none() => common_name = Some(value),
            _ => return None,
        }
    }
    Some((subject, common_name))
}

/// The first common name, if it is in an encoding still in use.
pub(crate) fn common_name(name: &Name) -> Option<String> {
    let mut attributes = name.iter_rdn().flat_map(RelativeDistinguishedName::iter);
    let first = attributes.find(|attribute| attribute.oid == COMMON_NAME)?;
    text(&first.value)
}

/// The text of a `DirectoryString` (RFC 5280 appendix A.1) in one of the encodings still in use.
fn text(value: &Any) -> Option<String> {
    let text = match value.tag() {
        Tag::Utf8String => Utf8StringRef::try_from(value).ok()?.as_str().to_owned(),
        Tag::PrintableString => PrintableStringRef::try_from(value)
            .ok()?
            .as_str()
            .to_owned(),
        Tag::Ia5String => Ia5StringRef::try_from(value).ok()?.as_str().to_owned(),
        _ => return None,
    };
    Some(text)
}

/// The name as RFC 4514 writes it, cut where it becomes unreasonable.
pub(crate) fn shown(name: &Name) -> String {
    if name.is_empty() {
        return "(empty name)".to_owned();
    }
    let text = name.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
