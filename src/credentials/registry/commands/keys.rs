//! Issuers' keys: how they begin, and how they end.

use time::OffsetDateTime;

use crate::credentials::domain::Algorithm;
use crate::credentials::error::CredentialError;
use crate::credentials::registry::chain;
use crate::credentials::registry::commands::{Office, known, managed, sound, taken};
use crate::credentials::registry::entry::{Held, Holding, Issuer};
use crate::credentials::registry::keys::{KeyName, file, wrapped};
use crate::credentials::sdjwt::encoding;
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::store::registry::changes::{self, NewKey};
use crate::credentials::wire::registry as render;
use crate::credentials::wire::{instant_or, violation};
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Record, WriteTx};

/// Most keys of an issuer, ended ones included: all of them are published, and read with the registry.
pub const KEYS_MAX: usize = 500;

/// What a new key is.
#[derive(Debug)]
enum Kind {
    /// One that the hub makes.
    Made(Option<Algorithm>),
    /// One that lies in the hub's key directory.
    HeldAs(Option<Algorithm>, String),
    /// The issuer's own.
    Own(PublicKey, Option<String>),
    /// An authority of the issuer, DER.
    Authority(Vec<u8>),
}

/// A key, ready to be written.
#[derive(Debug)]
struct Ready {
    key_id: String,
    public: Option<PublicKey>,
    authority: Option<Vec<u8>>,
    holding: Holding,
    held: Option<Held>,
}

/// Adds a key.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ISSUER_NOT_FOUND`, `ALREADY_EXISTS`, `KEY_UNAVAILABLE`, or the database fails.
pub async fn add(
    office: &Office,
    tx: &mut WriteTx,
    request: &pb::AddIssuerKeyRequest,
    now: OffsetDateTime,
) -> Result<(pb::AddIssuerKeyResponse, Record), CredentialError> {
    let (kind, valid_from) = read(request, now)?;
    // Before a key is made, which may take a while, and before anybody else has to wait for it.
    let present = office.registry.refresh().await?;
    managed(&present, &request.issuer, tx.permit())?;
    let ready = ready(office, request, kind).await?;
    let (stamp, book) = office.begin(tx, now).await?;
    let issuer = managed(&book, &request.issuer, tx.permit())?;
    fits(issuer, &ready)?;
    let public_jwk = ready.public.as_ref().map(|it| it.to_jwk().to_string()).unwrap_or_default();
    let held = ready.held.as_ref();
    let key = NewKey {
        issuer: issuer.id,
        key_id: &ready.key_id,
        algorithm: ready.public.as_ref().map_or(0, |it| it.algorithm().number()),
        public_jwk: &public_jwk,
        authority: ready.authority.as_deref(),
        holding: ready.holding,
        key_use: render::key_use(request.key_use()),
        held: held.map(|held| (held.provider.as_str(), held.handle.as_slice())),
        valid_from,
    };
    changes::add_key(tx, key, stamp).await.map_err(taken("issuer_key", &ready.key_id))?;
    let book = office.after(tx, stamp).await?;
    let key = known(&book, &request.issuer)?.key(&ready.key_id).map(|key| render::key(key));
    let subject = format!("issuers/{}/keys/{}", request.issuer, ready.key_id);
    let record = Record::new(now, subject, "issuer_key.added");
    Ok((pb::AddIssuerKeyResponse { key }, record))
}

/// Sees that an issuer can have a key.
fn fits(issuer: &Issuer, ready: &Ready) -> Result<(), CredentialError> {
    let mut wrong = Vec::new();
    if issuer.keys.len() >= KEYS_MAX {
        let expected = format!("an issuer that has had fewer than {KEYS_MAX} keys");
        wrong.push(violation("issuer", Rule::TooLong, &expected, &issuer.name));
    }
    if ready.held.is_some() && issuer.participant.is_none() {
        let expected = "given for an issuer that issues elsewhere, or authority_pem";
        wrong.push(violation("public_jwk", Rule::Required, expected, ""));
    }
    sound(wrong)
}

/// Reads a request: what the key is, and from when on it signs.
fn read(
    request: &pb::AddIssuerKeyRequest,
    now: OffsetDateTime,
) -> Result<(Kind, OffsetDateTime), CredentialError> {
    let mut wrong = Vec::new();
    let given = [&request.public_jwk, &request.authority_pem, &request.held_as];
    if given.iter().filter(|it| !it.is_empty()).count() > 1 {
        let expected = "at most one of public_jwk, authority_pem and held_as";
        wrong.push(violation("public_jwk", Rule::BadFormat, expected, ""));
    }
    if !request.key_id.chars().all(|it| it.is_ascii_graphic()) {
        let expected = "printable ASCII characters";
        wrong.push(violation("key_id", Rule::BadFormat, expected, &request.key_id));
    }
    let valid_from = instant_or(request.valid_from.as_ref(), "valid_from", now, &mut wrong);
    let algorithm = render::algorithm(request.algorithm());
    let kind = match given.map(String::as_str) {
        [jwk, "", ""] if !jwk.is_empty() => own(jwk, algorithm, &mut wrong),
        ["", pem, ""] if !pem.is_empty() => authority(pem, algorithm, &mut wrong),
        [_, _, held_as] => {
            if valid_from < now {
                let expected = "now or later, for a key that the hub holds";
                wrong.push(violation("valid_from", Rule::OutOfRange, expected, ""));
            }
            match held_as {
                "" => Some(Kind::Made(algorithm)),
                label => Some(Kind::HeldAs(algorithm, label.to_owned())),
            }
        }
    };
    sound(wrong)?;
    let kind = kind.ok_or(CredentialError::Corrupt { what: "a key that was read" })?;
    Ok((kind, valid_from))
}

fn own(text: &str, algorithm: Option<Algorithm>, wrong: &mut Vec<Violation>) -> Option<Kind> {
    let jwk: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let key_id = jwk.as_ref().and_then(|jwk| jwk.get("kid")?.as_str()).map(str::to_owned);
    let expected = match jwk.as_ref().map(PublicKey::from_jwk) {
        Some(Ok(public)) if algorithm.is_some_and(|it| it != public.algorithm()) => {
            wrong.push(violation("algorithm", Rule::BadFormat, "that of the key, or none", ""));
            return None;
        }
        Some(Ok(public)) => return Some(Kind::Own(public, key_id)),
        Some(Err(defect)) => format!("a public JSON Web Key of P-256 or Ed25519; {defect}"),
        None => "a JSON Web Key".to_owned(),
    };
    // A secret half that was sent by mistake must not come back in an answer or a log.
    wrong.push(violation("public_jwk", Rule::BadFormat, &expected, ""));
    None
}

fn authority(pem: &str, algorithm: Option<Algorithm>, wrong: &mut Vec<Violation>) -> Option<Kind> {
    if algorithm.is_some() {
        wrong.push(violation("algorithm", Rule::BadFormat, "none for an authority", ""));
    }
    let der = chain::authority(pem);
    if der.is_none() {
        let expected = "one certificate of an authority (CA), PEM";
        wrong.push(violation("authority_pem", Rule::BadFormat, expected, ""));
    }
    der.map(Kind::Authority)
}

/// Sees to it that the key is there.
async fn ready(
    office: &Office,
    request: &pb::AddIssuerKeyRequest,
    kind: Kind,
) -> Result<Ready, CredentialError> {
    let named = |otherwise: String| match request.key_id.as_str() {
        "" => otherwise,
        given => given.to_owned(),
    };
    let of_hub = |provided: crate::credentials::registry::keys::Provided| Ready {
        key_id: named(encoding::encode(&provided.public.thumbprint())),
        public: Some(provided.public),
        authority: None,
        holding: Holding::Hub,
        held: Some(provided.held),
    };
    let name = |label| KeyName { issuer: &request.issuer, label };
    Ok(match kind {
        Kind::Made(algorithm) => {
            let provider = office.keys.provider(wrapped::NAME)?;
            of_hub(provider.provide(name(""), algorithm).await?)
        }
        Kind::HeldAs(algorithm, label) => {
            let provider = office.keys.provider(file::NAME)?;
            of_hub(provider.provide(name(&label), algorithm).await?)
        }
        Kind::Own(public, key_id) => {
            let thumbprint = encoding::encode(&public.thumbprint());
            let key_id = named(key_id.filter(|it| is_key_id(it)).unwrap_or(thumbprint));
            let holding = Holding::Issuer;
            Ready { key_id, public: Some(public), authority: None, holding, held: None }
        }
        Kind::Authority(der) => {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
            let key_id = named(encoding::encode(digest.as_ref()));
            let holding = Holding::Authority;
            Ready { key_id, public: None, authority: Some(der), holding, held: None }
        }
    })
}

/// Returns whether a text can be the id of a key.
#[must_use]
pub fn is_key_id(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

/// Ends a key.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ISSUER_NOT_FOUND`, `ISSUER_KEY_NOT_FOUND`, `ISSUER_KEY_ENDED`, or the database fails.
pub async fn end(
    office: &Office,
    tx: &mut WriteTx,
    request: &pb::EndIssuerKeyRequest,
    now: OffsetDateTime,
) -> Result<(pb::EndIssuerKeyResponse, Record), CredentialError> {
    let mut wrong = Vec::new();
    let at = instant_or(request.at.as_ref(), "at", now, &mut wrong);
    let is_compromise = request.end() == pb::KeyEnd::Compromised;
    let expected = if is_compromise && at > now {
        "now or earlier: what is known to be in wrong hands is so now"
    } else if !is_compromise && at < now {
        "now or later: what was signed by it until now stays good"
    } else {
        ""
    };
    if !expected.is_empty() {
        wrong.push(violation("at", Rule::OutOfRange, expected, ""));
    }
    sound(wrong)?;
    let (stamp, book) = office.begin(tx, now).await?;
    let issuer = managed(&book, &request.issuer, tx.permit())?;
    let key_id = || request.key_id.clone();
    let missing = || CredentialError::IssuerKeyNotFound { key_id: key_id() };
    let key = issuer.key(&request.key_id).ok_or_else(missing)?.id;
    let has_ended = if is_compromise {
        changes::compromise_key(tx, key, at, stamp).await?
    } else {
        changes::retire_key(tx, key, at, stamp).await?
    };
    if !has_ended {
        return Err(CredentialError::IssuerKeyEnded { key_id: key_id() });
    }
    let book = office.after(tx, stamp).await?;
    let key = known(&book, &request.issuer)?.key(&request.key_id).map(|key| render::key(key));
    let subject = format!("issuers/{}/keys/{}", request.issuer, request.key_id);
    let event = if is_compromise { "issuer_key.compromised" } else { "issuer_key.retired" };
    Ok((pb::EndIssuerKeyResponse { key }, Record::new(now, subject, event)))
}
