//! Keys of issuers that issue elsewhere, looked up where they tell of themselves: `/.well-known/jwt-vc-issuer` (SD-JWT VC, section 5).
//!
//! A key counts from when the hub has first seen it, and is retired when it is seen no more: what an issuer says today about yesterday
//! binds nobody. Keys that count for longer are entered by a registrar. An answer that cannot be had, or cannot be right, changes
//! nothing.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::credentials::error::CredentialError;
use crate::credentials::registry::Registry;
use crate::credentials::registry::commands::keys::{KEYS_MAX, is_key_id};
use crate::credentials::registry::entry::{Holding, Issuer, IssuerKey, KeyUse};
use crate::credentials::sdjwt::encoding;
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::store::registry as store;
use crate::credentials::store::registry::changes::{self, NewKey};
use crate::kernel::clock::SharedClock;
use crate::kernel::ids::IssuerId;
use crate::platform::db::{Db, Record};
use crate::platform::fetch::{self, Bounds, Reach};
use crate::platform::permit::Permit;

/// How often it is seen whose keys are due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How old what is known of an issuer's keys may get.
const FETCH_EVERY: Duration = Duration::from_mins(5);
/// Shortest time between two look-ups of one issuer, whatever credentials come.
const FETCH_PAUSE: Duration = Duration::from_secs(10);
/// Longest fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer.
const BYTES_MAX: usize = 256 * 1024;
/// How long after it was found a key is not taken to be gone: answers come from caches, and they differ for a while.
const SETTLED: time::Duration = time::Duration::hours(1);
/// Most issuers that are asked at the same time.
const AT_ONCE: usize = 8;

/// Looks up keys.
#[derive(Clone)]
pub struct Discovery {
    /// The registry.
    pub registry: Registry,
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// Where issuers may be.
    pub reach: Reach,
}

/// How the look-ups of one issuer go.
#[derive(Debug, Default)]
struct Course {
    tried_at: Option<Instant>,
    is_failing: bool,
}

impl Discovery {
    /// Looks up keys until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut courses = HashMap::<IssuerId, Course>::new();
        loop {
            let book = self.registry.present();
            let mut due = book.issuers().to_vec();
            due.retain(|issuer| issuer.discovers_keys && self.is_due(issuer, &mut courses));
            let this = &self;
            let looking = due.into_iter().map(|issuer| async move {
                let outcome = this.look_up(&issuer).await;
                (issuer, outcome)
            });
            let looked = futures_util::stream::iter(looking).buffer_unordered(AT_ONCE);
            let looked = looked.collect::<Vec<_>>();
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = looked => looked,
            };
            for (issuer, outcome) in looked {
                let course = courses.entry(issuer.id).or_default();
                let was_failing = std::mem::replace(&mut course.is_failing, outcome.is_err());
                match outcome {
                    Ok(()) if was_failing => {
                        tracing::info!("keys of issuer {} can be looked up again", issuer.name);
                    }
                    Err(error) if !was_failing => {
                        let name = &issuer.name;
                        tracing::warn!(
                            "keys of issuer {name} cannot be looked up; those that are known count: {error}"
                        );
                    }
                    Ok(()) | Err(_) => {}
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn is_due(&self, issuer: &Issuer, courses: &mut HashMap<IssuerId, Course>) -> bool {
        let course = courses.entry(issuer.id).or_default();
        let since = course.tried_at.map(|at| at.elapsed());
        let is_due = since.is_none_or(|since| {
            since >= FETCH_EVERY
                || (since >= FETCH_PAUSE
                    && (course.is_failing || self.registry.take_wanted(issuer.id)))
        });
        if is_due {
            course.tried_at = Some(Instant::now());
        }
        is_due
    }

    /// Looks up the keys of an issuer, and enters what has changed.
    async fn look_up(&self, issuer: &Issuer) -> Result<(), Box<dyn Error + Send + Sync>> {
        let found = self.fetch(&issuer.identifier).await?;
        if difference(issuer, &found, self.clock.now()).is_nothing() {
            return Ok(());
        }
        self.enter(issuer.id, &found).await?;
        self.registry.refresh().await?;
        Ok(())
    }

    async fn fetch(&self, identifier: &str) -> Result<Found, Box<dyn Error + Send + Sync>> {
        let bounds = Bounds {
            bytes_max: BYTES_MAX,
            timeout: FETCH_TIMEOUT,
            authorities: None,
            reach: self.reach,
        };
        let address = well_known(identifier, self.reach);
        let address = address.ok_or("its identifier is no address that is asked")?;
        let keys = match told(&fetch::get(&address, &bounds).await?, identifier)? {
            Told::Keys(keys) => keys,
            Told::At(uri) => {
                let address = fetch::address(&uri, self.reach);
                let address = address.ok_or("its jwks_uri is no address that is asked")?;
                let set = serde_json::from_slice::<KeySet>(&fetch::get(&address, &bounds).await?);
                set.map_err(|_| "its jwks_uri leads to no key set")?.keys
            }
        };
        found(keys).ok_or_else(|| "the answer has no key that can be used".into())
    }

    /// Enters what has changed; another replica may have come first.
    async fn enter(&self, issuer: IssuerId, found: &Found) -> Result<(), CredentialError> {
        let now = self.clock.now();
        let mut tx = self.db.write(&Permit::of_hub()).await?;
        let stamp = changes::begin(&mut tx, now).await?;
        let before = stamp.revision.saturating_sub(1);
        let book = store::book(tx.connection(), Some(before), &self.registry.present()).await?;
        let Some(issuer) = book.issuer_by_id(issuer) else { return Ok(()) };
        let difference = difference(issuer, found, now);
        if difference.is_nothing() {
            return Ok(());
        }
        for (key_id, public) in &difference.new {
            let key = NewKey {
                issuer: issuer.id,
                key_id,
                algorithm: public.algorithm().number(),
                public_jwk: &public.to_jwk().to_string(),
                authority: None,
                holding: Holding::Discovered,
                key_use: KeyUse::Both,
                held: None,
                valid_from: now,
            };
            changes::add_key(&mut tx, key, stamp).await?;
        }
        for key in &difference.gone {
            changes::retire_key(&mut tx, key.id, now, stamp).await?;
        }
        let (new, gone) = (difference.new.len(), difference.gone.len());
        tracing::info!("issuer {}: {new} keys found, {gone} gone", issuer.name);
        let subject = format!("issuers/{}/keys: {new} found, {gone} gone", issuer.name);
        Ok(tx.commit(Record::new(now, subject, "issuer_keys.discovered")).await?)
    }
}

/// What an issuer tells of itself.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    jwks: Option<KeySet>,
    jwks_uri: Option<String>,
}

/// A JSON Web Key Set.
#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// Where an issuer's keys are.
#[derive(Debug)]
enum Told {
    Keys(Vec<Value>),
    At(String),
}

/// Reads what an issuer tells of itself.
fn told(content: &[u8], identifier: &str) -> Result<Told, &'static str> {
    let metadata: Metadata =
        serde_json::from_slice(content).map_err(|_| "the answer is no metadata of an issuer")?;
    if metadata.issuer != identifier {
        return Err("the answer is another issuer's");
    }
    match (metadata.jwks, metadata.jwks_uri) {
        (Some(set), None) => Ok(Told::Keys(set.keys)),
        (None, Some(uri)) => Ok(Told::At(uri)),
        (Some(_), Some(_)) | (None, None) => Err("the answer has not one of jwks and jwks_uri"),
    }
}

/// Keys that were found, by id.
type Found = HashMap<String, PublicKey>;

/// Returns where an issuer tells of itself: the well-known part stands between its host and its path.
fn well_known(identifier: &str, reach: Reach) -> Option<Url> {
    let mut address = fetch::address(identifier, reach)?;
    let path = format!("/.well-known/jwt-vc-issuer{}", address.path().trim_end_matches('/'));
    address.set_path(&path);
    Some(address)
}

/// Reads keys. Those of other kinds are passed over; an id that comes twice means neither.
fn found(keys: Vec<Value>) -> Option<Found> {
    let (mut found, mut twice) = (Found::new(), HashSet::new());
    for value in keys.into_iter().take(KEYS_MAX) {
        let Ok(public) = PublicKey::from_jwk(&value) else { continue };
        let key_id = match value.get("kid").and_then(Value::as_str) {
            Some(key_id) if is_key_id(key_id) => key_id.to_owned(),
            Some(_) => continue,
            None => encoding::encode(&public.thumbprint()),
        };
        if found.insert(key_id.clone(), public).is_some() {
            twice.insert(key_id);
        }
    }
    found.retain(|key_id, _| !twice.contains(key_id));
    if found.is_empty() { None } else { Some(found) }
}

/// What an answer changes.
struct Difference<'a> {
    new: Vec<(&'a str, &'a PublicKey)>,
    gone: Vec<&'a Arc<IssuerKey>>,
}

impl Difference<'_> {
    fn is_nothing(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty()
    }
}

/// Returns what an answer changes. An id that the issuer has had is never another key, and what is retired stays so.
fn difference<'a>(issuer: &'a Issuer, found: &'a Found, now: OffsetDateTime) -> Difference<'a> {
    let room = KEYS_MAX.saturating_sub(issuer.keys.len());
    let new = found.iter().filter(|(key_id, _)| issuer.key(key_id).is_none());
    let is_gone = |key: &&Arc<IssuerKey>| {
        let is_there = found.get(&key.key_id).is_some_and(|it| Some(it) == key.public.as_ref());
        let has_ended = key.retired_at.is_some() || key.compromised_at.is_some();
        let has_settled = key.added_at.saturating_add(SETTLED) <= now;
        key.holding == Holding::Discovered && has_settled && !is_there && !has_ended
    };
    Difference {
        new: new.map(|(key_id, public)| (key_id.as_str(), public)).take(room).collect(),
        gone: issuer.keys.iter().filter(is_gone).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::credentials::domain::Algorithm;
    use crate::credentials::registry::discovery::{Told, found, told, well_known};
    use crate::credentials::sdjwt::key::SecretKey;
    use crate::platform::fetch::Reach;

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        let check = |identifier: &str, expected: Option<&str>| {
            let address = well_known(identifier, Reach::Public).map(|it| it.to_string());
            assert_eq!(address.as_deref(), expected, "{identifier}");
        };
        check("https://a.example", Some("https://a.example/.well-known/jwt-vc-issuer"));
        check("https://a.example/", Some("https://a.example/.well-known/jwt-vc-issuer"));
        check("https://a.example:8/t/1", Some("https://a.example:8/.well-known/jwt-vc-issuer/t/1"));
        check("http://a.example/t", None);
        check("urn:a", None);
    }

    #[test]
    fn an_answer_is_the_issuers_own_and_has_keys_or_tells_where_they_are() {
        let own = "https://a.example/t";
        let check = |content: serde_json::Value, expected: Result<&str, &str>| {
            let found = told(content.to_string().as_bytes(), own);
            let found = found.map(|it| match it {
                Told::Keys(keys) => format!("{} keys", keys.len()),
                Told::At(uri) => uri,
            });
            assert_eq!(found, expected.map(str::to_owned), "{content}");
        };
        let set = json!({"keys": [1, 2]});
        check(json!({"issuer": own, "jwks": set}), Ok("2 keys"));
        check(json!({"issuer": own, "jwks_uri": "https://b.example/"}), Ok("https://b.example/"));
        let others = Err("the answer is another issuer's");
        check(json!({"issuer": "https://b.example/t", "jwks": set}), others);
        check(json!({"issuer": "https://a.example/t/", "jwks": set}), others);
        let not_one = Err("the answer has not one of jwks and jwks_uri");
        check(json!({"issuer": own}), not_one);
        check(json!({"issuer": own, "jwks": set, "jwks_uri": "https://b.example/"}), not_one);
        let none = Err("the answer is no metadata of an issuer");
        check(json!({"jwks": set}), none);
        check(json!({"issuer": own, "jwks": {"keys": {}}}), none);
        check(json!([own]), none);
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over_and_an_id_that_comes_twice_means_neither() {
        let jwk = |kid: &str| {
            let mut jwk = SecretKey::generate(Algorithm::Es256).unwrap().public().to_jwk();
            jwk["kid"] = json!(kid);
            jwk
        };
        assert!(found(vec![json!({"kty": "RSA"})]).is_none());
        let keys = vec![jwk("a"), jwk("b"), jwk("b"), json!({"kty": "RSA", "kid": "c"}), json!(7)];
        let found = found(keys).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a"]);
    }
}
