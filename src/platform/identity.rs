//! Who is calling: a client certificate, a bearer token, or both, lead to a registered system.
//!
//! The certificate was verified in the handshake and is held against trust again with each call, so that a connection outlives
//! neither its certificate nor its authority. A token is one that the hub made, or a signed one of an issuer that the hub believes.
//! Where there are both, they must belong together. What fails here is told by the RPC that needs a caller; health and
//! reflection need none.

pub mod bearer;
pub mod directory;
pub mod sessions;
pub mod signed;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::digest;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::db::Db;
use crate::platform::identity::directory::{Directory, Found, Proof};
use crate::platform::identity::sessions::{Key, Session, Sessions, Shown};
use crate::platform::identity::signed::{Claims, binding_wrong};
use crate::platform::permit::{Caller, Environment, Standing};
use crate::platform::tls::Peer;
use crate::platform::trust::certificate::PeerCertificate;
use crate::platform::trust::{SharedTrust, Trust};

/// How often callers with open streams are looked up again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a call has no caller; stands in the request's extensions.
#[derive(Clone, Debug)]
pub struct IdentityFault(Arc<Fault>);

impl IdentityFault {
    /// Returns why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// Returns it as the fault of a call.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        let Fault { kind, reason, message, retry_after, .. } = &*self.0;
        let fault = Fault::new(*kind, *reason, message.clone()).because(Arc::clone(&self.0));
        Fault { retry_after: *retry_after, ..fault }
    }
}

impl From<Fault> for IdentityFault {
    fn from(fault: Fault) -> Self {
        Self(Arc::new(fault))
    }
}

impl fmt::Display for IdentityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Finds out who calls, and watches that it stays so.
#[derive(Clone)]
pub struct Identities {
    directory: Directory,
    trust: SharedTrust,
    clock: SharedClock,
    sessions: Arc<Sessions>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").finish_non_exhaustive()
    }
}

impl Identities {
    /// Returns what finds callers among the participants in the database.
    #[must_use]
    pub fn new(db: Db, environment: Environment, trust: SharedTrust, clock: SharedClock) -> Self {
        let directory = Directory::new(db, environment);
        Self { directory, trust, clock, sessions: Arc::default() }
    }

    /// Returns who has shown this; `None` when it is nothing.
    async fn of(
        &self,
        certificate: Option<Arc<PeerCertificate>>,
        token: Option<String>,
    ) -> Result<Option<Caller>, IdentityFault> {
        let (certificate, token) = (certificate.as_ref(), token.as_deref());
        if token.is_none() && certificate.is_none() {
            return Ok(None);
        }
        let (trust, now) = (self.trust.present(), self.clock.now());
        if let Some(certificate) = certificate {
            check_certificate(certificate, &trust, now)?;
        }
        let key = Key { certificate: certificate.map(|it| *it.sha256()), token: token.map(sha256) };
        if let Some(session) = self.sessions.fresh(&key, trust.epoch()) {
            if let Some((_, claims)) = &session.shown.signed {
                claims.check_time(now)?;
            }
            return session.outcome.map(Some);
        }
        let shown = show(certificate, token, &trust, now)?;
        let proofs: Vec<_> = shown.proofs.iter().collect();
        let found = self.directory.look_up(&proofs, now).await.map_err(Fault::from)?;
        let found = one_system(found).map_err(IdentityFault::from);
        self.sessions.remember(key, shown, found, trust.epoch()).map(Some)
    }

    /// Looks up the callers of open streams again, once a second and whenever trust changes, until told to stop. Who does not
    /// stand any more loses its streams.
    pub async fn watch(self, stop: CancellationToken) {
        let mut told = self.trust.changes();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = told.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look_again() => {}
            }
        }
    }

    async fn look_again(&self) {
        let held = self.sessions.held();
        if held.is_empty() {
            return;
        }
        let (trust, now) = (self.trust.present(), self.clock.now());
        let proofs: Vec<_> = held.iter().flat_map(|(_, it)| &it.shown.proofs).collect();
        let looked_up = match self.directory.look_up(&proofs, now).await {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::warn!("callers of open streams cannot be looked up again: {error}");
                None
            }
        };
        let mut looked_up = looked_up.map(Vec::into_iter);
        for (key, Session { shown, outcome, epoch, .. }) in held {
            let found = looked_up.as_mut().map(|it| it.take(shown.proofs.len()).collect());
            let found: Option<Vec<Found>> = found;
            let found = match (check_again(&shown, epoch, &trust, now), found, outcome) {
                (Err(fault), ..) => Err(fault),
                (Ok(()), Some(found), _) => one_system(found),
                // The database is away: who stood a second ago stands.
                (Ok(()), None, Ok(caller)) => Ok(caller.standing().clone()),
                (Ok(()), None, Err(_)) => continue,
            };
            let found = found.map_err(IdentityFault::from);
            drop(self.sessions.remember(key, shown, found, trust.epoch()));
        }
    }
}

/// Holds what a caller has shown against trust as it is now.
fn check_again(shown: &Shown, epoch: u64, trust: &Trust, now: OffsetDateTime) -> Result<(), Fault> {
    if let Some(certificate) = &shown.certificate {
        check_certificate(certificate, trust, now)?;
    }
    match &shown.signed {
        Some((token, _)) if epoch != trust.epoch() => Claims::verified(token, trust, now).map(drop),
        Some((_, claims)) => claims.check_time(now),
        None if shown.has_hub_token() && !trust.takes_hub_tokens() => Err(not_taken()),
        None => Ok(()),
    }
}

fn check_certificate(
    certificate: &PeerCertificate,
    trust: &Trust,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    certificate.stands(trust, now).map_err(|why| {
        let message = format!("the certificate of this connection {why}");
        Fault::new(Kind::Unauthenticated, Reason::CertificateRevoked, message)
    })
}

fn not_taken() -> Fault {
    bearer::invalid("this hub takes no bearer tokens of its own")
}

/// Returns what a caller has shown, after all that can be checked without a look-up.
fn show(
    certificate: Option<&Arc<PeerCertificate>>,
    token: Option<&str>,
    trust: &Trust,
    now: OffsetDateTime,
) -> Result<Shown, Fault> {
    let mut proofs = Vec::new();
    if let Some(certificate) = certificate {
        proofs.push(Proof::Named { issuer: String::new(), subject: certificate.uri().to_owned() });
    }
    let mut signed = None;
    match token {
        Some(token) if signed::is_signed(token) => {
            let claims = Claims::verified(token, trust, now)?;
            claims.check_binding(certificate.map(|it| it.sha256()))?;
            let (issuer, subject) = (claims.issuer.clone(), claims.subject.clone());
            proofs.push(Proof::Named { issuer, subject });
            signed = Some((token.into(), claims));
        }
        Some(_) if !trust.takes_hub_tokens() => return Err(not_taken()),
        Some(token) => proofs.push(Proof::Token(token_sha256(token))),
        None => {}
    }
    Ok(Shown { certificate: certificate.cloned(), signed, proofs })
}

/// Returns the one system that every proof leads to.
fn one_system(found: Vec<Found>) -> Result<Standing, Fault> {
    let mut one: Option<Standing> = None;
    for found in found {
        let found = found?;
        if one.as_ref().is_some_and(|one| one.system != found.system) {
            let message = "the certificate and the token belong to different systems";
            return Err(binding_wrong(message));
        }
        one = Some(found);
    }
    one.ok_or_else(|| Fault::internal("a caller without a proof"))
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}

/// Returns the digest under which a bearer token is stored.
#[must_use]
pub fn token_sha256(token: &str) -> Vec<u8> {
    sha256(token).to_vec()
}

/// Puts the caller, if it is known, into the request; otherwise why there is none.
#[derive(Clone, Debug)]
pub struct IdentityLayer(pub Identities);

impl<S> Layer<S> for IdentityLayer {
    type Service = Identity<S>;

    fn layer(&self, inner: S) -> Identity<S> {
        Identity { identities: self.0.clone(), inner }
    }
}

/// See [`IdentityLayer`].
#[derive(Clone, Debug)]
pub struct Identity<S> {
    identities: Identities,
    inner: S,
}

impl<S, B, A> Service<Request<B>> for Identity<S>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
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
        let identities = self.identities.clone();
        let token = bearer::token(request.headers()).map(|token| token.map(str::to_owned));
        let peer = request.extensions().get::<Peer>();
        let certificate = peer.and_then(Peer::certificate).cloned();
        Box::pin(async move {
            let caller = match token {
                Ok(token) => identities.of(certificate, token).await,
                Err(fault) => Err(fault.into()),
            };
            match caller {
                Ok(Some(caller)) => drop(request.extensions_mut().insert(caller)),
                Ok(None) => {}
                Err(fault) => drop(request.extensions_mut().insert(fault)),
            }
            inner.call(request).await
        })
    }
}
