//! What stories of credentials begin with: an issuer with a key, a credential type, an accreditation.
//!
//! The academy in Hangzhou issues; the bureau of Zhejiang registers it, publishes the type and accredits.

use std::process::Command;

use peshub::pb::peshub::common::v1::{Division, DivisionScheme, Occupation, OccupationScheme};
use peshub::pb::peshub::credentials::v1::issuer_service_client::IssuerServiceClient;
use peshub::pb::peshub::credentials::v1::{
    AccreditIssuerRequest, Accreditation, AddIssuerKeyRequest, ClaimDefinition, ClaimDisclosure,
    ClaimPath, CreateCredentialTypeRequest, CreateIssuerRequest, CredentialType, DisplayName,
    Issuer, IssuerKey, KeyAlgorithm,
};
use serde_json::json;

use crate::program::peshub;
use crate::support::{TestHub, cluster};

/// Who issues.
pub(crate) const ACADEMY: &str = "academy-hangzhou";
/// Who registers issuers, publishes types and accredits.
pub(crate) const REGISTRAR: &str = "bureau-zhejiang";
/// Name of the type of [`welding_type`].
pub(crate) const WELDING: &str = "welding-certificate";
/// An occupation: welder.
pub(crate) const WELDER: &str = "6-18-02-04";
/// A division within the registrar's.
pub(crate) const XIHU: &str = "330106";

pub(crate) type Issuers = IssuerServiceClient<peshub::client::connect::Transport>;

/// What is there for a credential to be issued.
#[derive(Clone, Debug)]
pub(crate) struct Trusted {
    /// The issuer; its keys and accreditations as they were before.
    pub(crate) issuer: Issuer,
    /// A key that the hub holds.
    pub(crate) key: IssuerKey,
    /// The type.
    pub(crate) credential_type: CredentialType,
    /// The right to issue the type in Zhejiang, for every occupation.
    pub(crate) accreditation: Accreditation,
}

/// Registers the academy as an issuer whose key the hub holds, publishes the type, and accredits the one for the other.
pub(crate) async fn trusted(hub: &TestHub) -> Trusted {
    let mut registrar = hub.connect(REGISTRAR).await.issuers();
    let issuer = create_issuer(&mut registrar, ACADEMY, ACADEMY).await;
    let key = add_key(&mut hub.connect(ACADEMY).await.issuers(), ACADEMY).await;
    let credential_type = publish(&mut registrar, welding_type()).await;
    let accreditation = accredit(&mut registrar, ACADEMY, WELDING).await;
    Trusted { issuer, key, credential_type, accreditation }
}

/// Registers an issuer with an owner.
pub(crate) async fn create_issuer(client: &mut Issuers, name: &str, owner: &str) -> Issuer {
    let request = CreateIssuerRequest {
        name: name.to_owned(),
        display_name: format!("Issuer {name}"),
        owner: owner.to_owned(),
        ..CreateIssuerRequest::default()
    };
    client.create_issuer(request).await.unwrap().into_inner().issuer.unwrap()
}

/// Adds a key that the hub makes and holds.
pub(crate) async fn add_key(client: &mut Issuers, issuer: &str) -> IssuerKey {
    let request = AddIssuerKeyRequest {
        issuer: issuer.to_owned(),
        algorithm: KeyAlgorithm::Es256.into(),
        ..AddIssuerKeyRequest::default()
    };
    client.add_issuer_key(request).await.unwrap().into_inner().key.unwrap()
}

/// Publishes a type.
pub(crate) async fn publish(client: &mut Issuers, it: CredentialType) -> CredentialType {
    let request =
        CreateCredentialTypeRequest { credential_type: Some(it), request_id: String::new() };
    let answer = client.create_credential_type(request).await.unwrap().into_inner();
    answer.credential_type.unwrap()
}

/// Accredits an issuer for a type, in all divisions of the caller.
pub(crate) async fn accredit(client: &mut Issuers, issuer: &str, type_name: &str) -> Accreditation {
    let request = AccreditIssuerRequest {
        issuer: issuer.to_owned(),
        type_name: type_name.to_owned(),
        ..AccreditIssuerRequest::default()
    };
    client.accredit_issuer(request).await.unwrap().into_inner().accreditation.unwrap()
}

/// A type with a claim of each kind: `occupation` and `division` that everybody sees, `level`, `issued_on` and `person.name` that are
/// the holder's to disclose, `medical` that is sensitive, `skills` that are a list.
pub(crate) fn welding_type() -> CredentialType {
    let text = json!({"type": "string", "minLength": 1, "maxLength": 100});
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "occupation": text,
            "division": text,
            "level": {"type": "integer", "minimum": 1, "maximum": 5},
            "issued_on": {"type": "string", "format": "date"},
            "person": {
                "type": "object",
                "properties": {"name": text, "birth_year": {"type": "integer"}},
                "required": ["name"],
                "additionalProperties": false
            },
            "medical": text,
            "skills": {"type": "array", "items": text, "maxItems": 20}
        },
        "required": ["occupation", "division", "level", "person"],
        "additionalProperties": false
    });
    let always = ClaimDisclosure::Always;
    CredentialType {
        name: WELDING.to_owned(),
        names: vec![name("en", "Welding certificate"), name("zh-CN", "焊接证书")],
        description: "Attests that somebody can weld.".to_owned(),
        claims: vec![
            claim(&["occupation"], ClaimDisclosure::Never, true),
            claim(&["division"], ClaimDisclosure::Never, true),
            claim(&["level"], always, true),
            claim(&["issued_on"], ClaimDisclosure::Allowed, false),
            claim(&["person"], always, true),
            claim(&["person", "name"], always, true),
            claim(&["person", "birth_year"], always, false),
            ClaimDefinition { sensitive: true, ..claim(&["medical"], always, false) },
            claim(&["skills"], always, false),
            claim(&["skills", "*"], always, false),
        ],
        schema_json: schema.to_string(),
        occupation_claim: Some(path(&["occupation"])),
        occupation_scheme: OccupationScheme::Csco2022.into(),
        division_claim: Some(path(&["division"])),
        validity_days_max: 3_650,
        ..CredentialType::default()
    }
}

/// Claims that [`welding_type`] takes.
pub(crate) fn welding_claims() -> serde_json::Value {
    json!({
        "occupation": WELDER,
        "division": XIHU,
        "level": 3,
        "issued_on": "2026-01-31",
        "person": {"name": "Qelv Zhrau", "birth_year": 1990},
        "skills": ["arc", "gas"]
    })
}

pub(crate) fn path(segments: &[&str]) -> ClaimPath {
    ClaimPath { segments: segments.iter().map(|&it| it.to_owned()).collect() }
}

pub(crate) fn claim(
    segments: &[&str],
    disclosure: ClaimDisclosure,
    mandatory: bool,
) -> ClaimDefinition {
    ClaimDefinition {
        path: Some(path(segments)),
        names: vec![name("en", segments.last().unwrap())],
        disclosure: disclosure.into(),
        mandatory,
        sensitive: false,
    }
}

pub(crate) fn name(language: &str, text: &str) -> DisplayName {
    DisplayName { language: language.to_owned(), text: text.to_owned() }
}

pub(crate) fn division(code: &str) -> Division {
    let scheme = DivisionScheme::Gbt2260.into();
    Division { scheme, code: code.to_owned(), name: String::new() }
}

pub(crate) fn occupation(code: &str) -> Occupation {
    let scheme = OccupationScheme::Csco2022.into();
    Occupation { scheme, code: code.to_owned(), name: String::new() }
}

/// The program as somebody uses it who has a participant's certificate; arguments of a command follow.
pub(crate) fn cli(hub: &TestHub, participant: &str) -> Command {
    let folder = cluster::directory("program");
    let identity = hub.ca.participant(participant).expect("a certificate");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let mut command = peshub();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env("PESHUB_HUB", format!("https://{}", hub.address));
    command.env("PESHUB_CA", write("ca.pem", &hub.ca.certificate()));
    command.env("PESHUB_CERT", write("cert.pem", &identity.certificate));
    command.env("PESHUB_KEY", write("key.pem", &identity.key));
    command
}
