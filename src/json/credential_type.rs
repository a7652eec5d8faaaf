//! Credential types as files: what `peshub issuers types publish` takes. Paths are lists, names are objects by language, and the
//! schema stands in the file as it is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::pb::peshub::common::v1::OccupationScheme;
use crate::pb::peshub::credentials::v1 as pb;

/// A credential type as a file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    version: i32,
    #[serde(default)]
    vct: String,
    names: BTreeMap<String, String>,
    #[serde(default)]
    description: String,
    occupation_claim: Option<Vec<String>>,
    occupation_scheme: Option<Scheme>,
    division_claim: Option<Vec<String>>,
    #[serde(default)]
    validity_days_max: i32,
    claims: Vec<Claim>,
    schema: Value,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scheme {
    #[serde(rename = "csco-2022")]
    Csco2022,
    #[serde(rename = "isco-08")]
    Isco08,
    Esco,
    OnetSoc,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    path: Vec<String>,
    #[serde(default)]
    names: BTreeMap<String, String>,
    #[serde(default)]
    disclosure: Disclosure,
    #[serde(default)]
    mandatory: bool,
    #[serde(default)]
    sensitive: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Disclosure {
    #[default]
    Always,
    Allowed,
    Never,
}

/// Reads a credential type from the text of a file.
///
/// # Errors
///
/// It is no JSON, or no credential type.
pub fn read(text: &str) -> Result<pb::CredentialType, serde_json::Error> {
    let file: File = serde_json::from_str(text)?;
    let path = |segments: Vec<String>| pb::ClaimPath { segments };
    let scheme = file.occupation_scheme.map(|scheme| match scheme {
        Scheme::Csco2022 => OccupationScheme::Csco2022,
        Scheme::Isco08 => OccupationScheme::Isco08,
        Scheme::Esco => OccupationScheme::Esco,
        Scheme::OnetSoc => OccupationScheme::OnetSoc,
    });
    Ok(pb::CredentialType {
        name: file.name,
        version: file.version,
        vct: file.vct,
        names: names(file.names),
        description: file.description,
        claims: file.claims.into_iter().map(claim).collect(),
        schema_json: file.schema.to_string(),
        occupation_claim: file.occupation_claim.map(path),
        occupation_scheme: scheme.unwrap_or_default().into(),
        division_claim: file.division_claim.map(path),
        validity_days_max: file.validity_days_max,
        ..pb::CredentialType::default()
    })
}

fn claim(claim: Claim) -> pb::ClaimDefinition {
    let disclosure = match claim.disclosure {
        Disclosure::Always => pb::ClaimDisclosure::Always,
        Disclosure::Allowed => pb::ClaimDisclosure::Allowed,
        Disclosure::Never => pb::ClaimDisclosure::Never,
    };
    pb::ClaimDefinition {
        path: Some(pb::ClaimPath { segments: claim.path }),
        names: names(claim.names),
        disclosure: disclosure.into(),
        mandatory: claim.mandatory,
        sensitive: claim.sensitive,
    }
}

fn names(names: BTreeMap<String, String>) -> Vec<pb::DisplayName> {
    names.into_iter().map(|(language, text)| pb::DisplayName { language, text }).collect()
}
