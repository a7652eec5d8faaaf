//! Who is calling: a client certificate's URI name, or a bearer token, is looked up among the participants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use futures_util::future::BoxFuture;
use http::{Request, Response, header};
use tower::{Layer, Service};

use crate::kernel::ids::{ParticipantId, SystemId};
use crate::pb::peshub::common::v1::{QuotaClass, Role};
use crate::platform::db::{Db, DbError};
use crate::platform::permit::{Caller, ParticipantKind, Permit, Standing};
use crate::platform::tls::Peer;

/// How long a look-up is trusted: a participant that is disabled is out after this.
const TRUSTED: Duration = Duration::from_secs(1);
/// Most look-ups that are remembered; beyond it all are forgotten, which costs a query each.
const REMEMBERED_MAX: usize = 10_000;

/// How a caller proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Proof {
    /// The one URI name of its certificate.
    Uri(String),
    /// SHA-256 of its bearer token.
    Token(Vec<u8>),
}

/// What was looked up, and when.
type Remembered = HashMap<Proof, (Instant, Option<Caller>)>;

/// Finds callers.
#[derive(Clone, Debug)]
pub struct Directory {
    db: Db,
    remembered: Arc<Mutex<Remembered>>,
}

impl Directory {
    /// Returns a directory over the participants in the database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, remembered: Arc::default() }
    }

    async fn find(&self, proof: Proof) -> Result<Option<Caller>, DbError> {
        let known = {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.get(&proof).filter(|(at, _)| at.elapsed() < TRUSTED).cloned()
        };
        if let Some((_, caller)) = known {
            return Ok(caller);
        }
        let caller = self.look_up(&proof).await?;
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(proof, (Instant::now(), caller.clone()));
        Ok(caller)
    }

    async fn look_up(&self, proof: &Proof) -> Result<Option<Caller>, DbError> {
        let mut tx = self.db.read(&Permit::of_hub()).await?;
        let (uri, token) = match proof {
            Proof::Uri(uri) => (Some(uri.as_str()), None),
            Proof::Token(digest) => (None, Some(digest.as_slice())),
        };
        let row = sqlx::query!(
            r#"SELECT p.participant_id, p.name, p.kind, s.system_id, s.name AS system_name,
                      ARRAY(SELECT d.token FROM participant_division d
                            WHERE d.participant_id = p.participant_id) AS "tokens!",
                      ARRAY(SELECT r.role FROM system_role r WHERE r.system_id = s.system_id) AS "roles!",
                      ARRAY(SELECT q.quota FROM participant_quota q
                            WHERE q.participant_id = p.participant_id ORDER BY q.quota) AS "quotas!",
                      ARRAY(SELECT q.most FROM participant_quota q
                            WHERE q.participant_id = p.participant_id ORDER BY q.quota) AS "most!"
               FROM participant_system s JOIN participant p ON p.participant_id = s.participant_id
               WHERE p.disabled_at IS NULL AND s.disabled_at IS NULL AND s.system_id IN (
                   SELECT i.system_id FROM system_identity i WHERE i.issuer = '' AND i.subject = $1
                   UNION ALL
                   SELECT t.system_id FROM system_token t WHERE t.token_sha256 = $2)"#,
            uri,
            token,
        )
        .fetch_optional(tx.connection())
        .await?;
        Ok(row.and_then(|row| {
            let roles =
                row.roles.into_iter().filter_map(|role| Role::try_from(i32::from(role)).ok());
            let quotas = row.quotas.into_iter().zip(row.most).filter_map(|(quota, most)| {
                Some((QuotaClass::try_from(i32::from(quota)).ok()?, most))
            });
            Some(Caller::new(Standing {
                participant: ParticipantId(row.participant_id),
                participant_name: row.name,
                kind: ParticipantKind::of_number(row.kind)?,
                system: SystemId(row.system_id),
                system_name: row.system_name,
                roles: roles.collect(),
                quotas: quotas.collect(),
                division_tokens: row.tokens,
            }))
        }))
    }
}

/// Returns the digest under which a bearer token is stored.
#[must_use]
pub fn token_sha256(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec()
}

fn proof<B>(request: &Request<B>) -> Option<Proof> {
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        // The scheme is case-insensitive (RFC 9110, 11.1).
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Proof::Token(token_sha256(token.trim())));
    bearer.or_else(|| {
        let peer = request.extensions().get::<Peer>()?;
        peer.uri().map(|uri| Proof::Uri(uri.to_owned()))
    })
}

/// Puts the caller, if it is known, into the request.
#[derive(Clone, Debug)]
pub struct IdentityLayer(pub Directory);

impl<S> Layer<S> for IdentityLayer {
    type Service = Identity<S>;

    fn layer(&self, inner: S) -> Identity<S> {
        Identity { directory: self.0.clone(), inner }
    }
}

/// See [`IdentityLayer`].
#[derive(Clone, Debug)]
pub struct Identity<S> {
    directory: Directory,
    inner: S,
}

impl<S, B, A> Service<Request<B>> for Identity<S>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    A: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone stays behind; the one that was polled ready takes the call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let directory = self.directory.clone();
        Box::pin(async move {
            if let Some(proof) = proof(&request) {
                match directory.find(proof).await {
                    Ok(Some(caller)) => {
                        request.extensions_mut().insert(caller);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let fault = crate::kernel::fault::Fault::from(error);
                        return Ok(crate::platform::status::of_fault(&fault).into_http());
                    }
                }
            }
            inner.call(request).await
        })
    }
}
