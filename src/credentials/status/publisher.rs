//! The work that brings changes into their lists and signs the lists anew. Every replica does it; no two have the same list at a time.
//!
//! Changes first: what the hub itself knows does not wait for a signature. Then the lists whose token says less than their entries,
//! those whose token grows old, and those that have become large enough to be published at all.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::credentials::domain::Status;
use crate::credentials::error::CredentialError;
use crate::credentials::registry::Registry;
use crate::credentials::registry::keys::IssuerKeys;
use crate::credentials::sdjwt::jws::{self, Header};
use crate::credentials::status::signer::list_key;
use crate::credentials::status::{LIST_TTL, own_entries};
use crate::credentials::store::status as lists;
use crate::credentials::store::status::publishing::{self as store, Signing, Token, Unsigned};
use crate::kernel::clock::{SharedClock, whole_seconds};
use crate::platform::db::{Db, Record};
use crate::platform::feed::tail::Tail;
use crate::platform::permit::Permit;

/// `typ` of a list's token.
pub const TYPE: &str = "statuslist+jwt";
/// How often changes are looked for when nothing is heard of one.
const POLL: Duration = Duration::from_millis(200);
/// Least time between two rounds: changes that come meanwhile share one.
const PACE: Duration = Duration::from_millis(20);
/// How often lists are looked for that are to be signed though nothing changed.
const SWEEP: Duration = Duration::from_secs(1);
/// How long the publisher waits after the database failed.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a token counts.
const VALID_FOR: Duration = Duration::from_hours(24);
/// How old a token gets before the list is signed anew.
const SIGNED_ANEW_AFTER: Duration = Duration::from_hours(1);
/// Least time between two signatures of one list.
const SIGNED_APART: Duration = Duration::from_millis(500);
/// How long a list that could not be signed waits.
const POSTPONED_FOR: Duration = Duration::from_secs(10);

/// Brings changes into their lists and signs them.
#[derive(Clone)]
pub struct Publisher {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// The trust registry, which says who signs.
    pub registry: Registry,
    /// Keys that the hub holds.
    pub keys: IssuerKeys,
    /// Tells of changes.
    pub tail: Arc<Tail>,
    /// With fewer credentials that are still valid, a list is not published: too few would hide too little.
    pub population_min: u32,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher")
            .field("population_min", &self.population_min)
            .finish_non_exhaustive()
    }
}

impl Publisher {
    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut moves = self.tail.moves();
        let mut swept: Option<Instant> = None;
        let mut is_failing = false;
        loop {
            let is_due = swept.is_none_or(|at| at.elapsed() >= SWEEP);
            let round = tokio::select! {
                () = stop.cancelled() => return,
                round = self.round(is_due) => round,
            };
            let pause = match round {
                Ok(()) => {
                    is_failing = false;
                    if is_due {
                        swept = Some(Instant::now());
                    }
                    PACE
                }
                Err(error) => {
                    if !is_failing {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "status lists cannot be published: {error}");
                    }
                    is_failing = true;
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
                // Every change of a status is an event of the feed.
                _ = moves.changed() => {}
            }
        }
    }

    /// Brings in every change that waits, and signs what is to be signed.
    async fn round(&self, is_due: bool) -> Result<(), CredentialError> {
        let mut tx = self.db.read(&Permit::of_hub()).await?;
        let (_, pending) = lists::probe(tx.connection()).await?;
        drop(tx);
        if pending {
            while self.bring_in().await? {}
        }
        if pending || is_due {
            while self.sign_one().await? {}
        }
        Ok(())
    }

    /// Brings the changes of one list into it. Returns whether there was one.
    async fn bring_in(&self) -> Result<bool, CredentialError> {
        let mut tx = self.db.write(&Permit::of_hub()).await?;
        let Some(list) = store::take_touched(tx.connection()).await? else { return Ok(false) };
        let changes = store::take_changes(tx.connection(), list.id).await?;
        let count = changes.len();
        let entries = list.entries;
        let work = move || changed(entries.as_deref(), &changes);
        let corrupt = |_| CredentialError::Corrupt { what: "status list" };
        let entries = tokio::task::spawn_blocking(work).await.map_err(corrupt)??;
        let version = store::store_entries(tx.connection(), list.id, &entries).await?;
        let subject = format!("{}: version {version}, {count} changes", list.uri);
        lists::raise_epoch(tx.connection()).await?;
        tx.commit(Record::new(self.clock.now(), subject, "status_list.changed")).await?;
        Ok(true)
    }

    /// Signs one list and publishes it. Returns whether there was one.
    async fn sign_one(&self) -> Result<bool, CredentialError> {
        let now = self.clock.now();
        let signing = Signing {
            now,
            signed_before: now - SIGNED_ANEW_AFTER,
            published_before: now - SIGNED_APART,
            population_min: i64::from(self.population_min).max(1),
        };
        let mut tx = self.db.write(&Permit::of_hub()).await?;
        let Some(list) = store::take_unsigned(tx.connection(), signing).await? else {
            return Ok(false);
        };
        let record = match self.token(&list, now).await {
            Ok(token) => {
                let issued_at = whole_seconds(now);
                let token = Token {
                    list: list.id,
                    version: list.version,
                    token: &token,
                    issued_at,
                    expires_at: issued_at + VALID_FOR,
                    ttl_s: i32::try_from(LIST_TTL.as_secs()).unwrap_or(i32::MAX),
                    published_at: now,
                };
                store::publish(tx.connection(), &token).await?;
                lists::raise_epoch(tx.connection()).await?;
                let subject = format!("{}: version {}", list.uri, list.version);
                Record::new(now, subject, "status_list.published")
            }
            Err(why) => {
                let (uri, why) = (&list.uri, why.to_string());
                let due_at = now + POSTPONED_FOR;
                if store::postpone(tx.connection(), list.id, &why, due_at).await? == 1 {
                    tracing::warn!("the status list {uri} is not signed: {why}");
                }
                Record::new(now, uri.as_str(), "status_list.unsigned")
            }
        };
        tx.commit(record).await?;
        Ok(true)
    }

    /// Signs a list.
    async fn token(&self, list: &Unsigned, now: OffsetDateTime) -> Result<String, CredentialError> {
        let book = self.registry.present();
        let unknown = || CredentialError::IssuerNotFound { name: String::new() };
        let issuer = book.issuer_by_id(list.issuer).ok_or_else(unknown)?;
        let no_key = || CredentialError::NoStatusKey { issuer: issuer.name.clone() };
        let (signer, key) = list_key(&book, issuer, &list.uri, now).ok_or_else(no_key)?;
        let encoded = match &list.entries {
            Some(entries) => URL_SAFE_NO_PAD.encode(entries),
            None => own_entries(None)?
                .encode()
                .map_err(|_| CredentialError::Corrupt { what: "status list" })?,
        };
        let issued_at = whole_seconds(now);
        let aggregation = list.uri.rsplit_once('/').map_or("", |(all, _)| all);
        let payload = json!({
            "iss": signer.identifier,
            "sub": list.uri,
            "iat": issued_at.unix_timestamp(),
            "exp": (issued_at + VALID_FOR).unix_timestamp(),
            "ttl": LIST_TTL.as_secs(),
            "status_list": { "bits": 2, "lst": encoded, "aggregation_uri": aggregation },
        });
        let header = Header {
            algorithm: key.algorithm.ok_or_else(no_key)?,
            typ: Some(TYPE.to_owned()),
            kid: Some(key.key_id.clone()),
            x5c: Vec::new(),
        };
        let unsigned = jws::prepare(&header, payload.to_string().as_bytes());
        let signature = self.keys.sign(key, unsigned.signing_input()).await?;
        Ok(unsigned.finish(&signature))
    }
}

/// Returns the entries of a list after some changes, compressed.
fn changed(entries: Option<&[u8]>, changes: &[(i64, i16)]) -> Result<Vec<u8>, CredentialError> {
    let corrupt = || CredentialError::Corrupt { what: "change of a status list" };
    let mut entries = own_entries(entries)?;
    for (index, status) in changes {
        let index = u64::try_from(*index).map_err(|_| corrupt())?;
        let status = Status::of_number(*status).ok_or_else(corrupt)?;
        if !entries.set(index, status.list_value()) {
            return Err(corrupt());
        }
    }
    entries.deflate().map_err(|_| corrupt())
}
