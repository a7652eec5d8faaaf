//! What anybody may read of credentials over HTTP: issuers and their keys, credential types, the hub's own keys. All of it is about
//! institutions, nothing about a person.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};

use crate::credentials::registry::Registry;
use crate::credentials::registry::addresses::Addresses;
use crate::credentials::registry::publicity;
use crate::credentials::sdjwt::encoding;
use crate::platform::audit::store as audit;
use crate::platform::db::{Db, DbError};
use crate::platform::keys::signing::ALGORITHM_ED25519;
use crate::platform::permit::Permit;
use crate::platform::web::document::Document;

/// How long keys may be kept, in seconds: so long does one that is compromised go on being believed.
const KEYS_MAX_AGE_S: u32 = 300;
/// How long a credential type may be kept, in seconds: what is published never changes.
const TYPES_MAX_AGE_S: u32 = 86_400;
/// How often the hub's own keys are read again.
const HUB_KEYS_FRESH: Duration = Duration::from_secs(10);

const JSON: &str = "application/json";
const JWK_SET: &str = "application/jwk-set+json";
const SCHEMA: &str = "application/schema+json";

/// What is told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where the registry is read.
    pub registry: Registry,
    /// The hub's own addresses.
    pub addresses: Addresses,
    /// The database, for the hub's own keys.
    pub db: Db,
}

/// Returns the routes of issuers and credential types.
pub fn router(told: Told) -> Router {
    let shared = Arc::new(Shared { told, hub_keys: Mutex::default() });
    Router::new()
        .route("/.well-known/jwt-vc-issuer/issuers/{name}", get(issuer))
        .route("/.well-known/peshub-keys", get(hub_keys))
        .route("/issuers/{name}", get(issuer))
        .route("/issuers/{name}/jwks.json", get(issuer_keys))
        .route("/credential-types/{name}/{version}", get(credential_type))
        .route("/credential-types/{name}/{version}/schema", get(schema))
        .with_state(shared)
}

struct Shared {
    told: Told,
    hub_keys: Mutex<Option<(Instant, Document)>>,
}

type Answer = Response<Body>;

fn nothing() -> Answer {
    said(StatusCode::NOT_FOUND, "there is nothing here\n")
}

fn said(status: StatusCode, words: &'static str) -> Answer {
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = status;
    response
}

async fn issuer(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let book = shared.told.registry.present();
    // An issuer that is somewhere else is not spoken for.
    let own = shared.told.addresses.issuer(&name);
    let found = book.issuer(&name).filter(|it| Some(&it.identifier) == own.as_ref());
    found.map_or_else(nothing, |issuer| {
        let value = json!({"issuer": issuer.identifier, "jwks": publicity::keys(issuer)});
        Document::json(JSON, KEYS_MAX_AGE_S, &value).answer(&headers)
    })
}

async fn issuer_keys(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let book = shared.told.registry.present();
    let found = book.issuer(&name).filter(|it| it.name == name && it.participant.is_some());
    found.map_or_else(nothing, |issuer| {
        Document::json(JWK_SET, KEYS_MAX_AGE_S, &publicity::keys(issuer)).answer(&headers)
    })
}

async fn credential_type(
    State(shared): State<Arc<Shared>>,
    Path((name, version)): Path<(String, i32)>,
    headers: HeaderMap,
) -> Answer {
    let book = shared.told.registry.present();
    let found = book.type_version(&name, version).filter(|_| version > 0);
    found.map_or_else(nothing, |it| {
        let schema = shared.told.addresses.credential_type(&it.name, it.version);
        let value = publicity::metadata(it, schema.map(|it| format!("{it}/schema")));
        Document::json(JSON, TYPES_MAX_AGE_S, &value).answer(&headers)
    })
}

async fn schema(
    State(shared): State<Arc<Shared>>,
    Path((name, version)): Path<(String, i32)>,
    headers: HeaderMap,
) -> Answer {
    let book = shared.told.registry.present();
    let found = book.type_version(&name, version).filter(|_| version > 0);
    found.map_or_else(nothing, |it| {
        Document::json(SCHEMA, TYPES_MAX_AGE_S, it.rules.schema.value()).answer(&headers)
    })
}

async fn hub_keys(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    let known = || shared.hub_keys.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = known().clone().filter(|(read_at, _)| read_at.elapsed() < HUB_KEYS_FRESH);
    if let Some((_, document)) = fresh {
        return document.answer(&headers);
    }
    match read_hub_keys(&shared.told.db).await {
        Ok(value) => {
            let document = Document::json(JWK_SET, KEYS_MAX_AGE_S, &value);
            *known() = Some((Instant::now(), document.clone()));
            document.answer(&headers)
        }
        Err(error) => {
            tracing::warn!("the hub's own keys cannot be read: {error}");
            let before = known().clone();
            before.map_or_else(
                || said(StatusCode::SERVICE_UNAVAILABLE, "the keys cannot be had now\n"),
                |(_, document)| document.answer(&headers),
            )
        }
    }
}

/// Returns all keys that the hub has signed with, the newest first: what it signed stays to be verified.
async fn read_hub_keys(db: &Db) -> Result<Value, DbError> {
    let mut tx = db.read(&Permit::of_hub()).await?;
    let keys = audit::keys(tx.connection()).await?;
    let of_format = keys.iter().rev().filter(|(key, _)| key.algorithm == ALGORITHM_ED25519);
    let jwk = of_format.map(|(key, first_used_at)| {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": encoding::encode(&key.public_key.0),
            "kid": key.key_id,
            "use": "sig",
            "alg": "EdDSA",
            "nbf": first_used_at.unix_timestamp(),
        })
    });
    Ok(json!({"keys": jwk.collect::<Vec<_>>()}))
}
