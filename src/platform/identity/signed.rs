//! Signed tokens (RFC 7519) of issuers that the hub believes, and what binds them to a certificate (RFC 8705).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, decode_header};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::identity::bearer::invalid;
use crate::platform::trust::Trust;
use crate::platform::trust::issuer::Issuer;

/// How far clocks may be apart.
const SKEW_SECONDS: i64 = 60;
/// Longest `sub`, in bytes.
const SUBJECT_BYTES_MAX: usize = 255;

/// What a token says, once its signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Who issued it.
    pub issuer: String,
    /// Whom it speaks for, in the issuer's words.
    pub subject: String,
    /// Seconds since 1970.
    expires_at: i64,
    /// Seconds since 1970.
    not_before: Option<i64>,
    /// SHA-256 of the certificate that it is bound to.
    bound_to: Option<[u8; 32]>,
}

/// The part of a token's payload that is read.
#[derive(Debug, Deserialize)]
struct Payload {
    sub: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    cnf: Option<Confirmation>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

/// The part that is read before the signature is checked, to find whose keys to check it with.
#[derive(Debug, Deserialize)]
struct Claimed {
    iss: String,
}

/// Returns whether a token has the form of a signed one. The hub's own have no dots.
#[must_use]
pub fn is_signed(token: &str) -> bool {
    token.contains('.')
}

impl Claims {
    /// Verifies a token and returns what it says.
    ///
    /// # Errors
    ///
    /// `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_AUDIENCE_WRONG`.
    pub fn verified(token: &str, trust: &Trust, now: OffsetDateTime) -> Result<Self, Fault> {
        let [header, payload, signature] = parts(token)?;
        let parsed = decode_header(token).map_err(|error| {
            invalid("the header of the token cannot be read or names an unknown algorithm")
                .because(error)
        })?;
        if parsed.crit.is_some() || parsed.zip.is_some() || parsed.enc.is_some() {
            return Err(invalid("the token's header asks for what the hub does not do"));
        }
        let claimed: Claimed = insecure_decode_claims(token)
            .map_err(|error| invalid("the token names no issuer").because(error))?;
        let issuer = trust.issuers().find(|issuer| issuer.name() == claimed.iss);
        let issuer = issuer.ok_or_else(|| invalid("the token's issuer is not known here"))?;
        let signed = format!("{header}.{payload}");
        check_signature(issuer, (parsed.kid.as_deref(), parsed.alg), &signed, signature)?;
        let payload: Payload = URL_SAFE_NO_PAD
            .decode(payload)
            .ok()
            .and_then(|payload| serde_json::from_slice(&payload).ok())
            .ok_or_else(|| {
                invalid("the token lacks sub, aud or exp, or has one of a wrong form")
            })?;
        let claims = payload.read(claimed.iss, issuer.audience())?;
        claims.check_time(now)?;
        Ok(claims)
    }

    /// Sees whether its time is now.
    ///
    /// # Errors
    ///
    /// `TOKEN_EXPIRED`
    pub fn check_time(&self, now: OffsetDateTime) -> Result<(), Fault> {
        let now = now.unix_timestamp();
        if now >= self.expires_at.saturating_add(SKEW_SECONDS) {
            return Err(expired("the token has expired"));
        }
        if self.not_before.is_some_and(|begin| now < begin.saturating_sub(SKEW_SECONDS)) {
            return Err(expired("the token's time has not come"));
        }
        Ok(())
    }

    /// Sees whether it may be used on a connection with this certificate, or with none.
    ///
    /// # Errors
    ///
    /// `TOKEN_BINDING_WRONG`
    pub fn check_binding(&self, certificate: Option<&[u8; 32]>) -> Result<(), Fault> {
        let message = match (&self.bound_to, certificate) {
            (None, None) => return Ok(()),
            (Some(bound), Some(shown)) if bound == shown => return Ok(()),
            (Some(_), Some(_)) => "the token is bound to another certificate",
            (Some(_), None) => "the token is bound to a certificate, and the connection shows none",
            (None, Some(_)) => "the connection shows a certificate, and the token is bound to none",
        };
        Err(binding_wrong(message))
    }
}

fn parts(token: &str) -> Result<[&str; 3], Fault> {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().map_err(|_| invalid("a signed token has three parts"))
}

/// Sees whether one of the issuer's keys signed. What a key can be used for, and what the issuer may use, is known here; the
/// token's header only chooses among that.
fn check_signature(
    issuer: &Issuer,
    (key_id, algorithm): (Option<&str>, Algorithm),
    signed: &str,
    signature: &str,
) -> Result<(), Fault> {
    if !issuer.allows(algorithm) {
        return Err(invalid("the token is signed with an algorithm that its issuer may not use"));
    }
    let keys = issuer.keys();
    let keys = keys.ok_or_else(|| invalid("the key set of the issuer has not been fetched yet"))?;
    let fitting = keys.fitting(key_id, algorithm);
    if fitting.is_empty() {
        if let Some(fetched) = issuer.fetched() {
            fetched.want();
        }
        return Err(invalid("the token names no key of its issuer"));
    }
    let holds = fitting.iter().any(|key| {
        jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.key, algorithm)
            .is_ok_and(|holds| holds)
    });
    if holds { Ok(()) } else { Err(invalid("the token's signature does not hold")) }
}

impl Payload {
    fn read(self, issuer: String, audience: &str) -> Result<Claims, Fault> {
        let is_for_us = match &self.aud {
            Audience::One(one) => one == audience,
            Audience::Several(several) => several.iter().any(|it| it == audience),
        };
        if !is_for_us {
            let message = "the token is for another audience";
            return Err(Fault::new(Kind::Unauthenticated, Reason::TokenAudienceWrong, message));
        }
        let is_sound = !self.sub.is_empty() && self.sub.len() <= SUBJECT_BYTES_MAX;
        if !is_sound || self.sub.chars().any(char::is_control) {
            return Err(invalid("the token's sub is empty, longer than 255 bytes, or no text"));
        }
        let bound_to = match self.cnf {
            None => None,
            // Another kind of confirmation than the one that is known cannot be checked, so the token cannot be believed.
            Some(Confirmation { x5t_s256: None }) => {
                return Err(binding_wrong(
                    "the token is bound in a way that the hub does not know",
                ));
            }
            Some(Confirmation { x5t_s256: Some(text) }) => {
                let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|it| it.try_into().ok());
                Some(bytes.ok_or_else(|| invalid("the token's cnf is no SHA-256"))?)
            }
        };
        let (subject, expires_at, not_before) = (self.sub, self.exp, self.nbf);
        Ok(Claims { issuer, subject, expires_at, not_before, bound_to })
    }
}

/// Returns the fault of a token whose time is not now.
#[must_use]
pub fn expired(message: &'static str) -> Fault {
    Fault::new(Kind::Unauthenticated, Reason::TokenExpired, message)
}

/// Returns the fault of a token that does not belong to the connection's certificate.
#[must_use]
pub fn binding_wrong(message: &'static str) -> Fault {
    Fault::new(Kind::Unauthenticated, Reason::TokenBindingWrong, message)
}
