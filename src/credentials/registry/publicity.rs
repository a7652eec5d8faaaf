//! What is told of issuers and credential types to whoever asks, as SD-JWT VC has it.

use serde_json::{Map, Value, json};

use crate::credentials::domain::Segment;
use crate::credentials::registry::entry::{Issuer, IssuerKey};
use crate::credentials::registry::kind::{Claim, CredentialType, Disclosure};
use crate::pb::peshub::credentials::v1 as pb;

/// Returns the keys of an issuer as a JSON Web Key Set. Retired ones are there, so that what they signed can be verified: `nbf` says
/// from when on a key signs, `exp` from when on it signs no more. One that may be in wrong hands is not there.
#[must_use]
pub fn keys(issuer: &Issuer) -> Value {
    let told = issuer.keys.iter().filter(|key| key.compromised_at.is_none());
    json!({"keys": told.filter_map(|key| jwk(key)).collect::<Vec<_>>()})
}

fn jwk(key: &IssuerKey) -> Option<Value> {
    let mut jwk = key.public.as_ref()?.to_jwk();
    let members = jwk.as_object_mut()?;
    members.insert("kid".to_owned(), json!(key.key_id));
    members.insert("use".to_owned(), json!("sig"));
    members.insert("alg".to_owned(), json!(key.algorithm?.name()));
    members.insert("nbf".to_owned(), json!(key.valid_from.unix_timestamp()));
    if let Some(retired_at) = key.retired_at {
        members.insert("exp".to_owned(), json!(retired_at.unix_timestamp()));
    }
    Some(jwk)
}

/// Returns the type metadata of a credential type (SD-JWT VC, section 4).
#[must_use]
pub fn metadata(it: &CredentialType, schema_uri: Option<String>) -> Value {
    let name = it.content.names.first().map_or(it.name.as_str(), |name| name.text.as_str());
    let mut value = json!({
        "vct": it.vct,
        "name": name,
        "display": display(&it.content.names, "name"),
    });
    let claims = it.rules.claims.iter().zip(&it.content.claims);
    let claims: Vec<_> = claims.map(|(claim, content)| metadata_of(claim, content)).collect();
    if let Some(members) = value.as_object_mut() {
        if !it.content.description.is_empty() {
            members.insert("description".to_owned(), json!(it.content.description));
        }
        members.insert("claims".to_owned(), Value::Array(claims));
        if let Some(uri) = schema_uri {
            members.insert("schema_uri".to_owned(), json!(uri));
        }
    }
    value
}

fn metadata_of(claim: &Claim, content: &pb::ClaimDefinition) -> Value {
    let path = claim.path.segments().iter().map(|segment| match segment {
        Segment::Name(name) => json!(name),
        Segment::Element(index) => json!(index),
        Segment::Every => Value::Null,
    });
    let disclosure = match claim.disclosure {
        Disclosure::Always => "always",
        Disclosure::Allowed => "allowed",
        Disclosure::Never => "never",
    };
    json!({
        "path": path.collect::<Vec<_>>(),
        "display": display(&content.names, "label"),
        "sd": disclosure,
        "mandatory": claim.is_mandatory,
    })
}

fn display(names: &[pb::DisplayName], member: &str) -> Value {
    let display = names.iter().map(|name| {
        let mut display = Map::new();
        display.insert("locale".to_owned(), json!(name.language));
        display.insert(member.to_owned(), json!(name.text));
        Value::Object(display)
    });
    display.collect()
}
