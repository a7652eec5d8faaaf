//! Status lists over HTTP (Token Status List, sections 8 and 9): signed tokens that may be kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::get;
use serde_json::json;

use crate::credentials::registry::Registry;
use crate::credentials::registry::addresses::Addresses;
use crate::credentials::store::status::publishing as store;
use crate::kernel::clock::SharedClock;
use crate::platform::db::{Db, DbError};
use crate::platform::permit::Permit;
use crate::platform::web::document::Document;

const TOKEN: &str = "application/statuslist+jwt";
const JSON: &str = "application/json";
/// For how long a list of lists may be kept, in seconds.
const AGGREGATION_MAX_AGE_S: u32 = 300;
/// For how long an answer is given again without a look at the database.
const FRESH: Duration = Duration::from_millis(500);
/// Most answers that are kept.
const KEPT_MAX: usize = 512;

/// What lists are served from.
#[derive(Clone)]
pub struct Served {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// The trust registry.
    pub registry: Registry,
    /// The hub's own addresses.
    pub addresses: Addresses,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").finish_non_exhaustive()
    }
}

/// An answer that is given again for a moment.
#[derive(Clone)]
struct Kept {
    since: Instant,
    /// `None` for a list that is not published.
    document: Option<Document>,
}

struct Shared {
    served: Served,
    /// By address.
    kept: Mutex<HashMap<String, Kept>>,
}

/// Returns the routes of status lists.
pub fn router(served: Served) -> Router {
    let shared = Arc::new(Shared { served, kept: Mutex::default() });
    Router::new()
        .route("/status-lists/{issuer}", get(aggregation))
        .route("/status-lists/{issuer}/{shard}", get(list))
        .with_state(shared)
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Path((issuer, text)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let mut asked = query.iter().flat_map(|query| query.split('&'));
    if asked.any(|it| it == "time" || it.starts_with("time=")) {
        // Section 8.4 lets a server that keeps no old lists say so.
        return said(StatusCode::NOT_IMPLEMENTED, "lists of earlier times are not served\n");
    }
    // No other spelling of the number names the same list.
    let number = text.parse::<u32>().ok().filter(|number| number.to_string() == text);
    let lists = shared.served.addresses.status_lists(&issuer);
    let (Some(lists), Some(number)) = (lists, number) else { return nothing() };
    match shared.list(&format!("{lists}{number}")).await {
        Ok(Some(document)) => document.answer(&headers),
        Ok(None) => nothing(),
        Err(error) => failed(&error),
    }
}

async fn aggregation(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let served = &shared.served;
    let book = served.registry.present();
    let Some(issuer) = book.issuer(&name).filter(|it| it.name == name && it.participant.is_some())
    else {
        return nothing();
    };
    let lists = async {
        let mut tx = served.db.read(&Permit::of_hub()).await?;
        store::published_of(tx.connection(), issuer.id).await
    };
    match lists.await {
        Ok(lists) => Document::json(JSON, AGGREGATION_MAX_AGE_S, &json!({ "status_lists": lists }))
            .answer(&headers),
        Err(error) => failed(&error),
    }
}

impl Shared {
    async fn list(&self, uri: &str) -> Result<Option<Document>, DbError> {
        if let Some(kept) = self.kept(uri) {
            return Ok(kept.document);
        }
        let mut tx = self.served.db.read(&Permit::of_hub()).await?;
        let published = store::published(tx.connection(), uri).await?;
        drop(tx);
        let now = self.served.clock.now();
        let document = published.map(|list| {
            let left = list.expires_at.map_or(0, |at| (at - now).whole_seconds().max(0));
            let ttl = i64::from(list.ttl_s.unwrap_or_default());
            let max_age = u32::try_from(left.min(ttl)).unwrap_or_default();
            Document::new(TOKEN, max_age, list.token)
        });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, it| it.since.elapsed() < FRESH);
        }
        if kept.len() < KEPT_MAX {
            kept.insert(uri.to_owned(), Kept { since: Instant::now(), document: document.clone() });
        }
        Ok(document)
    }

    fn kept(&self, uri: &str) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(uri).filter(|it| it.since.elapsed() < FRESH).cloned()
    }
}

fn nothing() -> Response<Body> {
    said(StatusCode::NOT_FOUND, "there is no such list, or it is not published\n")
}

fn failed(error: &DbError) -> Response<Body> {
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, "a status list cannot be served: {error}");
    said(StatusCode::SERVICE_UNAVAILABLE, "the list cannot be had at the moment\n")
}

fn said(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = status;
    response
}
