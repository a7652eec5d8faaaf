//! Status lists that are kept elsewhere: fetched in the background, never while somebody waits for a verdict, and only from addresses
//! that the trust registry names. The last good one counts until its own time is over.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future;
use serde_json::Value;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::credentials::error::CredentialError;
use crate::credentials::registry::Registry;
use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::{Issuer, KeyUse};
use crate::credentials::registry::trust::Signed;
use crate::credentials::sdjwt::CLOCK_SKEW;
use crate::credentials::sdjwt::json::Object;
use crate::credentials::sdjwt::jws::{Flaw, Jws};
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::status::change::header;
use crate::credentials::status::codec::{Entries, INFLATED_BYTES_MAX};
use crate::credentials::status::decoded;
use crate::credentials::status::publisher::TYPE;
use crate::credentials::status::watch::follower_facet;
use crate::credentials::store::credential::changes::{self, StatusEvent};
use crate::credentials::store::status::elsewhere::{self as store, Due, Follower, Had};
use crate::credentials::store::status::{self as lists, Spot};
use crate::kernel::clock::SharedClock;
use crate::kernel::ids::ParticipantId;
use crate::platform::db::{Db, Record};
use crate::platform::fetch::{self, Bounds, Reach};
use crate::platform::keys::signing::Signer;
use crate::platform::permit::Permit;

/// Largest token.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest fetch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is seen which lists are due.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Lists that one replica fetches at the same time.
const AT_ONCE: usize = 4;
/// How long a fetch may take before another replica tries.
const LEASE: Duration = Duration::from_mins(1);
/// A list that nobody has asked for since is not fetched, unless somebody follows one of its places.
const WANTED_FOR: Duration = Duration::from_hours(24);
/// Shortest time between two fetches of a list, whatever its `ttl` is, and longest.
const AGAIN_MIN: Duration = Duration::from_secs(15);
const AGAIN_MAX: Duration = Duration::from_hours(12);
/// How long a list without `ttl` is kept.
const AGAIN_USUAL: Duration = Duration::from_mins(5);
/// How long a list that could not be had waits at first, and at most; each failure doubles it.
const BACKOFF_MIN: Duration = Duration::from_secs(2);
const BACKOFF_MAX: Duration = Duration::from_mins(15);

/// Fetches lists.
#[derive(Clone)]
pub struct Fetching {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// The trust registry, which says what may be fetched and whose keys count.
    pub registry: Registry,
    /// Signs what followers are told.
    pub signer: Arc<dyn Signer>,
    /// Where lists may lie.
    pub reach: Reach,
}

impl std::fmt::Debug for Fetching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetching").finish_non_exhaustive()
    }
}

/// A token that holds.
#[derive(Debug)]
pub struct Sound {
    entries: Entries,
    issued_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
    ttl: Option<Duration>,
}

type Refusal = Box<dyn Error + Send + Sync>;

impl Fetching {
    /// Fetches what is due, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let turns = (0..AT_ONCE).map(|_| self.take_turns(&stop));
        future::join_all(turns).await;
    }

    async fn take_turns(&self, stop: &CancellationToken) {
        loop {
            let turn = tokio::select! {
                () = stop.cancelled() => return,
                turn = self.turn() => turn,
            };
            let is_idle = match turn {
                Ok(had_one) => !had_one,
                Err(error) => {
                    let error = &error as &dyn Error;
                    tracing::warn!(error, "status lists cannot be fetched: {error}");
                    true
                }
            };
            if is_idle {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
    }

    /// Fetches one list. Returns whether one was due.
    async fn turn(&self) -> Result<bool, CredentialError> {
        let now = self.clock.now();
        let mut tx = self.db.read(&Permit::of_hub()).await?;
        let when = (now - WANTED_FOR, now + LEASE);
        let due = store::take_due(tx.connection(), now, when).await?;
        drop(tx);
        let Some(due) = due else { return Ok(false) };
        match self.fetch(&due).await {
            Ok((token, sound)) => self.take_in(&due, &token, sound).await?,
            Err(why) => self.fail(&due, &why.to_string()).await?,
        }
        Ok(true)
    }

    async fn fetch(&self, due: &Due) -> Result<(Vec<u8>, Sound), Refusal> {
        let book = self.registry.present();
        let signer = signer(&book, due).ok_or("nobody is registered to sign at this address")?;
        let address = fetch::address(&due.uri, self.reach);
        let address = address.ok_or("the address is not one that is asked")?;
        let bounds =
            Bounds { bytes_max: BYTES_MAX, timeout: TIMEOUT, authorities: None, reach: self.reach };
        let token = fetch::get(&address, &bounds).await?;
        let sound = read(&token, signer, &due.uri, self.clock.now())?;
        if due.issued_at.is_some_and(|before| sound.issued_at < before) {
            return Err("the token is older than the one before".into());
        }
        Ok((token, sound))
    }

    /// Stores a list, and tells followers of what has changed.
    async fn take_in(&self, due: &Due, token: &[u8], sound: Sound) -> Result<(), CredentialError> {
        let now = self.clock.now();
        let corrupt = |_| CredentialError::Corrupt { what: "status list" };
        let compressed = sound.entries.deflate().map_err(corrupt)?;
        let before = due.entries.as_deref().map(|before| decoded(due.bits, before)).transpose()?;
        let is_other = before.as_ref() != Some(&sound.entries);
        let again = sound.ttl.unwrap_or(AGAIN_USUAL).clamp(AGAIN_MIN, AGAIN_MAX);
        let until_over = sound.expires_at.and_then(|at| Duration::try_from(at - now).ok());
        // Some time before it is over, so that a new one is there by then.
        let again = until_over.map_or(again, |left| again.min(left / 2).max(AGAIN_MIN));
        let had = Had {
            list: due.id,
            token,
            entries: &compressed,
            bits: i16::from(sound.entries.bits().number()),
            issued_at: sound.issued_at,
            expires_at: sound.expires_at,
            ttl_s: sound.ttl.map(|ttl| i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX)),
            fetched_at: now,
            due_at: now + again,
        };
        let mut tx = self.db.write(&Permit::of_hub()).await?;
        store::store(tx.connection(), &had, is_other).await?;
        if let Some(before) = before.filter(|_| is_other) {
            let followers = store::followers(tx.connection(), due.id, now).await?;
            let events = self.events((due, &before, &sound.entries), &followers, now);
            changes::tell(tx.connection(), &events, now).await?;
        }
        lists::raise_epoch(tx.connection()).await?;
        tx.commit(Record::new(now, due.uri.as_str(), "status_list.fetched")).await?;
        Ok(())
    }

    /// Returns an event for each followed place that has changed.
    fn events(
        &self,
        (due, before, after): (&Due, &Entries, &Entries),
        followers: &[Follower],
        now: OffsetDateTime,
    ) -> Vec<StatusEvent> {
        let same = |one: &Follower, other: &Follower| {
            one.index == other.index && one.digest == other.digest
        };
        let credentials = followers.chunk_by(same);
        let event = |followers: &[Follower]| {
            let first = followers.first()?;
            let index = u64::try_from(first.index).ok()?;
            let (before, after) = (before.get(index), after.get(index));
            // A place that is gone tells nothing; who looks it up is told that it is out of range.
            let value = after.filter(|_| before != after)?;
            let facets = followers.iter().map(|it| follower_facet(ParticipantId(it.participant)));
            Some(StatusEvent {
                change: due.id.0,
                header: header(self.signer.as_ref(), &first.digest, value, now),
                spot: Spot { list: due.id, index: first.index }.encoded(),
                facets: facets.collect(),
            })
        };
        credentials.filter_map(event).collect()
    }

    async fn fail(&self, due: &Due, why: &str) -> Result<(), CredentialError> {
        let now = self.clock.now();
        let doublings = u32::try_from(due.failures).unwrap_or_default().min(16);
        let backoff = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(doublings)).min(BACKOFF_MAX);
        if due.failures == 0 {
            let uri = &due.uri;
            tracing::warn!("the status list {uri} cannot be had; the last one counts: {why}");
        }
        let mut tx = self.db.write(&Permit::of_hub()).await?;
        store::fail(tx.connection(), due.id, why, now + backoff).await?;
        lists::raise_epoch(tx.connection()).await?;
        let subject = format!("{}: {why}", due.uri);
        tx.commit(Record::new(now, subject, "status_list.not_fetched")).await?;
        Ok(())
    }
}

/// Returns who signs a list, if the registry still says so of the credentials of some issuer.
fn signer<'a>(book: &'a Book, due: &Due) -> Option<&'a Issuer> {
    let says =
        |issuer: &Issuer| issuer.status_signer(&due.uri).is_some_and(|it| it.signer == due.signer);
    book.issuers().iter().find(|issuer| says(issuer))?;
    book.issuer_by_id(due.signer).map(AsRef::as_ref)
}

/// Reads a token of a list and verifies it (Token Status List, section 8.3).
///
/// # Errors
///
/// What is wrong with it.
pub fn read(
    token: &[u8],
    signer: &Issuer,
    uri: &str,
    now: OffsetDateTime,
) -> Result<Sound, Refusal> {
    let text = std::str::from_utf8(token).map_err(|_| "the answer is no text")?;
    let jws = Jws::read(text.trim(), Some(TYPE), BYTES_MAX).map_err(Flaw::says)?;
    let claims = jws.claims().map_err(Flaw::says)?;
    let issued_at = instant(&claims, "iat")?.ok_or("there is no iat")?;
    jws.verify(&key(&jws, signer, issued_at)?).map_err(Flaw::says)?;
    if claims.get("sub").and_then(Value::as_str) != Some(uri) {
        return Err("sub is not the address of the list".into());
    }
    if issued_at > now.saturating_add(CLOCK_SKEW) {
        return Err("iat lies in the future".into());
    }
    let expires_at = instant(&claims, "exp")?;
    if expires_at.is_some_and(|at| at <= now) {
        return Err("exp lies in the past".into());
    }
    let ttl = match claims.get("ttl") {
        None => None,
        Some(ttl) => Some(ttl.as_u64().filter(|ttl| *ttl > 0).ok_or("ttl is no positive number")?),
    };
    let list = claims.get("status_list").and_then(Value::as_object);
    let list = list.ok_or("there is no status_list")?;
    let bits = list.get("bits").and_then(Value::as_i64).ok_or("bits is no number")?;
    let text = list.get("lst").and_then(Value::as_str).ok_or("lst is no text")?;
    let entries = Entries::decode(bits, text, INFLATED_BYTES_MAX)?;
    Ok(Sound { entries, issued_at, expires_at, ttl: ttl.map(Duration::from_secs) })
}

/// Returns the key that signed a token: one that is registered, or one that a certificate names.
fn key(jws: &Jws<'_>, signer: &Issuer, at: OffsetDateTime) -> Result<PublicKey, Refusal> {
    let header = jws.header();
    let key_use = KeyUse::StatusLists;
    if !header.x5c.is_empty() {
        let found = signer.key_of_chain(&header.x5c, key_use, at, None);
        return Ok(found.map_err(|why| format!("the key {}", why.words()))?.public);
    }
    let asked = Signed {
        key_id: header.kid.as_deref(),
        algorithm: header.algorithm,
        key_use,
        at,
        known_since: None,
    };
    let key = signer.key_for(&asked).map_err(|why| format!("the key {}", why.words()))?;
    key.public.clone().ok_or_else(|| "the key has no public half".into())
}

fn instant(claims: &Object, name: &'static str) -> Result<Option<OffsetDateTime>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64();
    let at = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    at.map(Some).ok_or_else(|| format!("{name} is no time in whole seconds").into())
}
