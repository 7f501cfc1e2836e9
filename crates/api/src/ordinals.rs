//! Names by ordinal: the pods of a `StatefulSet` are numbered, and each may have a name of its own in
//! the certificate.

use std::ops::Range;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    CommonName, CoturnCertificateSpec, SpecError, Wanted, WorkloadKind, wanted::fits_a_common_name,
};

/// What stands for the ordinal in a template.
pub const PLACEHOLDER: &str = "{ordinal}";

/// Names that one certificate holds, at most.
pub const MOST_NAMES: u32 = 100;

/// A DNS name for each pod of a `StatefulSet`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    validation = ("self.template.split('{ordinal}').size() == 2", "ordinalDNSNames.template must hold {ordinal} exactly once"),
    validation = ("self.template.replace('{ordinal}', '00000').matches('^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*$')", "ordinalDNSNames.template must be a DNS name once {ordinal} is replaced by a number of up to five digits"),
    validation = ("!self.template.replace('{ordinal}', '0').matches('(^|[.])[0-9]+$')", "the last label of ordinalDNSNames.template must not become a number: TLS libraries take the name for an IP address"),
)]
#[serde(rename_all = "camelCase")]
pub struct OrdinalDnsNames {
    /// The name, with `{ordinal}` once where the pod's ordinal goes: `coturn-{ordinal}.example.com`.
    #[schemars(length(min = 10, max = 253))]
    pub template: String,
    /// The first ordinal; default: the StatefulSet's own `spec.ordinals.start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "start")]
    pub start: Option<u32>,
    /// How many ordinals; default: the most replicas that the StatefulSet was seen with. Growth adds
    /// names by another certificate and restarts only the pods that lack theirs; nothing is ever
    /// removed by a smaller number of replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub count: Option<u32>,
}

fn start(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 0, "maximum": 99_900})
}

fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": MOST_NAMES})
}

/// A run of ordinals.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct Ordinals {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

impl Ordinals {
    /// All of them, in order.
    #[must_use]
    pub const fn range(self) -> Range<u32> {
        self.start..self.start.saturating_add(self.count)
    }

    /// Whether an ordinal is one of them.
    #[must_use]
    pub fn contains(self, ordinal: u32) -> bool {
        self.range().contains(&ordinal)
    }

    /// The shortest run that holds both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        let start = self.start.min(other.start);
        let end = self.range().end.max(other.range().end);
        Self {
            start,
            count: end - start,
        }
    }
}

/// What a resource asks for by ordinal, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrdinalNames {
    before: String,
    after: String,
    /// The first ordinal, if the resource says.
    pub start: Option<u32>,
    /// How many, if the resource says.
    pub count: Option<u32>,
    /// How many there is room for beside the other names.
    pub most: u32,
}

impl OrdinalNames {
    /// What a resource asks for by ordinal.
    pub(crate) fn of(spec: &CoturnCertificateSpec) -> Result<Option<Self>, SpecError> {
        let Some(asked) = &spec.ordinal_dns_names else {
            return Ok(None);
        };
        let kind = spec.workload_ref.as_ref().map(|workload| workload.kind);
        if kind != Some(WorkloadKind::StatefulSet) {
            let rule = "it needs a spec.workloadRef to a StatefulSet, whose pods are numbered";
            return Err(SpecError::Ordinals(rule));
        }
        Self::parse(asked, spec.dns_names.len()).map(Some)
    }

    /// Parses the field of a resource with so many other DNS names.
    pub fn parse(spec: &OrdinalDnsNames, others: usize) -> Result<Self, SpecError> {
        let template = spec.template.to_ascii_lowercase();
        let refuse = |rule| SpecError::Ordinals(rule);
        let (before, after) = template
            .split_once(PLACEHOLDER)
            .filter(|(_, after)| !after.contains(PLACEHOLDER))
            .ok_or(refuse("template must hold {ordinal} exactly once"))?;
        let most = MOST_NAMES.saturating_sub(u32::try_from(others).unwrap_or(MOST_NAMES));
        if most < spec.count.unwrap_or(1) {
            return Err(refuse("with dnsNames there are more than 100 names"));
        }
        Ok(Self {
            before: before.to_owned(),
            after: after.to_owned(),
            start: spec.start,
            count: spec.count,
            most,
        })
    }

    /// The name of one ordinal, lower case.
    #[must_use]
    pub fn name(&self, ordinal: u32) -> String {
        format!("{}{ordinal}{}", self.before, self.after)
    }

    /// The names of a run.
    pub fn names(&self, ordinals: Ordinals) -> impl Iterator<Item = String> + '_ {
        ordinals.range().map(|ordinal| self.name(ordinal))
    }
}

impl Wanted {
    /// The same with the names of these ordinals among the others. They come after those: the default
    /// common name is one of them only where there is no other.
    #[must_use]
    pub fn with_names_of(&self, ordinals: Ordinals) -> Self {
        let mut named = self.clone();
        let Some(template) = &self.ordinals else {
            return named;
        };
        if self.common_name == CommonName::Default && self.content.dns_names.is_empty() {
            let first = template.names(ordinals).next();
            // Without one that fits, what stands in for a name stays.
            let stand_in = named.content.common_name.take();
            let first = first.filter(|name| fits_a_common_name(name));
            named.content.common_name = first.or(stand_in);
        }
        named.content.dns_names.extend(template.names(ordinals));
        named
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(template: &str, count: Option<u32>, others: usize) -> Result<OrdinalNames, SpecError> {
        let spec = OrdinalDnsNames {
            template: template.to_owned(),
            start: None,
            count,
        };
        OrdinalNames::parse(&spec, others)
    }

    #[test]
    fn each_ordinal_has_a_name() {
        let names = parse("Coturn-{ordinal}.example.com", None, 1).unwrap();
        let run = Ordinals { start: 9, count: 2 };
        assert_eq!(
            names.names(run).collect::<Vec<_>>(),
            ["coturn-9.example.com", "coturn-10.example.com"]
        );
    }

    #[test]
    fn a_template_holds_the_ordinal_exactly_once() {
        for template in ["coturn.example.com", "{ordinal}-{ordinal}.example.com"] {
            let refused = parse(template, None, 0).unwrap_err().to_string();
            assert!(refused.contains("{ordinal} exactly once"), "{refused}");
        }
    }

    #[test]
    fn there_are_never_more_than_a_hundred_names() {
        assert_eq!(parse("{ordinal}.a", None, 97).unwrap().most, 3);
        assert!(parse("{ordinal}.a", Some(3), 97).is_ok());
        assert!(parse("{ordinal}.a", Some(4), 97).is_err());
        assert!(parse("{ordinal}.a", None, 100).is_err());
    }

    #[test]
    fn two_runs_are_joined_by_the_shortest_that_holds_both() {
        let run = |start, count| Ordinals { start, count };
        assert_eq!(run(0, 3).joined(run(1, 1)), run(0, 3));
        assert_eq!(run(5, 3).joined(run(0, 2)), run(0, 8));
    }

    #[test]
    fn names_by_ordinal_come_beside_the_others() {
        let by_ordinal = |dns_names: Value| {
            let spec = json!({
                "issuer": {"ca": {"secretName": "coturn-ca"}},
                "dnsNames": dns_names,
                "ordinalDNSNames": {"template": "coturn-{ordinal}.example.com"},
                "workloadRef": {"name": "coturn"},
            });
            let asked = Wanted::parse(&serde_json::from_value(spec).unwrap());
            let run = Ordinals { start: 0, count: 2 };
            asked.unwrap().with_names_of(run).content
        };
        let beside = by_ordinal(json!(["coturn.example.com"]));
        assert_eq!(beside.dns_names.len(), 3);
        assert_eq!(beside.common_name.as_deref(), Some("coturn.example.com"));
        let alone = by_ordinal(json!([]));
        assert_eq!(alone.dns_names.len(), 2);
        assert_eq!(alone.common_name.as_deref(), Some("coturn-0.example.com"));
    }

    #[test]
    fn a_first_name_too_long_for_a_common_name_leaves_what_stands_in_for_it() {
        let template = format!("{}.{{ordinal}}.example.com", "a".repeat(60));
        let spec: CoturnCertificateSpec = serde_json::from_value(json!({
            "issuer": {"selfSigned": {}},
            "ordinalDNSNames": {"template": template},
            "workloadRef": {"name": "coturn"},
        }))
        .unwrap();
        let wanted = Wanted::parse(&spec).unwrap();
        let named = wanted.with_names_of(Ordinals { start: 0, count: 1 });
        let stand_in = Some("coturn-dtls-certificate".to_owned());
        assert_eq!(named.content.common_name, stand_in);
    }
}
