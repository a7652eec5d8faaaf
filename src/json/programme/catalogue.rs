//! Catalogues of facts as files.

use serde::Deserialize;

use crate::pb::peshub::subsidies::v1 as pb;

/// A catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    facts: Vec<Fact>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Int,
    Money,
    Date,
    Bool,
    Enum,
    String,
    List,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum About {
    Worker,
    #[default]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    name: String,
    kind: Kind,
    meaning: String,
    source: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    choices: Vec<String>,
    least: Option<i64>,
    greatest: Option<i64>,
    /// Of a list: the kind of its items.
    items: Option<Kind>,
    #[serde(default)]
    max_items: i32,
    #[serde(default)]
    evidence: Vec<String>,
    #[serde(default)]
    claims: Vec<Claim>,
    #[serde(default)]
    fresh_for_days: i32,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    about: About,
    #[serde(default)]
    stated_by_hub: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(rename = "claim")]
    path: String,
    #[serde(default)]
    constant: String,
}

pub(super) fn facts(file: Catalogue) -> Vec<pb::FactDefinition> {
    file.facts.into_iter().map(fact).collect()
}

const fn kind(kind: Kind) -> pb::FactKind {
    match kind {
        Kind::Int => pb::FactKind::Int,
        Kind::Money => pb::FactKind::Money,
        Kind::Date => pb::FactKind::Date,
        Kind::Bool => pb::FactKind::Bool,
        Kind::Enum => pb::FactKind::Enum,
        Kind::String => pb::FactKind::String,
        Kind::List => pb::FactKind::List,
    }
}

fn fact(it: Fact) -> pb::FactDefinition {
    let claim = |it: Claim| pb::ClaimSource {
        type_name: it.type_name,
        claim: it.path,
        constant: it.constant,
    };
    pb::FactDefinition {
        name: it.name,
        kind: kind(it.kind).into(),
        meaning: it.meaning,
        unit: it.unit,
        choices: it.choices,
        least: it.least,
        greatest: it.greatest,
        item_kind: it.items.map(kind).unwrap_or_default().into(),
        max_items: it.max_items,
        evidence: it.evidence,
        claims: it.claims.into_iter().map(claim).collect(),
        lawful_source: it.source,
        fresh_for_days: it.fresh_for_days,
        sensitive: it.sensitive,
        about_worker: matches!(it.about, About::Worker),
        stated_by_hub: it.stated_by_hub,
    }
}
